#include "sim/plan.hpp"

#include <algorithm>
#include <tuple>

#include "engine/env/drift.hpp"
#include "sim/random.hpp"
#include "sim/scenario.hpp"

namespace scoutfs::sim {

std::string_view to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::kill_one:
      return "kill-one";
    case FaultKind::kill_leader:
      return "kill-leader";
    case FaultKind::kill_all:
      return "kill-all";
    case FaultKind::power_cut:
      return "power-cut";
    case FaultKind::disconnect:
      return "disconnect";
    case FaultKind::partition:
      return "partition";
    case FaultKind::one_way:
      return "one-way";
    case FaultKind::isolate:
      return "isolate";
    case FaultKind::pause:
      return "pause";
    case FaultKind::leave:
      return "leave";
    case FaultKind::long_pause:
      return "long-pause";
    case FaultKind::long_isolation:
      return "long-isolation";
    case FaultKind::lose_disk:
      return "lose-disk";
    case FaultKind::restart_disk:
      return "restart-disk";
    case FaultKind::kill_at:
      return "kill-at";
    case FaultKind::pause_at:
      return "pause-at";
    case FaultKind::isolate_leader:
      return "isolate-leader";
    case FaultKind::deafen_leader:
      return "deafen-leader";
    case FaultKind::split_leader:
      return "split-leader";
    case FaultKind::pause_leader:
      return "pause-leader";
    case FaultKind::restart_storm:
      return "restart-storm";
  }
  return "unknown";
}

