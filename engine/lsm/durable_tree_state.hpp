// What the parts of DurableTree share: durable_tree.cpp (load, open, close), tree_writer.cpp
// (groups of commits) and tree_checkpoint.cpp (checkpoints and merges).
//
// Two tasks run between open() and close(). The writer takes whatever commits wait, appends
// them as one record, applies them to `active` and answers them. The checkpointer freezes
// `active`, writes it as segments of level 0, names them in a superblock and frees what that
// one no longer needs; then it merges segments. The writer waits for it only where ring or
// server area would run out.
//
//   active   changes of records from the last freeze on, exactly those below journal.next()
//   frozen   changes being written as segments; empty otherwise
//   manifest what the next superblock will name; differs from `durable` only while the
//            checkpointer is between writing segments and writing the superblock
//   retired  extents that `durable` names and `manifest` does not
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/lsm/area.hpp"
#include "engine/lsm/compaction.hpp"
#include "engine/lsm/durable_tree.hpp"
#include "engine/lsm/journal.hpp"
#include "engine/lsm/manifest.hpp"

namespace scoutfs::lsm {

// A segment that has its place and waits to be written.
struct SegmentWrite {
  SegmentInfo info;
  std::string bytes;
};

// Identities of segments that no other author, and no earlier checkpoint, gives out.
class SegmentIds {
 public:
  SegmentIds(Term term, Rid leader, std::uint64_t checkpoint);
  std::uint64_t next();  // never 0

 private:
  std::uint64_t base_;
  std::uint64_t count_ = 0;
};

// Places all of a memtable. Errors: no_space; then nothing stays allocated.
Result<std::vector<SegmentWrite>> place_memtable(const Memtable& memtable, Fsid fsid,
                                                 Area& area, SegmentIds& ids,
                                                 std::uint64_t segment_size_max);
// Blocks that place_memtable() may take at most.
std::uint64_t blocks_needed(std::uint64_t memtable_size_bytes);

struct DurableTree::State {
  enum class Phase : std::uint8_t { made, loaded, open, closing, closed };
  struct Pending {
    Batch batch;  // empty: a barrier
    OneShot<Result<void>> done;
  };

  State(Scheduler& scheduler_in, BlockDevice& device_in, SegmentCache& cache_in,
        format::Superblock superblock);

  // durable_tree.cpp
  Task<Result<void>> read_segments(SegmentList& list);
  void fail_with(Error error);
  void check_invariants() const;

  // tree_writer.cpp
  Task<void> write_groups();
  bool has_room() const;
  Task<Result<void>> make_room();
  std::vector<Pending> take_group(Batch& group);
  bool checkpoint_due() const;

  // tree_checkpoint.cpp
  Task<void> run_checkpoints();
  Task<Result<void>> checkpoint();
  Task<Result<void>> write_superblock(Journal::Position needed);
  Task<Result<void>> merge();
  Task<Result<bool>> merge_once();
  Task<Result<void>> run(Job job);
  Task<Result<void>> write_segment(SegmentWrite segment);

  Scheduler& scheduler;
  BlockDevice& device;
  SegmentCache& cache;
  format::Superblock durable;
  Journal journal;
  Journal::Author author;
  Phase phase = Phase::made;
  std::optional<Error> failed;  // set once; nothing is written after it

  Memtable active;
  Memtable frozen;
  bool frozen_placed = true;  // its space is allocated
  std::uint64_t memtable_size_max;

  Manifest manifest;
  Area area;
  std::vector<Extent> retired;
  RecordNo next_record;  // of level 0
  CompactionPicker picker;
  SegmentIds ids;
  JobId last_job;

  std::deque<Pending> queue;
  std::uint64_t queued_bytes = 0;
  WaitQueue writer_wakes;
  bool writer_done = false;
  bool checkpoint_wanted = false;
  WaitQueue checkpointer_wakes;
  std::uint64_t cycles = 0;  // of the checkpointer
  WaitQueue cycle_done;

  Counters counters;
  TaskScope tasks;  // the last member: its tasks refer to all others
};

}  // namespace scoutfs::lsm
