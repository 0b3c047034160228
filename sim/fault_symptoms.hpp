// By which symptoms the engine notices each kind of fault.
#pragma once

#include "sim/cluster.hpp"

namespace scoutfs::sim {

// Enters the fault into the cluster's ledger. Call it before the fault has any effect.
void enter_fault(Cluster& cluster, const PlannedFault& fault);
void enter_trouble(Cluster& cluster, const PlannedTrouble& trouble);

}  // namespace scoutfs::sim
