// NodeLife: one incarnation of a node: the engine's Mount, its Env, and who uses it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/async/scope.hpp"
#include "engine/env/env.hpp"
#include "engine/mount/mount.hpp"
#include "sim/cluster.hpp"
#include "sim/slow_kernel.hpp"

namespace scoutfs::sim {

// Answers from what the world knows.
class SimFencing final : public Fencing {
 public:
  SimFencing(Cluster& cluster, unsigned node, Scheduler& scheduler)
      : cluster_(cluster),
        node_(node),
        scheduler_(scheduler),
        random_(cluster.plan().seed, Stream::fencing, node + 1) {}
  FenceLevel level() const override { return cluster_.plan().fence_level; }
  Task<Result<void>> register_term(Term term, Incarnation leader) override;
  Task<Result<bool>> fence(Term term, Incarnation victim, HostId host) override;
  Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) override;

 private:
  Cluster& cluster_;
  unsigned node_;
  Scheduler& scheduler_;
  SimRandom random_;  // of how long it takes
};

// More doors to the array, each under an incarnation of its own.
class SimStorage final : public Storage {
 public:
  SimStorage(Cluster& cluster, unsigned node, Life life, Scheduler& scheduler,
             const Clock& clock, Log& log)
      : cluster_(cluster),
        node_(node),
        life_(life),
        scheduler_(scheduler),
        clock_(clock),
        log_(log) {}
  Task<Result<std::unique_ptr<BlockDevice>>> open(Incarnation who) override;

 private:
  Cluster& cluster_;
  unsigned node_;
  Life life_;
  Scheduler& scheduler_;
  const Clock& clock_;
  Log& log_;
};

// Into the trace's text.
class SimLog final : public Log {
 public:
  SimLog(World& world, unsigned node) : world_(world), node_(node) {}
  void write(LogLevel level, std::string_view message) override;
  bool enabled(LogLevel) const override { return world_.trace().verbose(); }

 private:
  World& world_;
  unsigned node_;
};

class NodeLife final : public Milestones {
 public:
  enum class State : std::uint8_t { starting, serving, leaving, left, not_left, refused };

  NodeLife(Cluster& cluster, unsigned node, Life number, const NodeClock& clock,
           std::shared_ptr<DiskPath> path);
  NodeLife(const NodeLife&) = delete;
  NodeLife& operator=(const NodeLife&) = delete;
  // The process dies, whatever it was doing.
  ~NodeLife() override;
  void reached(Milestone milestone, Term term) override;

  void begin() { scope_.spawn(live(this)); }
  void ask_to_leave();
  // Makes a change of its own, once for each `since_ns`; true when that is done. Requires: the
  // time does not go back.
  bool probed(TimeNs since_ns);
  // Reads the whole tree and both indexes, and has everything judged. busy() until that is
  // done. Requires: serving and not busy.
  void read_everything() { workers_.spawn(read_all(this)); }
  // Makes one call, and has its answer judged and, if there is one, put into `answer`. busy()
  // until that is done. Requires: serving.
  void call(Operation op, std::shared_ptr<std::optional<Outcome>> answer) {
    workers_.spawn(call_one(this, std::move(op), std::move(answer)));
  }
  // Closes what a call of this life opened.
  void close(Ino ino);
  // Deletes the whole tree; then, later, allocates so many bytes at once and deletes that. What
  // is found wrong is told to the board. busy() until that is done.
  void delete_everything() { workers_.spawn(delete_all(this)); }
  void fill_again(std::uint64_t bytes) { workers_.spawn(fill(this, bytes)); }

  Life number() const { return number_; }
  State state() const { return state_; }
  Mount& mount() { return *mount_; }
  const std::shared_ptr<DiskPath>& path() const { return path_; }
  Rid rid() const { return mount_->status().rid; }
  Actor& actor() { return actor_; }
  Scheduler& scheduler() { return scheduler_; }
  // Workers that are not through.
  bool busy() const { return state_ == State::serving && workers_.running() > 0; }
  const std::string& why() const { return why_; }
  Errc start_error() const { return start_error_; }
  bool failed() const { return failed_; }
  // It unmounted without a leader, which was not to be reached.
  bool gave_up() const { return gave_up_; }
  bool fenced() const { return mount_->status().fenced; }
  std::string describe() const;

 private:
  static Task<void> live(NodeLife* self);
  static Task<void> work(NodeLife* self, unsigned worker);
  // The first worker of the first node lays out what the workloads work on; others wait.
  Task<void> lay_out(unsigned worker);
  static Task<void> follow(NodeLife* self, format::IndexType index);
  static Task<void> read_all(NodeLife* self);
  static Task<void> call_one(NodeLife* self, Operation op,
                             std::shared_ptr<std::optional<Outcome>> answer);
  static Task<void> delete_all(NodeLife* self);
  static Task<void> fill(NodeLife* self, std::uint64_t bytes);
  static Task<void> probe(NodeLife* self, TimeNs since_ns);
  Task<Outcome> judged(Operation op);
  Task<void> judged_only(Operation op);
  Task<void> compare_index(format::IndexType index, std::map<Ino, Seq> want);
  DecidedOperation next_decision(unsigned worker);
  Task<Outcome> call_decided(DecidedOperation& decided);
  Task<void> one_operation(DecidedOperation& decided, Handles& handles);
  static Task<void> repeat(NodeLife* self, unsigned worker);
  Task<void> repeat_one(const DecidedOperation& decided, Handles& handles);
  void close_one(unsigned worker, Handles& handles, std::size_t index);
  Caller caller(unsigned worker) const {
    return {.node = node_, .worker = worker, .life = number_};
  }
  bool wanted() const { return !leaving_ && !failed_; }

  Cluster& cluster_;
  unsigned node_;
  Life number_;
  const NodeClock& clock_;
  Scheduler scheduler_;
  SimRandom random_;  // the engine's
  SimRandom follower_random_;
  std::shared_ptr<DiskPath> path_;
  SimLog log_;
  SimDevice link_;
  LastingDevice device_;
  std::unique_ptr<NodeNetwork> network_;
  SimFencing fencing_;
  SimStorage storage_;
  Actor actor_;
  SlowKernel kernel_;
  std::unique_ptr<Mount> mount_;
  TaskScope workers_{scheduler_};
  TaskScope followers_{scheduler_};
  TaskScope scope_{scheduler_};
  WaitQueue leave_{scheduler_};
  State state_ = State::starting;
  std::optional<TimeNs> probe_asked_ns_, probe_done_ns_;
  bool leaving_ = false;
  bool failed_ = false;
  std::string why_;
  Errc start_error_{};
  bool gave_up_ = false;
};

}  // namespace scoutfs::sim
