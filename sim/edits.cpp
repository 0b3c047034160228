#include "sim/edits.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "sim/plan.hpp"

namespace scoutfs::sim {

namespace {

bool ascending(const std::vector<DecidedFault>& faults, std::size_t count) {
  const auto not_before = [](const DecidedFault& a, const DecidedFault& b) {
    return a.number >= b.number;
  };
  return std::ranges::adjacent_find(faults, not_before) == faults.end() &&
         (faults.empty() || faults.back().number < count);
}

std::string misfit_of(const DecidedOperation& decided, const Edits& edits, const Plan& plan) {
  const std::string name =
      fmt::format("operation {} of node {}", decided.ordinal, decided.node);
  if (!std::ranges::binary_search(edits.nodes, decided.node)) {
    return fmt::format("{}: the node takes no part", name);
  }
  if (decided.worker >= plan.workers) {
    return fmt::format("{}: there is no worker {}", name, decided.worker);
  }
  if (decided.workload >= plan.workloads.size()) {
    return fmt::format("{}: there is no workload {}", name, decided.workload);
  }
  return {};
}

template <class T>
void keep(std::vector<T>& planned, const std::vector<DecidedFault>& left) {
  std::vector<T> kept;
  for (const DecidedFault& decided : left) {
    kept.push_back(planned[decided.number]);
    kept.back().number = decided.number;
    kept.back().at = decided.at;
  }
  planned = std::move(kept);
}

}  // namespace

std::string misfit(const Edits& edits, const Plan& plan) {
  const auto not_before = [](unsigned a, unsigned b) { return a >= b; };
  if (edits.nodes.empty()) return "no node takes part";
  if (std::ranges::adjacent_find(edits.nodes, not_before) != edits.nodes.end()) {
    return "the nodes are not in ascending order";
  }
  if (edits.nodes.back() >= plan.nodes) {
    return fmt::format("there is no node {}", edits.nodes.back());
  }
  if (!ascending(edits.faults, plan.faults.size())) {
    return fmt::format("the faults are not {} in ascending order", plan.faults.size());
  }
  if (!ascending(edits.troubles, plan.troubles.size())) {
    return fmt::format("the troubles are not {} in ascending order", plan.troubles.size());
  }
  const DecidedOperation* before = nullptr;
  for (const DecidedOperation& decided : edits.operations) {
    std::string wrong = misfit_of(decided, edits, plan);
    if (!wrong.empty()) return wrong;
    const auto name = [](const DecidedOperation& of) { return std::tie(of.node, of.ordinal); };
    if (before != nullptr && name(*before) >= name(decided)) {
      return "the operations are not in the order of nodes and ordinals";
    }
    before = &decided;
  }
  return {};
}

void apply(const Edits& edits, Plan& plan) {
  SCOUTFS_ASSERT(misfit(edits, plan).empty());
  const auto now = [&edits](unsigned node) {
    const auto found = std::ranges::find(edits.nodes, node);
    return found == edits.nodes.end() ? 0U : static_cast<unsigned>(found - edits.nodes.begin());
  };
  plan.decided.emplace(edits.nodes.size());
  for (const DecidedOperation& decided : edits.operations) {
    (*plan.decided)[now(decided.node)].push_back(decided);
  }
  plan.operations = edits.operations.size();
  keep(plan.faults, edits.faults);
  for (PlannedFault& fault : plan.faults) {
    fault.node = now(fault.node);
    fault.other = now(fault.other);
  }
  keep(plan.troubles, edits.troubles);
  for (PlannedTrouble& planned : plan.troubles) {
    if (planned.trouble.node != kEverybody) planned.trouble.node = now(planned.trouble.node);
  }
  std::vector<ClockShape> clocks;
  for (const unsigned node : edits.nodes) clocks.push_back(plan.clocks[node]);
  plan.clocks = std::move(clocks);
  plan.nodes = static_cast<unsigned>(edits.nodes.size());
  // Configured slots: of each node one.
  if (!plan.format.slots.empty()) plan.format.slots.resize(plan.nodes);
  plan.network.calm_from = edits.calm_network_from;
  plan.disk.calm_from = edits.calm_disk_from;
  if (!edits.disk_errors) plan.disk.errors = {};
}

}  // namespace scoutfs::sim
