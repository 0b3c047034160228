#include "sim/scenarios/scenarios.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "engine/base/assert.hpp"
#include "sim/scenarios/scenario_files.hpp"

namespace scoutfs::sim {

const std::vector<std::shared_ptr<const Scenario>>& built_in_scenarios() {
  using namespace scenario_files;
  static const std::vector<std::shared_ptr<const Scenario>> all = [] {
    const std::pair<const char*, std::string_view> files[] = {
        {"appends", appends_json},
        {"change-index", change_index_json},
        {"compaction-scans", compaction_scans_json},
        {"full-volume", full_volume_json},
        {"links", links_json},
        {"mix", mix_json},
        {"open-unlinked", open_unlinked_json},
        {"renames", renames_json},
        {"shared-directory", shared_directory_json},
        {"stamped-data", stamped_data_json},
    };
    std::vector<std::shared_ptr<const Scenario>> read;
    for (const auto& [name, text] : files) {
      std::expected<Scenario, std::string> scenario = decode_scenario(name, text);
      SCOUTFS_ASSERT(scenario.has_value());
      scenario->built_in = true;
      read.push_back(std::make_shared<const Scenario>(*std::move(scenario)));
    }
    return read;
  }();
  return all;
}

std::shared_ptr<const Scenario> built_in_scenario(std::string_view name) {
  const auto& all = built_in_scenarios();
  const auto found =
      std::ranges::find_if(all, [name](const auto& one) { return one->name == name; });
  return found == all.end() ? nullptr : *found;
}

std::string names_of_built_in_scenarios() {
  std::string names;
  for (const auto& scenario : built_in_scenarios()) {
    names += (names.empty() ? "" : ", ") + scenario->name;
  }
  return names;
}

}  // namespace scoutfs::sim
