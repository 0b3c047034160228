// Versions of the formats whose tables are in folders above this one. Each table's header
// asserts the version that it describes, so that the two change together.
#pragma once

#include <string_view>

namespace scoutfs::format {

// Contributed to format_description().
inline constexpr std::string_view kBatchFormat = "batch 1: count, {key, present, value}\n";
inline constexpr std::string_view kManifestFormat =
    "manifest 1: ref items coverage level record\n";
inline constexpr std::string_view kWireFormat = "wire 3\n";

}  // namespace scoutfs::format
