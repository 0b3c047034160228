// The files of this folder, embedded by the build (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace scoutfs::sim::scenario_files {

extern const std::string_view appends_json, change_index_json, compaction_scans_json,
    full_volume_json, links_json, mix_json, open_unlinked_json, renames_json,
    shared_directory_json, stamped_data_json;

}  // namespace scoutfs::sim::scenario_files
