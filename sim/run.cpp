#include "sim/run.hpp"

#include <fmt/core.h>

#include <optional>
#include <utility>
#include <vector>

#include "sim/cluster.hpp"
#include "sim/fault_symptoms.hpp"
#include "sim/node_life.hpp"
#include "sim/offline.hpp"
#include "sim/scenario.hpp"
#include "sim/tree_compare.hpp"

namespace scoutfs::sim {

namespace {

constexpr TimeNs kStuck = 120 * kSecond;           // nothing done for so long is a failure
constexpr TimeNs kComesBack = 300 * kMillisecond;  // a node that left, or could not start
constexpr TimeNs kSettles = 5 * kSecond;           // beside some rounds of the scan for orphans
constexpr TimeNs kProbe = 10 * kSecond;            // after the last fault all nodes work again
constexpr TimeNs kLongerThanLease = 2 * kSecond;   // of any heartbeat that a plan draws
constexpr std::uint64_t kStepsMax = 20'000'000;

constexpr const char* kOracles[] = {
    "answer", "check",  "crash", "eio",          "fence",   "format",  "image",
    "index",  "leader", "lease", "linearizable", "mount",   "probe",   "space",
    "spin",   "start",  "stuck", "tree",         "unmount", "witness", "workload"};

class Run {
 public:
  Run(const RunConfig& config, TimeNs until_ns, DecisionRecorder* recorder = nullptr)
      : plan_(make_plan(config)),
        until_ns_(until_ns),
        recorder_(recorder),
        cluster_(plan_, world_) {
    cluster_.workloads().set_recorder(recorder);
  }

  World& world() { return world_; }

  void go() {
    live();
    cluster_.history().cut();
  }

  void live() {
    if (!cluster_.format()) return;
    // These look all the time.
    for (const char* oracle : {"mount", "spin", "stuck"}) world_.board().ran(oracle);
    for (unsigned node = 0; node < plan_.nodes; ++node) {
      cluster_.start_after(node, node * 20 * kMillisecond);
    }
    if (!work()) return;
    if (!settle()) return;
    if (plan_.full_volume && !empty_the_volume()) return;
    if (plan_.ends_with_power_cut) {
      crash_at_the_end();
    } else {
      leave_at_the_end();
    }
  }

  Verdict verdict() {
    Verdict verdict;
    const OracleBoard& board = world_.board();
    verdict.seed = plan_.seed;
    verdict.nodes = plan_.nodes;
    verdict.passed = !board.failed();
    if (board.failed()) {
      verdict.oracle = board.failure()->oracle;
      verdict.what = board.failure()->what;
    }
    verdict.hash = world_.trace().hash();
    verdict.probe_ns = probe_ns_;
    verdict.virtual_ns = world_.now_ns();
    verdict.events = world_.trace().events();
    verdict.steps = steps_;
    verdict.operations = cluster_.judge().answers();
    verdict.lost_operations = cluster_.judge().lost();
    verdict.faults = cluster_.ledger().injected();
    verdict.noticed = cluster_.ledger().noticed();
    verdict.deaths = cluster_.deaths();
    verdict.late_writes = cluster_.disk().late_writes();
    verdict.messages = cluster_.network().messages();
    verdict.disk_requests = cluster_.disk().requests();
    for (const char* oracle : kOracles) verdict.oracles[oracle] = 0;
    for (const auto& [oracle, count] : board.checks()) verdict.oracles[oracle] = count;
    for (const auto& [kind, count] : cluster_.judge().answers_by_kind()) {
      verdict.answers[std::string(to_string(kind))] = count;
    }
    for (const auto& [code, count] : cluster_.judge().errors()) {
      verdict.errors[std::string(to_string(code))] = count;
    }
    verdict.protocol = protocol_counts();
    return verdict;
  }

 private:
  std::map<std::string, std::uint64_t> protocol_counts() {
    std::map<std::string, std::uint64_t> counts = cluster_.rare();
    const std::uint64_t undecided = cluster_.history().undecided();
    if (undecided > 0) counts["linearize-undecided"] = undecided;
    if (cluster_.out_of_service() > 0) counts["out-of-service"] = cluster_.out_of_service();
    const auto& messages = cluster_.network().messages_by_kind();
    for (std::size_t kind = 0; kind < messages.size(); ++kind) {
      if (messages[kind] > 0) counts[std::string(message_name(kind))] = messages[kind];
    }
    return counts;
  }

  // One step; false when the run is over, by failure or because it was asked to end here.
  bool step(TimeNs comes_back_ns) {
    ++steps_;
    const bool alive = world_.step();
    if (world_.now_ns() != instant_.ns) instant_ = {.ns = world_.now_ns(), .steps = 0};
    ++instant_.steps;
    cluster_.reap(comes_back_ns);
    if (plan_.full_volume) cluster_.look_at_space();
    OracleBoard& board = world_.board();
    if (world_.now_ns() > cluster_.progress_ns() + kStuck || !alive) fail_stuck();
    if (steps_ > kStepsMax) board.fail("stuck", "the run does not end");
    return !board.failed() && world_.now_ns() < until_ns_;
  }

  void fail_stuck() {
    std::string what = fmt::format("nothing was done since {} ns;", cluster_.progress_ns());
    for (unsigned node = 0; node < plan_.nodes; ++node) {
      NodeLife* life = cluster_.life(node);
      what += life == nullptr ? fmt::format(" node{} is down;", node)
                              : " " + life->describe() + ";";
    }
    what += cluster_.judge().describe_calls();
    world_.board().fail("stuck", what);
  }

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

