// Makes the workloads by their kinds.
#pragma once

#include <memory>

#include "sim/workload.hpp"

namespace scoutfs::sim {

// `draws`: what the random operations are drawn from; it must outlive the workload.
std::unique_ptr<Workload> make_workload(WorkloadKind kind, const WorkloadEnv& env,
                                        SimRandom& draws);

}  // namespace scoutfs::sim
