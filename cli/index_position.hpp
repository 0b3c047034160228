// Positions in the change index as they are typed: MAJOR[.MINOR[.INO]].
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scoutfs::cli {

struct IndexPosition {
  std::uint64_t major = 0;  // sequence number
  std::uint32_t minor = 0;  // 0 in every entry there is
  std::uint64_t ino = 0;
  auto operator<=>(const IndexPosition&) const = default;
};

// Each number in any base of C (10, 0x10, 010). A negative one wraps: -1 is the largest.
// nullopt if it is none; `rest` is then where reading stopped.
std::optional<IndexPosition> parse_index_position(std::string_view text, std::string* rest);

// What may follow `walk-inodes` on a command line and looks like an option, "-1", as the number
// it means. Other arguments stay as they are.
void unwrap_negative_positions(std::vector<std::string>& arguments);

}  // namespace scoutfs::cli
