#include "sim/run.hpp"

#include <fmt/core.h>

#include <optional>
#include <utility>
#include <vector>

#include "sim/cluster_run.hpp"
#include "sim/fault_symptoms.hpp"
#include "sim/scenario.hpp"

namespace scoutfs::sim {

namespace {

constexpr TimeNs kLongerThanLease = 2 * kSecond;  // of any heartbeat that a plan draws

// What a seed plans, done to a cluster.
class Run final : public ClusterRun {
 public:
  Run(const RunConfig& config, TimeNs until_ns, DecisionRecorder* recorder = nullptr)
      : ClusterRun(make_plan(config), until_ns), recorder_(recorder) {
    cluster_.workloads().set_recorder(recorder);
  }

  void go() {
    if (!begin() || !work() || !settle()) return;
    if (plan_.full_volume && !empty_the_volume()) return;
    end();
  }

 private:
  // The workload and the faults.
  bool work() {
    while (true) {
      if (!step(kComesBack)) return false;
      inject_due_faults();
      begin_due_troubles();
      const bool all_called = cluster_.workloads().taken() >= plan_.operations;
      const bool all_injected = next_fault_ == plan_.faults.size() && storms_ == 0;
      if (all_called && all_injected && cluster_.all_serving() && !cluster_.busy()) return true;
    }
  }

  template <class Planned>
  bool due(const Planned& planned) {
    if (!planned.at.has_value()) {
      return cluster_.workloads().taken() >= planned.at_operation;
    }
    return instant_.ns > planned.at->ns ||
           (instant_.ns == planned.at->ns && instant_.steps >= planned.at->steps);
  }

  void inject_due_faults() {
    if (next_fault_ == plan_.faults.size()) return;
    const PlannedFault& fault = plan_.faults[next_fault_];
    if (!due(fault)) return;
    if (!fault.at.has_value()) {
      if (!due_step_.has_value()) due_step_ = steps_ + fault.then_steps;
      if (steps_ < *due_step_) return;
      due_step_.reset();
    }
    ++next_fault_;
    if (recorder_ != nullptr) recorder_->fault({.number = fault.number, .at = instant_});
    inject(fault);
  }

  void begin_due_troubles() {
    while (next_trouble_ < plan_.troubles.size() && due(plan_.troubles[next_trouble_])) {
      const PlannedTrouble& planned = plan_.troubles[next_trouble_++];
      if (recorder_ != nullptr) recorder_->trouble({.number = planned.number, .at = instant_});
      Trouble trouble = planned.trouble;
      trouble.where = extent_of(planned.region, cluster_.superblock());
      if (planned.blocks != 0) {
        const std::uint64_t offset = trouble.where.count * planned.position_per_1000 / 1000;
        trouble.where.start = BlockNo{trouble.where.start.value + offset};
        trouble.where.count = std::min(planned.blocks, trouble.where.count - offset);
      }
      enter_trouble(cluster_, planned);
      const std::uint64_t number = cluster_.disk().errors().begin(trouble);
      world_.trace().line(
          world_.now_ns(), kWorld, "fault: {}{}{} of {}+{} fail for node {} for {} ms",
          trouble.reads ? "reads " : "", trouble.writes ? "writes " : "",
          trouble.flushes ? "flushes " : "", trouble.where.start.value, trouble.where.count,
          static_cast<int>(trouble.node), planned.lasts_ns / kMillisecond);
      world_.events().after(planned.lasts_ns, [this, number] {
        cluster_.disk().errors().end(number);
        cluster_.note_progress();
      });
    }
  }

  void kill_all(const PlannedFault& fault) {
    for (unsigned node = 0; node < plan_.nodes; ++node) {
      cluster_.kill(node);
      cluster_.start_after(node, fault.lasts_ns + (node * fault.then_steps) * kMillisecond);
    }
  }

  void isolate(unsigned node, TimeNs lasts_ns) {
    for (unsigned other = 0; other < plan_.nodes; ++other) {
      if (other == node) continue;
      block(node, other, lasts_ns);
      block(other, node, lasts_ns);
    }
  }

  // Milestones are reached where leaders change.
  void get_somebody_somewhere(const PlannedFault& fault) {
    if (fault.then_steps % 2 == 0) cluster_.ask_to_leave(cluster_.leader().value_or(0));
  }

  // In one direction from all, or in both from some.
  void cut_leader_off(const PlannedFault& fault) {
    const unsigned leader = cluster_.leader().value_or(fault.node);
    const TimeNs lasts_ns = kLongerThanLease + fault.lasts_ns;
    const bool one_way = fault.kind == FaultKind::deafen_leader;
    for (unsigned other = 0; other < plan_.nodes; ++other) {
      if (other == leader) continue;
      if (!one_way && (fault.then_steps >> other) % 2 == 0) continue;
      block(other, leader, lasts_ns);
      if (!one_way) block(leader, other, lasts_ns);
    }
  }

  // `left` more deaths, each of another node, with little time between.
  void storm(unsigned node, unsigned left, TimeNs pause_ns) {
    cluster_.kill(node);
    cluster_.start_after(node, pause_ns / 2);
    if (left == 0) {
      --storms_;
      return;
    }
    world_.events().after(pause_ns, [this, node, left, pause_ns] {
      storm((node + 1) % plan_.nodes, left - 1, pause_ns);
      cluster_.note_progress();
    });
  }

