#include "sim/exhaust/tiny_cluster.hpp"

#include <fmt/core.h>

#include <utility>

#include "sim/exhaust/commit_watch.hpp"
#include "sim/fault_symptoms.hpp"
#include "sim/node_life.hpp"

namespace scoutfs::sim {

namespace {

constexpr unsigned kNodes = 2;
// A dead leader stays away until the other has had time to lead.
constexpr TimeNs kLeaderComesBack = 3 * kSecond;

// Nothing here is drawn: cases differ in what they do and in nothing else.
Plan tiny_plan() {
  Plan plan;
  plan.seed = 1;
  plan.nodes = kNodes;
  plan.workers = 0;
  plan.disk.block_count = 4096;
  plan.disk.slow_per_1000 = 0;
  plan.disk.late_write_ns = 200 * kMillisecond;
  plan.network.slow_per_1000 = 0;
  plan.network.late_news_per_100 = 0;
  plan.format.journal_blocks = 256;
  plan.format.server_area_blocks = 512;
  plan.fence_level = FenceLevel::host;
  plan.fencing_knows_all_hosts = true;
  for (unsigned node = 0; node < kNodes; ++node) {
    plan.clocks.push_back({.start_ns = (node + 1) * kSecond,
                           .drift_ppm = node == 0 ? 100 : -100,
                           .wall_start_ns = 1'700'000'000 * kSecond + node * kMillisecond});
  }
  plan.settles_ns = kSecond;
  MountOptions& mount = plan.mount;
  mount.cluster = plan.format.cluster;
  // What is not synced is not committed by its age before the crash.
  mount.commit_interval_ns = 2 * kSecond;
  mount.grant_blocks = 64;
  mount.segment_size_max = 256u << 10;
  mount.compaction.segment_size_max = mount.segment_size_max;
  mount.fence_after_ns = 50 * kMillisecond;
  mount.fence_idle_after_ns = 500 * kMillisecond;
  mount.fs.orphan_scan_ns = 300 * kMillisecond;
  return plan;
}

}  // namespace

TinyCluster::TinyCluster(Trace::Sink sink) : run_(tiny_plan(), kForever) {
  run_.world().trace().set_sink(std::move(sink));
  prepared_ = prepare();
}

bool TinyCluster::prepare() {
  if (!run_.begin() || !wait_until_quiet()) return false;
  const std::optional<unsigned> leader = run_.cluster().leader();
  if (!leader.has_value()) {
    run_.world().board().fail("start", "nobody leads");
    return false;
  }
  leader_ = *leader;
  if (!make_tree()) return false;
  for (unsigned node = 0; node < kNodes; ++node) {
    run_.cluster().life(node)->read_everything();
    if (!finish_calls() || !sync(node)) return false;
  }
  return true;
}

bool TinyCluster::make_tree() {
  for (const TinyStep& step : tiny_tree()) {
    const Operation op = bound(step.op, bindings_);
    const Answer answer = begin_call(leader_, op);
    if (!finish_calls()) return false;
    const bool made = (*answer).has_value() && !(**answer).error.has_value();
    if (!made) {
      run_.world().board().fail("start", "the tree cannot be made: " + describe(op));
      return false;
    }
    if (op.kind == OpKind::create) bindings_[step.makes] = (**answer).attributes->ino;
  }
  return sync(leader_);
}

bool TinyCluster::wait_until_quiet() {
  while (!run_.cluster().all_serving() || run_.cluster().busy()) {
    if (!run_.step(ClusterRun::kComesBack)) return false;
  }
  return true;
}

// Those that are in progress; one whose node dies is over as well.
bool TinyCluster::finish_calls() {
  while (run_.cluster().busy()) {
    if (!run_.step(ClusterRun::kComesBack)) return false;
  }
  return true;
}

TinyCluster::Answer TinyCluster::begin_call(unsigned node, Operation op) {
  auto answer = std::make_shared<std::optional<Outcome>>();
  run_.cluster().life(node)->call(std::move(op), answer);
  return answer;
}

bool TinyCluster::sync(unsigned node) {
  Operation op;
  op.kind = OpKind::sync;
  const Answer answer = begin_call(node, std::move(op));
  return finish_calls();
}

void TinyCluster::learn(unsigned node, const Operation& op, const Outcome& outcome) {
  if (!opens(op) || !outcome.attributes.has_value()) return;
  opens_.push_back({node, run_.cluster().life(node)->number(), outcome.attributes->ino});
}

void TinyCluster::close_all() {
  for (const Open& open : std::exchange(opens_, {})) {
    NodeLife* const life = run_.cluster().life(open.node);
    if (life != nullptr && life->number() == open.life) life->close(open.ino);
  }
}

Verdict TinyCluster::run(const ExhaustCase& one, Canary canary) {
  Judge& judge = run_.cluster().judge();
  if (canary == Canary::on) judge.falsify_after(judge.answers());
  if (prepared_ && act(one) && crash(one.crash) && wait_until_quiet()) {
    close_all();
    if (run_.settle()) run_.end();
  }
  Verdict verdict = run_.verdict();
  verdict.seed = one.number;
  return verdict;
}

bool TinyCluster::act(const ExhaustCase& one) {
  std::vector<std::pair<unsigned, Operation>> calls;
  for (std::size_t i = 0; i < one.operations.size(); ++i) {
    calls.emplace_back(node_of(one.placement.by_leader[i]),
                       bound(one.operations[i].op, bindings_));
  }
  std::vector<Answer> answers;
  for (const auto& [node, op] : calls) {
    actor_ = node;
    answers.push_back(begin_call(node, op));
    if (!one.placement.together && !finish_calls()) return false;
  }
  if (!finish_calls()) return false;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    SCOUTFS_ASSERT(answers[i]->has_value());
    learn(calls[i].first, calls[i].second, **answers[i]);
  }
  return true;
}

bool TinyCluster::crash(const Crash& crash) {
  switch (crash.time) {
    case CrashTime::never:
      return true;
    case CrashTime::answered:
      inject(crash);
      return true;
    case CrashTime::synced:
      if (!sync(actor_)) return false;
      inject(crash);
      return true;
    case CrashTime::in_commit:
      return crash_in_commit(crash);
    case CrashTime::at_milestone:
      break;
  }
  return change_leader(crash.milestone);
}

// If the point is not reached, for nothing is to be committed, nobody dies.
bool TinyCluster::crash_in_commit(const Crash& crash) {
  const format::Superblock& superblock = run_.cluster().superblock();
  CommitWatch watch(actor_, leader_, superblock.journal, superblock.space);
  Trace& trace = run_.world().trace();
  trace.set_observer(&watch);
  Operation op;
  op.kind = OpKind::sync;
  const Answer answer = begin_call(actor_, std::move(op));
  bool goes_on = true;
  while (goes_on && !watch.reached(crash.point) && !answer->has_value()) {
    goes_on = run_.step(ClusterRun::kComesBack);
  }
  trace.set_observer(nullptr);
  if (goes_on && watch.reached(crash.point)) inject(crash);
  return goes_on;
}

// Milestones are reached where leaders change: it dies and comes back late, or leaves.
bool TinyCluster::change_leader(Milestone milestone) {
  Cluster& cluster = run_.cluster();
  const bool by_leaving =
      milestone == Milestone::server_ended || milestone == Milestone::stopped;
  PlannedFault fault;
  fault.kind = FaultKind::kill_at;
  fault.milestone = milestone;
  enter_fault(cluster, fault);
  cluster.arm({.milestone = milestone, .lasts_ns = ClusterRun::kComesBack});
  cluster.note_progress();
  if (by_leaving) {
    cluster.ask_to_leave(leader_);
  } else {
    cluster.kill(leader_);
    cluster.start_after(leader_, kLeaderComesBack);
  }
  return run_.run_for(ClusterRun::kComesBack);
}

void TinyCluster::kill(unsigned node) {
  PlannedFault fault;
  fault.kind = FaultKind::kill_one;
  fault.node = node;
  enter_fault(run_.cluster(), fault);
  run_.cluster().kill(node);
  run_.cluster().start_after(node, ClusterRun::kComesBack);
}

void TinyCluster::cut_power(CutMode mode) {
  PlannedFault fault;
  fault.kind = FaultKind::power_cut;
  fault.cut = mode;
  enter_fault(run_.cluster(), fault);
  for (unsigned node = 0; node < kNodes; ++node) {
    run_.cluster().kill(node);
    run_.cluster().start_after(node, ClusterRun::kComesBack + node * 20 * kMillisecond);
  }
  run_.cluster().power_cut(mode);
}

void TinyCluster::inject(const Crash& crash) {
  World& world = run_.world();
  world.trace().event(world.now_ns(), kWorld, EventKind::fault,
                      static_cast<std::uint64_t>(crash.victims));
  world.trace().line(world.now_ns(), kWorld, "fault: {}", describe(crash));
  run_.cluster().note_progress();
  switch (crash.victims) {
    case Victims::actor:
      kill(actor_);
      break;
    case Victims::other:
      kill(1 - actor_);
      break;
    case Victims::both:
      kill(actor_);
      kill(1 - actor_);
      break;
    case Victims::power_cut:
      cut_power(crash.torn ? CutMode::any_sectors : CutMode::keeps_none);
      return run_.check_image(run_.cluster().disk().image(), "after a power cut");
  }
  // What a power cut would leave now.
  run_.check_image(run_.cluster().disk().durable_image(), "after a death");
}

}  // namespace scoutfs::sim