  bool run_for(TimeNs duration_ns) {
    const TimeNs end = world_.now_ns() + duration_ns;
    world_.events().at(end, [] {});
    while (world_.now_ns() < end) {
      if (!step(kComesBack)) return false;
      cluster_.note_progress();
    }
    return true;
  }

  // The faults have ended: within a bounded time an operation gets done on every node.
  bool probe() {
    world_.board().ran("probe");
    // One that stands still does nothing; its fault ends when it wakes.
    while (cluster_.anybody_stands_still()) {
      if (!step(kComesBack)) return false;
    }
    const TimeNs healed_ns = world_.now_ns();
    std::uint64_t probed = 0;
    while (probed < plan_.nodes) {
      if (world_.now_ns() > healed_ns + kProbe) {
        world_.board().fail("probe",
                            fmt::format("{} of {} nodes did nothing for {} s after "
                                        "the last fault",
                                        plan_.nodes - probed, plan_.nodes, kProbe / kSecond));
        return false;
      }
      probed = 0;
      for (unsigned node = 0; node < plan_.nodes; ++node) {
        NodeLife* const life = cluster_.life(node);
        if (life != nullptr && life->probed(healed_ns)) ++probed;
      }
      if (!step(kComesBack)) return false;
    }
    probe_ns_ = world_.now_ns() - healed_ns;
    return true;
  }

  // Everything is quiet: what was put off gets done, and every node reads everything.
  bool settle() {
    cluster_.network().unblock_all();
    cluster_.disk().errors().heal();
    cluster_.disarm();
    if (!probe()) return false;
    // What the disk put out of service comes back before.
    const bool served = cluster_.all_serving();
    const TimeNs scans_ns = plan_.scans_orphans ? 4 * plan_.mount.fs.orphan_scan_ns : 0;
    if (!run_for(kSettles + scans_ns)) return false;
    while (served && !cluster_.all_serving()) {
      if (!step(kComesBack)) return false;
    }
    for (unsigned node = 0; node < plan_.nodes; ++node) {
      if (!cluster_.all_serving()) return true;
      NodeLife& life = *cluster_.life(node);
      life.mount().check_invariants();
      life.read_everything();
      if (!wait_until_idle(life)) return false;
    }
    return true;
  }

  bool wait_until_idle(NodeLife& life) {
    while (life.busy()) {
      if (!step(kForever)) return false;
    }
    return true;
  }

  // All that was ever written is deleted, and its space can be had again by one node.
  bool empty_the_volume() {
    const TimeNs deletes_ns = kSettles + 4 * plan_.mount.fs.orphan_scan_ns;
    NodeLife& life = *cluster_.life(0);
    if (!cluster_.all_serving()) return true;
    life.delete_everything();
    if (!wait_until_idle(life) || !run_for(deletes_ns)) return false;
    life.fill_again(cluster_.superblock().space.count / 3 * kBlockSize);
    if (!wait_until_idle(life) || !run_for(deletes_ns)) return false;
    emptied_ = true;
    return true;
  }

  bool wait_until_gone(unsigned node) {
    cluster_.ask_to_leave(node);
    while (cluster_.life(node) != nullptr) {
      if (!step(kForever)) return false;
    }
    return true;
  }

  void leave_at_the_end() {
    // Whoever leads, the others go on and leave after it.
    for (unsigned i = 0; i < plan_.nodes; ++i) {
      const auto first = static_cast<unsigned>(plan_.seed % plan_.nodes);
      if (!wait_until_gone((first + i) % plan_.nodes)) return;
    }
    cluster_.resolve_all(cluster_.disk().image());
    check_image(cluster_.disk().image(), "after all have left");
    compare_tree(cluster_.disk().image(), cluster_.judge(), world_.board(), Orphans::none);
  }

  void crash_at_the_end() {
    for (unsigned node = 0; node < plan_.nodes; ++node) cluster_.kill(node);
    cluster_.power_cut(static_cast<CutMode>(plan_.seed % 4));
    cluster_.resolve_all(cluster_.disk().image());
    check_image(cluster_.disk().image(), "after the last power cut");
    compare_tree(cluster_.disk().image(), cluster_.judge(), world_.board(),
                 Orphans::may_be_there);
  }

  void check_image(const Image& image, const std::string& when) {
    OracleBoard& board = world_.board();
    board.ran("check");
    Offline offline(image);
    const Result<check::Report> report = offline.check();
    if (!report.has_value()) {
      return board.fail("check", fmt::format("{}: cannot be checked: {}", when,
                                             to_string(report.error().code)));
    }
    if (emptied_ && report->members.empty() && report->file_blocks != 0) {
      board.fail("space", fmt::format("{}: {} blocks belong to files in an emptied volume",
                                      when, report->file_blocks));
    }
    if (report->clean()) return;
    const check::Problem& first = report->problems.front();
    board.fail("check", fmt::format("{}: {} problems, first {}: {}", when,
                                    report->problem_count, first.kind, first.what));
  }

  Plan plan_;
  TimeNs until_ns_;
  DecisionRecorder* recorder_;  // of decisions; nullptr: none
  World world_;
  Cluster cluster_;
  std::uint64_t steps_ = 0;
  DecisionTime instant_;  // now
  unsigned storms_ = 0;   // that go on
  TimeNs probe_ns_ = 0;   // how long the slowest node's took
  std::size_t next_fault_ = 0;
  std::size_t next_trouble_ = 0;
  bool emptied_ = false;
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
