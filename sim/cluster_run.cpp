#include "sim/cluster_run.hpp"

#include <fmt/core.h>

#include <utility>

#include "sim/node_life.hpp"
#include "sim/offline.hpp"
#include "sim/tree_compare.hpp"

namespace scoutfs::sim {

namespace {

constexpr TimeNs kStuck = 120 * kSecond;  // nothing done for so long is a failure
constexpr TimeNs kProbe = 10 * kSecond;   // after the last fault all nodes work again
constexpr std::uint64_t kStepsMax = 20'000'000;

constexpr const char* kOracles[] = {
    "answer", "check",  "crash", "eio",          "fence",   "format",  "image",
    "index",  "leader", "lease", "linearizable", "mount",   "probe",   "space",
    "spin",   "start",  "stuck", "tree",         "unmount", "witness", "workload"};

}  // namespace

ClusterRun::ClusterRun(Plan plan, TimeNs until_ns)
    : plan_(std::move(plan)), until_ns_(until_ns), cluster_(plan_, world_) {}

bool ClusterRun::begin() {
  if (!cluster_.format()) return false;
  // These look all the time.
  for (const char* oracle : {"mount", "spin", "stuck"}) world_.board().ran(oracle);
  for (unsigned node = 0; node < plan_.nodes; ++node) {
    cluster_.start_after(node, node * 20 * kMillisecond);
  }
  return true;
}

void ClusterRun::end() {
  if (plan_.ends_with_power_cut) {
    crash_at_the_end();
  } else {
    leave_at_the_end();
  }
}

Verdict ClusterRun::verdict() {
  cluster_.history().cut();  // the last window is judged, too
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

std::map<std::string, std::uint64_t> ClusterRun::protocol_counts() {
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
bool ClusterRun::step(TimeNs comes_back_ns) {
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

void ClusterRun::fail_stuck() {
  std::string what = fmt::format("nothing was done since {} ns;", cluster_.progress_ns());
  for (unsigned node = 0; node < plan_.nodes; ++node) {
    NodeLife* life = cluster_.life(node);
    what +=
        life == nullptr ? fmt::format(" node{} is down;", node) : " " + life->describe() + ";";
  }
  what += cluster_.judge().describe_calls();
  world_.board().fail("stuck", what);
}

bool ClusterRun::run_for(TimeNs duration_ns) {
  const TimeNs end = world_.now_ns() + duration_ns;
  world_.events().at(end, [] {});
  while (world_.now_ns() < end) {
    if (!step(kComesBack)) return false;
    cluster_.note_progress();
  }
  return true;
}

// The faults have ended: within a bounded time an operation gets done on every node.
bool ClusterRun::probe() {
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
bool ClusterRun::settle() {
  cluster_.network().unblock_all();
  cluster_.disk().errors().heal();
  cluster_.disarm();
  if (!probe()) return false;
  // What the disk put out of service comes back before.
  const bool served = cluster_.all_serving();
  const TimeNs scans_ns = plan_.scans_orphans ? 4 * plan_.mount.fs.orphan_scan_ns : 0;
  if (!run_for(plan_.settles_ns + scans_ns)) return false;
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

bool ClusterRun::wait_until_idle(NodeLife& life) {
  while (life.busy()) {
    if (!step(kForever)) return false;
  }
  return true;
}

// All that was ever written is deleted, and its space can be had again by one node.
bool ClusterRun::empty_the_volume() {
  const TimeNs deletes_ns = plan_.settles_ns + 4 * plan_.mount.fs.orphan_scan_ns;
  NodeLife& life = *cluster_.life(0);
  if (!cluster_.all_serving()) return true;
  life.delete_everything();
  if (!wait_until_idle(life) || !run_for(deletes_ns)) return false;
  life.fill_again(cluster_.superblock().space.count / 3 * kBlockSize);
  if (!wait_until_idle(life) || !run_for(deletes_ns)) return false;
  emptied_ = true;
  return true;
}

bool ClusterRun::wait_until_gone(unsigned node) {
  cluster_.ask_to_leave(node);
  while (cluster_.life(node) != nullptr) {
    if (!step(kForever)) return false;
  }
  return true;
}

void ClusterRun::leave_at_the_end() {
  // Whoever leads, the others go on and leave after it.
  for (unsigned i = 0; i < plan_.nodes; ++i) {
    const auto first = static_cast<unsigned>(plan_.seed % plan_.nodes);
    if (!wait_until_gone((first + i) % plan_.nodes)) return;
  }
  cluster_.resolve_all(cluster_.disk().image());
  check_image(cluster_.disk().image(), "after all have left");
  compare_tree(cluster_.disk().image(), cluster_.judge(), world_.board(), Orphans::none);
}

void ClusterRun::crash_at_the_end() {
  for (unsigned node = 0; node < plan_.nodes; ++node) cluster_.kill(node);
  cluster_.power_cut(static_cast<CutMode>(plan_.seed % 4));
  cluster_.resolve_all(cluster_.disk().image());
  check_image(cluster_.disk().image(), "after the last power cut");
  compare_tree(cluster_.disk().image(), cluster_.judge(), world_.board(),
               Orphans::may_be_there);
}

void ClusterRun::check_image(const Image& image, const std::string& when) {
  OracleBoard& board = world_.board();
  board.ran("check");
  Offline offline(image);
  const Result<check::Report> report = offline.check();
  if (!report.has_value()) {
    return board.fail("check", fmt::format("{}: cannot be checked: {}", when,
                                           to_string(report.error().code)));
  }
  if (emptied_ && report->members.empty() && report->file_blocks != 0) {
    board.fail("space", fmt::format("{}: {} blocks belong to files in an emptied volume", when,
                                    report->file_blocks));
  }
  if (report->clean()) return;
  const check::Problem& first = report->problems.front();
  board.fail("check", fmt::format("{}: {} problems, first {}: {}", when, report->problem_count,
                                  first.kind, first.what));
}

}  // namespace scoutfs::sim
