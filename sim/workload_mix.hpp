// WorkloadMix: the workloads of one run: whose operation is called next, how many there are,
// and, where operations are decided (edits.hpp), which.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sim/plan.hpp"
#include "sim/workload.hpp"

namespace scoutfs::sim {

class WorkloadMix {
 public:
  WorkloadMix(const Plan& plan, OracleBoard& board);

  // What a worker calls next: one of the workloads is drawn, by weight, and draws it.
  void draw(const Caller& caller, const Handles& handles, DecidedOperation& decided);
  // From its call on. Ends with answered(), or never.
  WorkloadCall begin(const Caller& caller, const DecidedOperation& decided, Operation op);
  void answered(WorkloadCall& call, const DecidedOperation& decided, const Outcome& outcome);
  void closed(const Caller& caller, const Handle& handle);
  SimRandom& random() { return random_; }

  // One more operation may be called; counts it.
  bool take();
  std::uint64_t taken() const { return taken_; }
  // Which of the node's operations the next one is; counts it.
  std::uint64_t next_ordinal(unsigned node) { return ordinals_[node]++; }

  // Until what the workloads lay out is there to stay, one worker lays it out and the others
  // wait. A life that begins to, starts over.
  bool laid_out() const { return laid_out_; }
  void start_over();
  // Requires: not laid out.
  void draw_set_up(DecidedOperation& decided);
  // Operations that lay out are answered by this, too, behind answered().
  void note_set_up(const Operation& op, const Outcome& outcome);

  // Has the workloads look at the tree at rest.
  void check(const RestTree& tree);
  void set_whole(std::function<bool(Life)> whole) { fates_.whole = std::move(whole); }

  // Nobody is told by default. It must outlive this.
  void set_recorder(DecisionRecorder* recorder) { recorder_ = recorder; }
  void record(const DecidedOperation& decided) {
    if (recorder_ != nullptr) recorder_->operation(decided);
  }

  // Where operations are decided: the worker's next one; nullptr: it has no more.
  const DecidedOperation* next(unsigned node, unsigned worker) const;
  // Takes it. Requires: it is the worker's next.
  void take(unsigned node, unsigned worker);
  // The operation on what this run found in the place of what the recorded one did; nullopt:
  // it has not.
  std::optional<Operation> bound(Operation op) const;
  void bind(Ino recorded, Ino found) { bound_.emplace(recorded, found); }

 private:
  unsigned pick();
  std::size_t position_of(unsigned node, unsigned worker) const;

  const Plan& plan_;
  Fates fates_;
  SimRandom random_;
  SimRandom picks_;
  std::vector<std::unique_ptr<Workload>> workloads_;  // as the plan has them
  bool laid_out_ = false;
  std::uint64_t instant_ = 0;  // calls and answers so far
  std::uint64_t taken_ = 0;
  std::map<unsigned, std::uint64_t> ordinals_;  // by node: called so far
  DecisionRecorder* recorder_ = nullptr;
  // How far each node's workers are in what is decided, and the inodes of that by what they are
  // in this run.
  std::map<std::pair<unsigned, unsigned>, std::size_t> positions_;
  std::map<Ino, Ino> bound_;
};

}  // namespace scoutfs::sim