  void inject(const PlannedFault& fault) {
    enter_fault(cluster_, fault);
    world_.trace().event(world_.now_ns(), fault.node, EventKind::fault,
                         static_cast<std::uint64_t>(fault.kind));
    world_.trace().line(world_.now_ns(), fault.node, "fault: {}", to_string(fault.kind));
    cluster_.note_progress();
    switch (fault.kind) {
      case FaultKind::kill_leader:
      case FaultKind::kill_one: {
        const bool leader = fault.kind == FaultKind::kill_leader;
        const unsigned node = leader ? cluster_.leader().value_or(fault.node) : fault.node;
        cluster_.kill(node);
        cluster_.start_after(node, fault.lasts_ns);
        // What a power cut would leave now.
        check_image(cluster_.disk().durable_image(), "after a death");
        break;
      }
      case FaultKind::kill_all:
        kill_all(fault);
        break;
      case FaultKind::power_cut:
        kill_all(fault);
        cluster_.power_cut(fault.cut);
        check_image(cluster_.disk().image(), "after a power cut");
        break;
      case FaultKind::disconnect:
        cluster_.network().break_between(fault.node, fault.other);
        cluster_.note_disturbance();
        break;
      case FaultKind::partition:
        block(fault.node, fault.other, fault.lasts_ns);
        block(fault.other, fault.node, fault.lasts_ns);
        break;
      case FaultKind::one_way:
        block(fault.node, fault.other, fault.lasts_ns);
        break;
      case FaultKind::isolate:
      case FaultKind::long_isolation:
        isolate(fault.node, fault.lasts_ns);
        break;
      case FaultKind::isolate_leader:
        isolate(cluster_.leader().value_or(fault.node), kLongerThanLease + fault.lasts_ns);
        break;
      case FaultKind::deafen_leader:
      case FaultKind::split_leader:
        cut_leader_off(fault);
        break;
      case FaultKind::pause_leader:
        cluster_.pause(cluster_.leader().value_or(fault.node),
                       kLongerThanLease / 2 + fault.lasts_ns);
        break;
      case FaultKind::kill_at:
        // Right there, while what comes next is on its way, or when it is done.
        cluster_.arm({.milestone = fault.milestone,
                      .delay_ns = fault.then_steps % 3 * kMillisecond * fault.then_steps,
                      .lasts_ns = fault.lasts_ns});
        get_somebody_somewhere(fault);
        break;
      case FaultKind::pause_at:
        cluster_.arm({.milestone = fault.milestone,
                      .lasts_ns = kLongerThanLease + fault.lasts_ns,
                      .stands_still = true});
        get_somebody_somewhere(fault);
        break;
      case FaultKind::restart_storm:
        ++storms_;
        storm(fault.node, 3 + static_cast<unsigned>(fault.then_steps % 8),
              fault.lasts_ns / 4 + kMillisecond);
        break;
      case FaultKind::pause:
      case FaultKind::long_pause:
        cluster_.pause(fault.node, fault.lasts_ns);
        break;
      case FaultKind::leave:
        cluster_.ask_to_leave(fault.node);
        break;
      case FaultKind::lose_disk:
        cluster_.lose_disk(fault.node, fault.lasts_ns);
        break;
      case FaultKind::restart_disk:
        cluster_.disk().lose_all_paths(fault.lasts_ns);
        break;
    }
  }

  void block(unsigned from, unsigned to, TimeNs lasts_ns) {
    cluster_.network().block(from, to);
    cluster_.note_disturbance();
    world_.events().after(lasts_ns, [this, from, to] {
      cluster_.network().unblock(from, to);
      cluster_.note_progress();
    });
  }

  DecisionRecorder* recorder_;  // of decisions; nullptr: none
  unsigned storms_ = 0;         // that go on
  std::size_t next_fault_ = 0;
  std::size_t next_trouble_ = 0;
  std::optional<std::uint64_t> due_step_;
};

}  // namespace

Verdict run_seed(const RunConfig& config, Trace::Sink sink, TimeNs until_ns,
                 Observer* observer) {
  Run run(config, until_ns);
  run.world().trace().set_observer(observer);
  run.world().trace().set_sink(std::move(sink));
  run.go();
  return run.verdict();
}

Verdict record_seed(const RunConfig& config, DecisionRecorder& recorder) {
  Run run(config, kForever, &recorder);
  run.go();
  return run.verdict();
}

std::string replay_command(const RunConfig& config) {
  std::string command = fmt::format("scoutfs sim replay {}", config.seed);
  // They say the rest as well.
  if (config.edits != nullptr) return fmt::format("{} --edits {}", command, config.edits->file);
  RunConfig usual;
  if (config.scenario != nullptr) {
    command += fmt::format(" --scenario {}", config.scenario->name);
    usual.nodes = 0;
    usual.operations = 0;
  }
  if (config.nodes != usual.nodes) command += fmt::format(" --nodes {}", config.nodes);
  if (config.operations != usual.operations)
    command += fmt::format(" --ops {}", config.operations);
  if (!config.faults) command += " --no-faults";
  if (config.canary) command += " --canary";
  if (config.canary_unjudged) command += " --canary-unjudged";
  return command;
}

std::string to_text(const Verdict& verdict) {
  std::uint64_t faults = 0;
  for (const auto& [kind, count] : verdict.faults) faults += count;
  std::string text =
      fmt::format("seed {}: {}  {}  {}.{:03} s virtual, {} operations, {} faults, {} deaths\n",
                  verdict.seed, verdict.passed ? "pass" : "FAIL", to_string(verdict.hash),
                  verdict.virtual_ns / kSecond, verdict.virtual_ns % kSecond / kMillisecond,
                  verdict.operations, faults, verdict.deaths);
  if (!verdict.passed) text += fmt::format("  oracle {}: {}\n", verdict.oracle, verdict.what);
  return text;
}

}  // namespace scoutfs::sim
