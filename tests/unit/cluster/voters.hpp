// Voters in a world of their own: clocks, a shared disk, a network, and a storage that fences;
// no server and no filesystem. Says what is wrong as soon as it happens.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/cluster/elector.hpp"
#include "sim/disk.hpp"
#include "sim/network.hpp"
#include "sim/world.hpp"

namespace scoutfs::testing {

struct VotersOptions {
  unsigned nodes = 3;
  std::uint64_t seed = 1;
  bool configured = true;  // slots
  FenceLevel level = FenceLevel::storage;
  sim::DiskOptions disk = {};
  sim::NetworkOptions network = {};
};

class Voters;

// What the storage remembers, and what is told of the nodes.
struct FenceTable {
  Term newest;
  std::set<Incarnation> fenced;
  std::set<std::uint64_t> dead_processes;
};

class TableFencing final : public Fencing {
 public:
  TableFencing(FenceTable& table, FenceLevel level, Scheduler& scheduler)
      : table_(table), level_(level), scheduler_(scheduler) {}
  FenceLevel level() const override { return level_; }
  Task<Result<void>> register_term(Term term, Incarnation) override {
    co_await Sleep(scheduler_, kMillisecond);
    if (term < table_.newest) co_return fail(Errc::fenced);
    table_.newest = term;
    co_return Result<void>{};
  }
  Task<Result<bool>> fence(Term term, Incarnation victim, HostId host) override {
    co_await Sleep(scheduler_, 5 * kMillisecond);
    if (term < table_.newest) co_return fail(Errc::fenced);
    if (level_ != FenceLevel::storage) co_return co_await confirm_dead(victim, std::move(host));
    table_.fenced.insert(victim);
    co_return true;
  }
  Task<Result<bool>> confirm_dead(Incarnation, HostId host) override {
    co_await Sleep(scheduler_, kMillisecond);
    co_return level_ != FenceLevel::none&& table_.dead_processes.contains(host.process);
  }

 private:
  FenceTable& table_;
  FenceLevel level_;
  Scheduler& scheduler_;
};

class QuietLog final : public Log {
 public:
  explicit QuietLog(std::string name) : name_(std::move(name)) {}
  void write(LogLevel, std::string_view message) override {
    if (verbose) fmt::print("{}: {}\n", name_, message);
  }
  bool enabled(LogLevel) const override { return verbose; }
  bool verbose = false;

 private:
  std::string name_;
};

// One life of a node.
class Voter final : public Milestones {
 public:
  Voter(Voters& voters, unsigned node, std::uint64_t process);
  Voter(const Voter&) = delete;
  Voter& operator=(const Voter&) = delete;
  ~Voter() override;

  void reached(Milestone milestone, Term term) override;
  // Its server runs.
  bool serves() const { return serving_.has_value(); }
  Term term() const { return serving_.value_or(Term{}); }
  bool may_serve() const;
  cluster::Elector& elector() { return *elector_; }
  cluster::SlotKeeper& keeper() { return *keeper_; }
  sim::Actor& actor() { return actor_; }
  std::uint64_t process() const { return process_; }
  bool left() const { return left_; }
  void leave();
  void spawn(Task<void> task) { scope_.spawn(std::move(task)); }
  // Its servers lose the disk when they end.
  void set_doubtful() { ending_ = cluster::Elector::Ending::in_doubt; }

 private:
  static Task<void> live(Voter* self);
  static Task<void> lead(Voter* self);
  static Task<void> accept(Voter* self);
  static Task<void> serve(Voter* self, std::unique_ptr<Connection> connection);

  Voters& voters_;
  unsigned node_;
  std::uint64_t process_;
  Scheduler scheduler_;
  sim::SimRandom random_;
  std::shared_ptr<sim::DiskPath> path_;
  sim::SimDevice device_;
  std::unique_ptr<sim::NodeNetwork> network_;
  TableFencing fencing_;
  QuietLog log_;
  sim::Actor actor_;
  std::unique_ptr<cluster::SlotKeeper> keeper_;
  std::unique_ptr<cluster::Elector> elector_;
  std::optional<Term> serving_;
  cluster::Elector::Ending ending_ = cluster::Elector::Ending::stopped;
  WaitQueue leave_{scheduler_};
  Cancellation cancellation_{scheduler_};
  bool leaving_ = false;
  bool left_ = false;
  TaskScope leading_{scheduler_};
  TaskScope scope_{scheduler_};
};

class Voters {
 public:
  explicit Voters(VotersOptions options);
  ~Voters();

  void start(unsigned node);
  void kill(unsigned node);
  // Runs until then; nodes that left are gone.
  void run_for(TimeNs duration_ns);
  // Runs until one serves. How long that took; kForever: it did not within a minute.
  TimeNs until_led();
  std::optional<unsigned> leader() const;
  Voter* voter(unsigned node) { return lives[node].get(); }
  format::QuorumBlock block_of(unsigned node) const;

  VotersOptions options;
  sim::World world;
  sim::SharedDisk disk;
  sim::NetworkWorld network;
  FenceTable table;
  format::Superblock superblock;
  std::vector<sim::NodeClock> clocks;
  std::vector<std::unique_ptr<Voter>> lives;
  std::vector<std::string> wrong;  // what must not be
  std::set<Term> terms;            // in which somebody came to lead
  std::uint64_t milestones = 0;
  std::function<void(unsigned node, Milestone milestone)> on_milestone;

 private:
  void look();
  std::uint64_t next_process_ = 1;
};

}  // namespace scoutfs::testing
