// DurableTree: an ordered map whose changes are durable in order: the leader's server tree.
//
// Changes go to the journal first (a ring on the device; one forced-unit-access append for each
// group of commits), and to a memtable. A checkpoint writes the memtable as a segment in the server
// area and names it in the superblock, whose two copies alternate; then the journal's space is free.
// When level 0 has grown, segments of the server area are merged with the code of compaction.hpp.
//
// DESIGN 15, rule 6: what the newest durable checkpoint needs is not reused before a newer one is
// durable; an invalid record followed by a valid one of the same chain is corruption; a checkpoint
// starts while the ring still has room for the largest group and its own entries.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/env/block_device.hpp"
#include "engine/format/volume.hpp"
#include "engine/lsm/memtable.hpp"
#include "engine/lsm/segment_reader.hpp"

namespace scoutfs::lsm {

// The newest valid superblock of a device, and what is wrong with the copies.
// Errors: corrupt (neither copy is good), unsupported (another format hash), those of the device.
Task<Result<format::Superblock>> read_superblock(BlockDevice& device);

// Visits items in key order.
using Visit = std::function<Result<void>(std::string_view key, std::string_view value)>;

class DurableTree {
 public:
  // `superblock` is the newest on the device. Nothing is read or written yet.
  DurableTree(Scheduler& scheduler, BlockDevice& device, SegmentCache& cache,
              format::Superblock superblock);
  ~DurableTree();

  // mkfs: the first checkpoint, holding `items`. Writes both copies and an empty journal.
  static Task<Result<void>> create(Scheduler& scheduler, BlockDevice& device,
                                   format::Superblock superblock, const Memtable& items);

  // Reads the checkpoint and the journal, and visits what they hold. Read-only: check/ uses it.
  // Errors: corrupt, those of the device and of `visit`.
  Task<Result<void>> load(Visit visit);

  // After load(): from here on this object is the only writer, under `term` and `leader`, which
  // every record and checkpoint carries. Writes a checkpoint first, so that a torn tail is gone.
  // Starts the writer task.
  Task<Result<void>> open(Term term, Rid leader);

  // Adds the batch to the group that is written next, in the order of the calls; durable on return.
  // Errors: those of the device; then, and from then on, nothing more is written (the caller must
  // stop serving), and whether the batch survived is open.
  Task<Result<void>> commit(Batch batch);
  // Waits until every commit() called before is durable.
  Task<Result<void>> barrier();

  // Everything into the checkpoint; then the tree is closed.
  Task<Result<void>> close();

  // Called between a checkpoint becoming durable and its predecessor's space being reused.
  const format::Superblock& superblock() const;

  struct Counters {
    std::uint64_t groups = 0, commits = 0, journal_blocks = 0, checkpoints = 0,
                  segment_blocks = 0;
  };
  const Counters& counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scoutfs::lsm
