// The scenarios that are built in, and the files of others. README.md has the format.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/scenario.hpp"

namespace scoutfs::sim {

// By name.
const std::vector<std::shared_ptr<const Scenario>>& built_in_scenarios();
// nullptr: there is none of that name.
std::shared_ptr<const Scenario> built_in_scenario(std::string_view name);
// "appends, links, ..."
std::string names_of_built_in_scenarios();

// Errors: what is wrong with it, in one line, and what would be right.
std::expected<Scenario, std::string> decode_scenario(std::string name, std::string_view text);

}  // namespace scoutfs::sim
