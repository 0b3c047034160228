// The options of a mount as they are typed behind -o, comma separated.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "node/mount_config.hpp"

namespace scoutfs::cli {

struct MountOptionHelp {
  std::string_view name;  // "slot=NR"
  std::string_view text;
};
// What is ours; the kernel's and mount(8)'s own options are accepted besides.
std::span<const MountOptionHelp> mount_option_help();

enum class Unknown : std::uint8_t { refuse, ignore };

// Puts the options of one -o argument into the config. False: `why` says which one is wrong.
bool apply_mount_options(std::string_view options, Unknown unknown, node::MountConfig& config,
                         std::string& why);

}  // namespace scoutfs::cli
