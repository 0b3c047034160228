#include "sim/workloads/make_workload.hpp"

#include "sim/workloads/appends.hpp"
#include "sim/workloads/link_ring.hpp"
#include "sim/workloads/open_unlinked.hpp"
#include "sim/workloads/random_posix.hpp"
#include "sim/workloads/rename_ring.hpp"
#include "sim/workloads/scans.hpp"
#include "sim/workloads/shared_creates.hpp"
#include "sim/workloads/stamped_writes.hpp"

namespace scoutfs::sim {

std::unique_ptr<Workload> make_workload(WorkloadKind kind, const WorkloadEnv& env,
                                        SimRandom& draws) {
  switch (kind) {
    case WorkloadKind::random_posix:
      break;
    case WorkloadKind::rename_ring:
      return std::make_unique<RenameRing>(env);
    case WorkloadKind::link_ring:
      return std::make_unique<LinkRing>(env);
    case WorkloadKind::shared_creates:
      return std::make_unique<SharedCreates>(env);
    case WorkloadKind::appends:
      return std::make_unique<Appends>(env);
    case WorkloadKind::stamped_data:
      return std::make_unique<StampedWrites>(env);
    case WorkloadKind::open_unlinked:
      return std::make_unique<OpenUnlinked>(env);
    case WorkloadKind::scans:
      return std::make_unique<Scans>(env);
  }
  return std::make_unique<RandomPosix>(env, draws);
}

}  // namespace scoutfs::sim
