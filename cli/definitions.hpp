// Reading the definitions of the command: what man pages and completion are made from.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace scoutfs::cli {

// The subcommands a user sees, in order of definition.
std::vector<const CLI::App*> visible_commands(const CLI::App& app);

struct OptionText {
  std::vector<std::string> names;  // "-f", "--force"; empty: positional
  std::string value;               // "DEVICE"; empty: takes none
  std::string description;
  bool required = false;
  bool repeated = false;
};
std::vector<OptionText> options_of(const CLI::App& command);

// "scoutfs mkfs [-f] [-Q VALUE]... DEVICE"
std::string synopsis(const std::string& name, const CLI::App& command);

}  // namespace scoutfs::cli
