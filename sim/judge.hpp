// Judge: compares what the engine answers with what the model says, and knows what a crash may
// take back.
//
// The engine names the instant at which each operation takes effect (fs::Witness); the model
// executes it there, so one global order explains every result on every node. The log keeps
// that order. When an incarnation is dead for good and its newest recorded transaction is
// known, what it did later leaves the log and the rest is executed again from the start: a
// survivor whose answer would now differ had seen what was lost.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/fs/filesystem.hpp"
#include "sim/event_queue.hpp"
#include "sim/file_times.hpp"
#include "sim/model.hpp"
#include "sim/operation.hpp"
#include "sim/oracle_board.hpp"
#include "sim/trace.hpp"

namespace scoutfs::sim {

// One life of a node; never used twice.
using Life = std::uint64_t;

class Judge {
 public:
  Judge(const EventQueue& events, Trace& trace, OracleBoard& board, std::uint32_t root_mode);

  // One operation from its call to its answer.
  class Call final : public fs::Witness {
   public:
    // `clock`: the node's, whose wall time the operation leaves in what it changes. Without one
    // no times are judged.
    Call(Judge& judge, Life life, unsigned node, Operation op, const Clock* clock = nullptr);
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() override { judge_.in_progress_.erase(number_); }

    void serialized(TxnNo txn) override;
    // The engine answered.
    void finish(const Outcome& outcome);

   private:
    friend class Judge;
    Judge& judge_;
    std::uint64_t number_;
    Life life_;
    unsigned node_;
    Operation op_;
    const Clock* clock_;
    TimeNs called_ns_;
    Instant when_;  // from its call on, by the node's wall clock
    ModelIds ids_;
    std::optional<Expected> expected_;
    bool may_be_gone_ = false;  // not_found is right, too
    bool finished_ = false;
    bool too_late_ = false;  // took effect when its life was over
    TxnNo synced_up_to_;     // of a sync: what it promises
    bool alone_ = false;     // no other call was in progress when it began
  };

  // An open file of that life was closed; call it before the engine is told.
  void closed(Life life, Ino ino);
  // Its open files are closed; nothing of it happens any more.
  void died(Life life);
  // It goes on with errors alone: what it does no longer counts.
  void failing(Life life) { failing_.insert(life); }
  // Others may have what it held, whether or not it still runs: it answers nothing from now on.
  void over(Life life);
  bool is_over(Life life) const { return over_.contains(life); }
  // What of a dead life survived: its transactions up to `recorded`.
  void resolve(Life life, TxnNo recorded);
  // The same, all of it: it left cleanly.
  void left(Life life);

  const Model& model() const { return model_; }
  // The model's name of an inode; 0 if the engine never told of it.
  ModelId id_of(Ino ino) const;
  // Says that they are the same. False (and a failure) if either is known to be another.
  bool bind(Ino ino, ModelId id);
  bool is_open(ModelId id) const;
  // It changed something that is not resolved.
  bool has_changed(Life life) const { return newest_txn_.contains(life); }

  // The calls that were not answered yet, in words.
  std::string describe_calls() const;
  std::uint64_t calls() const { return calls_; }
  std::uint64_t answers() const { return answers_; }
  std::uint64_t lost() const { return lost_; }  // operations that a crash took back
  // Answers by kind, failures included.
  const std::map<OpKind, std::uint64_t>& answers_by_kind() const { return answers_by_kind_; }
  // Answers by the reason that they name; without those that succeeded.
  const std::map<Errc, std::uint64_t>& errors() const { return errors_; }
  // Says whether the disk failed a request of that life: then, and only then, an operation may
  // fail with io_error.
  void set_disk_failed(std::function<bool(Life)> disk_failed) {
    disk_failed_ = std::move(disk_failed);
  }
  // The first answer with attributes after so many answers is judged as if it were another.
  void falsify_after(std::uint64_t answers) { canary_at_ = answers; }
  // What statfs shows as the whole.
  void set_total_blocks(std::uint64_t blocks) { total_blocks_ = blocks; }
  // Says whether at some time since then the leader had no more free than its reserve: then,
  // and only then, an operation that takes space may fail with no_space.
  void set_was_full(std::function<bool(TimeNs since_ns)> was_full) {
    was_full_ = std::move(was_full);
  }

 private:
  struct Record {
    Operation op;
    ModelIds ids;
    Life life = 0;
    TxnNo txn;
    bool changed = false;
    Hash128 digest;
    std::vector<Errc> errors;  // the reasons it may have named; empty: it succeeded
  };

  void execute(Call& call, TxnNo txn);
  void expect_of_unlinked(Call& call);
  bool is_unlinked(ModelId id) const;
  void judge_answer(Call& call, const Outcome& outcome);
  void compare(const Call& call, const Outcome& outcome);
  std::string difference(const Call& call, const Outcome& outcome);
  std::string attributes_difference(const Expected& expected, const fs::Attributes& got);
  std::string path_difference(const Call& call, const Outcome& outcome);
  std::string statfs_difference(const Call& call, const Outcome& outcome) const;
  std::string entries_difference(const Call& call, const Outcome& outcome);
  void fail(const Call& call, const std::string& oracle, const std::string& what);
  void replay();

  const EventQueue& events_;
  Trace& trace_;
  OracleBoard& board_;
  std::uint32_t root_mode_;
  Model model_;
  std::vector<Record> log_;
  ModelId next_id_ = 2;
  std::map<Ino, ModelId> id_of_;
  std::map<ModelId, Ino> ino_of_;
  std::map<std::pair<ModelId, Life>, std::uint64_t> opens_;
  std::map<Life, TxnNo> newest_txn_;  // of an operation that changed something
  std::set<Life> failing_, over_;
  std::map<Life, TxnNo> synced_;                      // durable by promise
  std::map<std::uint64_t, std::string> in_progress_;  // calls by number, and what they are
  std::uint64_t calls_ = 0;
  std::uint64_t answers_ = 0;
  std::uint64_t lost_ = 0;
  std::map<OpKind, std::uint64_t> answers_by_kind_;
  std::map<Errc, std::uint64_t> errors_;
  FileTimes times_;
  std::uint64_t total_blocks_ = 0;
  std::optional<std::uint64_t> canary_at_;
  std::function<bool(TimeNs)> was_full_ = [](TimeNs) { return false; };
  std::function<bool(Life)> disk_failed_ = [](Life) { return false; };
};

}  // namespace scoutfs::sim