namespace {

// Somebody dies of it.
bool kills(FaultKind kind) {
  return kind <= FaultKind::power_cut || kind == FaultKind::kill_at ||
         kind == FaultKind::restart_storm;
}

template <class T>
T one_of(SimRandom& random, std::initializer_list<T> values) {
  return *(values.begin() + random.below(values.size()));
}

std::uint32_t base_weight(OpKind kind) {
  switch (kind) {
    case OpKind::create:
      return 14;
    case OpKind::create_open:
      return 5;
    case OpKind::lookup:
    case OpKind::unlink:
    case OpKind::rename:
    case OpKind::write:
      return 10;
    case OpKind::getattr:
    case OpKind::read:
      return 8;
    case OpKind::append:
    case OpKind::link:
    case OpKind::readdir:
    case OpKind::open:
    case OpKind::truncate:
      return 6;
    case OpKind::rmdir:
    case OpKind::set_mode:
    case OpKind::set_xattr:
    case OpKind::punch:
      return 4;
    case OpKind::get_xattr:
    case OpKind::remove_xattr:
    case OpKind::list_xattrs:
    case OpKind::readlink:
    case OpKind::allocate:
    case OpKind::seek:
    case OpKind::sync:
    case OpKind::ino_path:
      return 3;
    case OpKind::statfs:
      return 1;
  }
  return 1;
}

// Families that a seed switches off together.
void draw_weights(Plan& plan, SimRandom& random) {
  for (std::size_t i = 0; i < kOpKinds; ++i)
    plan.weights[i] = base_weight(static_cast<OpKind>(i));
  using enum OpKind;
  const std::vector<std::vector<OpKind>> families = {
      {rename},
      {link},
      {unlink, rmdir},
      {set_xattr, get_xattr, list_xattrs, remove_xattr},
      {write, append, truncate, punch, allocate, seek, read},
      {truncate, punch, allocate, seek},
      {append},
      {open, create_open},
      {sync},
      {ino_path, statfs},
      {set_mode, getattr},
      {readdir, lookup},
  };
  for (const std::vector<OpKind>& family : families) {
    const std::uint64_t fate = random.below(8);
    for (const OpKind kind : family) {
      std::uint32_t& weight = plan.weights[static_cast<std::size_t>(kind)];
      if (fate == 0) weight = 0;
      if (fate == 1) weight *= 4;
    }
  }
}

void draw_mount(Plan& plan, SimRandom& random) {
  MountOptions& mount = plan.mount;
  mount.cluster = plan.format.cluster;
  mount.commit_interval_ns = random.log_between(20 * kMillisecond, 2 * kSecond);
  mount.commit_bytes_max = random.log_between(2'000, 1u << 20);
  mount.dirty_bytes_max = mount.commit_bytes_max * random.between(4, 16);
  mount.item_cache_bytes = one_of<std::uint64_t>(random, {4'000, 64'000, 4'000'000});
  mount.segment_cache_bytes = one_of<std::uint64_t>(random, {64'000, 512'000, 4'000'000});
  mount.locks_max = one_of<std::size_t>(random, {1, 2, 4, 10'000});
  mount.grant_blocks = one_of<std::uint64_t>(random, {64, 128, 512});
  mount.segment_size_max = one_of<std::uint64_t>(random, {256u << 10, 1u << 20, 4u << 20});
  mount.compaction.level0_count = random.between(2, 6);
  mount.compaction.level0_stop = mount.compaction.level0_count + random.between(2, 20);
  mount.compaction.level1_blocks = one_of<std::uint64_t>(random, {16, 64, 4096});
  mount.compaction.fanout = random.between(2, 10);
  mount.compaction.inputs_max = random.between(4, 24);
  mount.compaction.segment_size_max = mount.segment_size_max;
  mount.heartbeat_ns = random.between(100, 300) * kMillisecond;
  mount.silence_ns = 10 * mount.heartbeat_ns;
  mount.fs.orphan_scan_ns = random.log_between(300 * kMillisecond, 5 * kSecond);
}

void draw_world(Plan& plan, SimRandom& random) {
  plan.disk.block_count = one_of<std::uint64_t>(random, {6'144, 8'192, 12'288});
  plan.disk.latency_max_ns = random.log_between(50 * kMicrosecond, 20 * kMillisecond);
  plan.disk.slow_per_1000 = one_of<std::uint64_t>(random, {0, 2, 20});
  plan.network.delay_max_ns = random.log_between(50 * kMicrosecond, 30 * kMillisecond);
  plan.network.slow_per_1000 = one_of<std::uint64_t>(random, {0, 2, 20});
  plan.network.refused_per_1000 = one_of<std::uint64_t>(random, {0, 0, 50});
  for (unsigned i = 0; i < plan.nodes; ++i) {
    const auto drift = static_cast<std::int64_t>(random.below(401)) - 200;
    plan.clocks.push_back({.start_ns = random.between(1, 1'000'000) * kMillisecond,
                           .drift_ppm = drift,
                           .wall_start_ns = (1'700'000'000 + random.below(5)) * kSecond});
  }
  // Small rings wrap within a run; 0: as mkfs chooses.
  plan.format.journal_blocks = one_of<std::uint64_t>(random, {0, 256, 512});
  plan.format.server_area_blocks = one_of<std::uint64_t>(random, {0, 512});
  plan.workers = static_cast<unsigned>(random.between(1, 3));
  plan.names = random.between(2, 8);
  plan.file_bytes = random.log_between(5'000, 200'000);
  plan.write_bytes = random.log_between(10, 40'000);
  plan.value_bytes = one_of<std::uint64_t>(random, {20, 300, 40'000});
  plan.think_ns = random.log_between(100 * kMicrosecond, 100 * kMillisecond);
  plan.ends_with_power_cut = random.chance(1, 3);
  plan.fencing_knows_all_hosts = random.chance(1, 2);
  if (random.chance(1, 2)) plan.fence_level = FenceLevel::storage;
}

void draw_faults(Plan& plan, SimRandom& random) {
  std::vector<FaultKind> allowed;
  for (std::size_t i = 0; i < static_cast<std::size_t>(FaultKind::lose_disk); ++i) {
    const auto kind = static_cast<FaultKind>(i);
    const bool needs_two =
        (kind >= FaultKind::disconnect && kind <= FaultKind::isolate) ||
        (kind >= FaultKind::isolate_leader && kind <= FaultKind::split_leader);
    if (needs_two && plan.nodes < 2) continue;
    if (random.chance(1, 2)) allowed.push_back(kind);
  }
  if (allowed.empty()) return;
  const std::uint64_t count = random.between(0, 5);
  for (std::uint64_t i = 0; i < count; ++i) {
    PlannedFault fault;
    fault.kind = random.pick(allowed);
    fault.at_operation = random.between(1, plan.operations);
    fault.then_steps = random.below(60);
    fault.node = static_cast<unsigned>(random.below(plan.nodes));
    fault.other =
        (fault.node + 1 + static_cast<unsigned>(random.below(plan.nodes))) % plan.nodes;
    if (fault.other == fault.node) fault.other = (fault.node + 1) % plan.nodes;
    fault.lasts_ns = random.log_between(10 * kMillisecond, 8 * kSecond);
    fault.cut = static_cast<CutMode>(random.below(4));
    fault.milestone = static_cast<Milestone>(random.below(kMilestones));
    plan.faults.push_back(fault);
  }
}

// Connections to the disk that break.
void draw_disk_faults(Plan& plan, SimRandom& random) {
  if (!random.chance(1, 2)) return;
  const std::uint64_t count = random.between(1, 3);
  for (std::uint64_t i = 0; i < count; ++i) {
    PlannedFault fault;
    fault.kind = random.chance(1, 2) ? FaultKind::lose_disk : FaultKind::restart_disk;
    fault.at_operation = random.between(1, plan.operations);
    fault.then_steps = random.below(60);
    fault.node = static_cast<unsigned>(random.below(plan.nodes));
    fault.lasts_ns = random.log_between(kMillisecond, 8 * kSecond);
    plan.faults.push_back(fault);
  }
}

// Leases, what the fencing can do, and the faults that put both to work.
void draw_fencing(Plan& plan, bool faults) {
  SimRandom random(plan.seed, Stream::fencing);
  MountOptions& mount = plan.mount;
  mount.lease_ns = random.between(4, 9) * mount.heartbeat_ns;
  mount.fence_after_ns = random.log_between(50 * kMillisecond, 2 * kSecond);
  mount.fence_idle_after_ns = random.log_between(500 * kMillisecond, 10 * kSecond);
  mount.recovery_grace_ns = random.between(4, 8) * kSecond;
  mount.on_fence = one_of(random, {OnFence::eio, OnFence::eio, OnFence::freeze, OnFence::exit});
  // Any two clocks part by twice the bound at most.
  const auto bound = static_cast<std::int64_t>(kDriftBoundPpm);
  for (ClockShape& clock : plan.clocks) {
    clock.drift_ppm = one_of<std::int64_t>(random, {clock.drift_ppm, -bound, bound});
  }
  const std::uint64_t level = random.below(8);
  plan.fence_level = level == 0   ? FenceLevel::none
                     : level <= 3 ? FenceLevel::host
                                  : FenceLevel::storage;
  plan.fence_delay_ns = random.log_between(kMillisecond, 4 * kSecond);
  if (plan.fence_level == FenceLevel::none) {
    // Nobody would ever know of a death, and what the dead held would stay reserved.
    std::erase_if(plan.faults, [](const PlannedFault& fault) { return kills(fault.kind); });
  }
  if (!faults || plan.nodes < 2) return;
  const std::uint64_t count = random.below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    PlannedFault fault;
    fault.kind = one_of(
        random, {FaultKind::long_pause, FaultKind::long_pause, FaultKind::long_isolation});
    fault.at_operation = random.between(1, plan.operations);
    fault.then_steps = random.below(60);
    fault.node = static_cast<unsigned>(random.below(plan.nodes));
    fault.other = (fault.node + 1) % plan.nodes;
    fault.lasts_ns = random.log_between(mount.lease_ns, 25 * kSecond);
    plan.faults.push_back(fault);
  }
  plan.wakes_when_fenced = random.chance(1, 2);
}

// Nodes that stand still in the middle of a change of leaders.
void draw_standstills(Plan& plan, bool faults) {
  SimRandom random(plan.seed, Stream::standstills);
  plan.fencing_forgets = random.chance(1, 3);
  if (!faults || plan.nodes < 2 || random.chance(1, 2)) return;
  const std::uint64_t count = random.between(1, 3);
  for (std::uint64_t i = 0; i < count; ++i) {
    PlannedFault fault;
    fault.kind = FaultKind::pause_at;
    fault.at_operation = random.between(1, plan.operations);
    fault.then_steps = random.below(60);
    fault.node = static_cast<unsigned>(random.below(plan.nodes));
    fault.milestone = static_cast<Milestone>(random.below(kMilestones));
    fault.lasts_ns = random.log_between(10 * kMillisecond, 8 * kSecond);
    plan.faults.push_back(fault);
  }
}

void draw_size(Plan& plan, const RunConfig& config, SimRandom& random) {
  plan.nodes = config.nodes;
  plan.operations = config.operations;
  const Scenario* const scenario = config.scenario.get();
  if (plan.nodes == 0) {
    plan.nodes = scenario != nullptr ? draw_nodes(*scenario, plan.seed)
                                     : static_cast<unsigned>(random.between(1, 5));
  }
  if (plan.operations == 0) {
    plan.operations = scenario != nullptr ? draw_operations(*scenario, plan.seed)
                                          : random.log_between(50, 1'000);
  }
}

void sort_faults(Plan& plan) {
  std::ranges::sort(plan.faults, [](const PlannedFault& a, const PlannedFault& b) {
    return std::tie(a.at_operation, a.then_steps, a.lasts_ns) <
           std::tie(b.at_operation, b.then_steps, b.lasts_ns);
  });
}

}  // namespace

// Beyond the end of every run.
constexpr TimeNs kNeverScans = 1'000 * 3'600 * kSecond;

Plan make_plan(const RunConfig& config) {
  SimRandom random(config.seed, Stream::config);
  Plan plan;
  plan.seed = config.seed;
  plan.canary = config.canary;
  plan.canary_unjudged = config.canary_unjudged;
  const Scenario* const scenario = config.scenario.get();
  draw_size(plan, config, random);
  draw_weights(plan, random);
  draw_mount(plan, random);
  draw_world(plan, random);
  draw_slots(plan);
  draw_full_volume(plan, scenario != nullptr ? scenario->full_volume_percent : std::nullopt);
  const bool names_faults = scenario != nullptr && scenario->faults.has_value();
  const bool usual_faults = config.faults && !names_faults;
  if (usual_faults) {
    draw_faults(plan, random);
    draw_disk_faults(plan, random);
  }
  draw_fencing(plan, usual_faults);
  draw_standstills(plan, usual_faults);
  if (scenario != nullptr) draw_scenario(*scenario, plan);
  if (config.faults && names_faults) {
    draw_scenario_faults(*scenario, plan);
    // Deaths that nobody would ever know of are no use.
    const bool deaths =
        std::ranges::any_of(plan.faults, [](const auto& f) { return kills(f.kind); });
    if (deaths && plan.fence_level == FenceLevel::none) plan.fence_level = FenceLevel::host;
  }
  sort_faults(plan);
  if (config.faults) {
    draw_disk_errors(plan, scenario != nullptr ? scenario->disk_errors_percent : std::nullopt);
  }
  // A disk that fails ends mounts, and nobody would ever know of it.
  if (plan.disk_fails && plan.fence_level == FenceLevel::none) {
    plan.fence_level = FenceLevel::host;
  }
  // What a node knows of unlinked files dies with it, and what the leader knows with its term;
  // a deletion that fails is put off.
  const bool somebody_goes =
      std::ranges::any_of(plan.faults, [&plan](const PlannedFault& fault) {
        return fault.kind != FaultKind::disconnect || plan.fence_level == FenceLevel::storage;
      });
  plan.scans_orphans =
      somebody_goes || plan.disk_fails || plan.full_volume || plan.seed % 2 == 0;
  if (!plan.scans_orphans) plan.mount.fs.orphan_scan_ns = kNeverScans;
  for (std::size_t i = 0; i < plan.faults.size(); ++i) plan.faults[i].number = i;
  for (std::size_t i = 0; i < plan.troubles.size(); ++i) plan.troubles[i].number = i;
  if (config.edits != nullptr) apply(*config.edits, plan);
  return plan;
}

}  // namespace scoutfs::sim
