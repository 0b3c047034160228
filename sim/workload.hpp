// Workload: random operations of all nodes over one small namespace.
//
// It works as the kernel does: on inodes it has heard of, some of which are gone by now, and on
// open files. What one node learns another may use.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/judge.hpp"
#include "sim/operation.hpp"
#include "sim/plan.hpp"
#include "sim/random.hpp"

namespace scoutfs::sim {

// What is written: each stamp's data tells itself from that of every other.
std::string stamped_data(std::uint64_t size, std::uint64_t stamp);
// The stamp of such data, as far as it has one.
std::uint64_t stamp_of(std::string_view data);

class Workload {
 public:
  Workload(const Plan& plan, SimRandom random) : plan_(plan), random_(random) {}

  // Open files of one worker.
  struct Handle {
    Ino ino;
    std::uint64_t opened_by = 0;  // which of the node's operations
  };
  using Handles = std::vector<Handle>;

  Operation draw(const Handles& handles);
  // What the answer of an operation tells of the tree. The inode that it told of; none: none.
  Ino learn(const Operation& op, const Outcome& outcome);
  SimRandom& random() { return random_; }

  // One more operation may be called; counts it.
  bool take();
  std::uint64_t taken() const { return taken_; }
  // Which of the node's operations the next one is; counts it.
  std::uint64_t next_ordinal(unsigned node) { return ordinals_[node]++; }

  // Nobody is told by default. It must outlive the workload.
  void set_recorder(DecisionRecorder* recorder) { recorder_ = recorder; }
  void record(const DecidedOperation& decided) {
    if (recorder_ != nullptr) recorder_->operation(decided);
  }

  // Where operations are decided (edits.hpp): the worker's next one; nullptr: it has no more.
  const DecidedOperation* next(unsigned node, unsigned worker) const;
  // Takes it. Requires: it is the worker's next.
  void take(unsigned node, unsigned worker);
  // The operation on what this run found in the place of what the recorded one did; nullopt:
  // it has not.
  std::optional<Operation> bound(Operation op) const;
  void bind(Ino recorded, Ino found) { bound_.emplace(recorded, found); }

 private:
  static constexpr std::size_t kFilesMax = 16;
  static constexpr std::size_t kDirectoriesMax = 6;

  OpKind draw_kind();
  std::string draw_name();
  Ino draw_directory();
  Ino draw_file(const Handles& handles);
  std::string draw_data(std::uint64_t size_max);
  std::size_t position_of(unsigned node, unsigned worker) const;
  void draw_create(Operation& op);
  void draw_name_operation(Operation& op, const Handles& handles);
  void draw_data_operation(Operation& op, const Handles& handles);
  void draw_xattr_operation(Operation& op, const Handles& handles);
  static void remember(std::vector<Ino>& list, std::size_t max, Ino ino);

  const Plan& plan_;
  SimRandom random_;
  std::uint64_t taken_ = 0;
  std::vector<Ino> files_;   // regular
  std::vector<Ino> others_;  // symlinks and fifos
  std::vector<Ino> directories_{kRootIno};
  std::map<unsigned, std::uint64_t> ordinals_;  // by node: called so far
  DecisionRecorder* recorder_ = nullptr;
  // How far each node's workers are in what is decided, and the inodes of that by what they are
  // in this run.
  std::map<std::pair<unsigned, unsigned>, std::size_t> positions_;
  std::map<Ino, Ino> bound_;
};

}  // namespace scoutfs::sim
