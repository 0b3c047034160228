// WorkloadKind: which workloads there are.
#pragma once

#include <cstdint>
#include <string_view>

namespace scoutfs::sim {

enum class WorkloadKind : std::uint8_t {
  random_posix,
  rename_ring,
  link_ring,
  shared_creates,
  appends,
  stamped_data,
  open_unlinked,
  scans,
};
inline constexpr std::size_t kWorkloadKinds = 8;
std::string_view to_string(WorkloadKind kind);  // "random-posix"

}  // namespace scoutfs::sim
