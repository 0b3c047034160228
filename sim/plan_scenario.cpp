// What a scenario draws.
#include <algorithm>

#include "sim/random.hpp"
#include "sim/scenario.hpp"

namespace scoutfs::sim {

namespace {

// One for each thing that is drawn, so that none depends on the others.
enum class Part : std::uint64_t { nodes, operations, workloads, faults, knobs };

SimRandom stream(std::uint64_t seed, Part part, std::uint64_t number = 0) {
  return {seed, Stream::scenario, static_cast<std::uint64_t>(part) + number};
}

std::uint64_t draw(DrawRange range, SimRandom random) {
  return random.between(range.low, range.high);
}

// Some seeds leave some workloads out.
void draw_workloads(const Scenario& scenario, Plan& plan) {
  SimRandom random = stream(plan.seed, Part::workloads);
  plan.workloads = scenario.workloads;
  if (plan.workloads.size() < 3) return;
  std::erase_if(plan.workloads,
                [&random](const PlannedWorkload&) { return random.chance(2, 5); });
  if (plan.workloads.empty()) plan.workloads.push_back(random.pick(scenario.workloads));
}

bool needs_others(FaultKind kind) {
  return (kind >= FaultKind::disconnect && kind <= FaultKind::isolate) ||
         (kind >= FaultKind::isolate_leader && kind <= FaultKind::split_leader) ||
         kind >= FaultKind::long_pause;
}

bool lasts_long(FaultKind kind) {
  return kind == FaultKind::long_pause || kind == FaultKind::long_isolation;
}

FaultKind pick(const std::vector<std::pair<FaultKind, std::uint64_t>>& kinds,
               SimRandom& random) {
  std::uint64_t sum = 0;
  for (const auto& [kind, weight] : kinds) sum += weight;
  std::uint64_t at = random.below(sum);
  for (const auto& [kind, weight] : kinds) {
    if (at < weight) return kind;
    at -= weight;
  }
  return kinds.front().first;
}

constexpr auto kMicro = kMicrosecond;
constexpr auto kMilli = kMillisecond;

}  // namespace

// clang-format off
const std::vector<Knob>& knobs() {
  static const std::vector<Knob> all = {
      {"commit_bytes", 1'000, 1u << 24,
       [](Plan& plan, std::uint64_t value) {
         plan.mount.commit_bytes_max = value;
         plan.mount.dirty_bytes_max = 8 * value;
       }},
      {"commit_interval_ms", 1, 60'000,
       [](Plan& plan, std::uint64_t value) { plan.mount.commit_interval_ns = value * kMilli; }},
      {"disk_latency_us", 40, 100'000,
       [](Plan& plan, std::uint64_t value) { plan.disk.latency_max_ns = value * kMicro; }},
      {"fanout", 2, 16,
       [](Plan& plan, std::uint64_t value) { plan.mount.compaction.fanout = value; }},
      {"file_bytes", 1'000, 4'000'000,
       [](Plan& plan, std::uint64_t value) { plan.file_bytes = value; }},
      {"item_cache_bytes", 1'000, 1u << 26,
       [](Plan& plan, std::uint64_t value) { plan.mount.item_cache_bytes = value; }},
      {"level0_count", 1, 64,
       [](Plan& plan, std::uint64_t value) {
         plan.mount.compaction.level0_stop += value - plan.mount.compaction.level0_count;
         plan.mount.compaction.level0_count = value;
       }},
      {"level1_blocks", 16, 65'536,
       [](Plan& plan, std::uint64_t value) { plan.mount.compaction.level1_blocks = value; }},
      {"locks", 1, 100'000,
       [](Plan& plan, std::uint64_t value) { plan.mount.locks_max = value; }},
      {"names", 1, 26, [](Plan& plan, std::uint64_t value) { plan.names = value; }},
      {"network_delay_us", 50, 1'000'000,
       [](Plan& plan, std::uint64_t value) { plan.network.delay_max_ns = value * kMicro; }},
      {"orphan_scan_ms", 100, 60'000,
       [](Plan& plan, std::uint64_t value) { plan.mount.fs.orphan_scan_ns = value * kMilli; }},
      {"segment_cache_bytes", 16'000, 1u << 26,
       [](Plan& plan, std::uint64_t value) { plan.mount.segment_cache_bytes = value; }},
      {"think_us", 1, 1'000'000,
       [](Plan& plan, std::uint64_t value) { plan.think_ns = value * kMicro; }},
      {"value_bytes", 1, 65'535,
       [](Plan& plan, std::uint64_t value) { plan.value_bytes = value; }},
      {"workers", 1, 8,
       [](Plan& plan, std::uint64_t value) { plan.workers = static_cast<unsigned>(value); }},
      {"write_bytes", 1, 1u << 20,
       [](Plan& plan, std::uint64_t value) { plan.write_bytes = value; }},
  };
  return all;
}
// clang-format on

unsigned draw_nodes(const Scenario& scenario, std::uint64_t seed) {
  return static_cast<unsigned>(draw(scenario.nodes, stream(seed, Part::nodes)));
}

std::uint64_t draw_operations(const Scenario& scenario, std::uint64_t seed) {
  return draw(scenario.operations, stream(seed, Part::operations));
}

void draw_scenario(const Scenario& scenario, Plan& plan) {
  draw_workloads(scenario, plan);
  for (std::uint64_t i = 0; i < knobs().size(); ++i) {
    const auto named = scenario.knobs.find(std::string(knobs()[i].name));
    if (named == scenario.knobs.end()) continue;
    knobs()[i].set(plan, draw(named->second, stream(plan.seed, Part::knobs, i)));
  }
}

void draw_scenario_faults(const Scenario& scenario, Plan& plan) {
  SimRandom random = stream(plan.seed, Part::faults);
  std::vector<std::pair<FaultKind, std::uint64_t>> kinds = scenario.faults->kinds;
  if (plan.nodes < 2) {
    std::erase_if(kinds, [](const auto& kind) { return needs_others(kind.first); });
  }
  if (kinds.empty()) return;
  const std::uint64_t count = draw(scenario.faults->count, random);
  for (std::uint64_t i = 0; i < count; ++i) {
    PlannedFault fault;
    fault.kind = pick(kinds, random);
    fault.at_operation = random.between(1, plan.operations);
    fault.then_steps = random.below(60);
    fault.node = static_cast<unsigned>(random.below(plan.nodes));
    const std::uint64_t apart = plan.nodes < 2 ? 0 : random.between(1, plan.nodes - 1);
    fault.other = (fault.node + static_cast<unsigned>(apart)) % plan.nodes;
    fault.lasts_ns = lasts_long(fault.kind)
                         ? random.log_between(plan.mount.lease_ns, 25 * kSecond)
                         : random.log_between(10 * kMillisecond, 8 * kSecond);
    fault.cut = static_cast<CutMode>(random.below(4));
    fault.milestone = static_cast<Milestone>(random.below(kMilestones));
    plan.faults.push_back(fault);
  }
  plan.wakes_when_fenced = plan.nodes > 1 && random.chance(1, 2);
}

}  // namespace scoutfs::sim
