// DurableTree: an ordered map whose changes are durable in order: the leader's server tree.
//
// Changes go to the journal first (a ring on the device; one forced-unit-access append for each
// group of commits), and to a memtable. A checkpoint writes the memtable as a segment in the
// server area and names it in the superblock, whose two copies alternate; then the journal's
// space is free. When level 0 has grown, segments of the server area are merged with the code
// of compaction.hpp.
//
// DESIGN 15, rule 6: what the newest durable checkpoint needs is not reused before a newer one
// is durable; an invalid record followed by a valid one of the same chain is corruption; a
// checkpoint starts while the ring still has room for the largest group and its own entries.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/env/block_device.hpp"
#include "engine/format/volume.hpp"
#include "engine/lsm/manifest.hpp"
#include "engine/lsm/memtable.hpp"
#include "engine/lsm/segment_reader.hpp"

namespace scoutfs::lsm {

// The newest good superblock of a device. One damaged copy is as after a power cut: the other
// counts.
// Errors: corrupt (neither copy is good, or they are of two volumes),
//         unsupported (another format hash), those of the device.
Task<Result<format::Superblock>> read_superblock(BlockDevice& device);

// Visits items in key order.
using Visit = std::function<Result<void>(std::string_view key, std::string_view value)>;

class DurableTree {
 public:
  // `superblock` is the newest on the device. Nothing is read or written yet.
  DurableTree(Scheduler& scheduler, BlockDevice& device, SegmentCache& cache,
              format::Superblock superblock);
  // Requires: close() has completed, or open() was never called, or the node was killed.
  ~DurableTree();

  // mkfs: the first checkpoint, holding `items`. Writes both copies and an empty journal.
  // Fields of the checkpoint in `superblock` are ignored, but for term and leader.
  // Errors: invalid (journal below Journal::kBlocksMin, server area below kAreaBlocksMin),
  //         no_space (the items do not fit the server area), those of the device.
  static Task<Result<void>> create(Scheduler& scheduler, BlockDevice& device,
                                   format::Superblock superblock, const Memtable& items);
  static constexpr std::uint64_t kAreaBlocksMin = 512;

  // Reads the checkpoint and the journal, and visits what they hold, once. Read-only: for
  // offline checks, too.
  // Errors: corrupt, those of the device and of `visit`.
  Task<Result<void>> load(Visit visit);

  // After load(): from here on this object is the only writer, under `term` and `leader`, which
  // every record and checkpoint carries. Writes a checkpoint first, so that a torn tail is
  // gone. Starts the writer tasks.
  // Requires: `term` is higher than the superblock's.
  // Errors: no_space, those of the device; then the tree is as after a failed commit().
  Task<Result<void>> open(Term term, Rid leader);

  // Adds the batch to the group that is written next, in the order of the calls (the call
  // itself adds it, awaited or not); durable on return.
  // Errors: too_large (encoded_size_max(batch) exceeds batch_size_max()): nothing else changes.
  //         stopping (not open, or close() was called).
  //         Those of the device, and no_space (the server area): then, and from then on, no
  //         record and no superblock is written, and the caller must stop serving. After an
  //         error of the device it is open whether the batch survived; after no_space it did
  //         not. Nothing acknowledged is lost.
  [[clang::coro_wrapper]] Task<Result<void>> commit(Batch batch);
  std::size_t batch_size_max() const;
  // Waits until every commit() called before is durable. Errors: as commit().
  [[clang::coro_wrapper]] Task<Result<void>> barrier();

  // Everything into the checkpoint; then the tree is closed. Required after open(), also where
  // open() or a commit() failed: it then writes nothing, ends the tasks and returns that error.
  Task<Result<void>> close();

  // The newest durable checkpoint.
  const format::Superblock& superblock() const;
  // Its segments, and those that are about to replace some of them.
  const Manifest& manifest() const;
  void check_invariants() const;

  struct Counters {
    std::uint64_t groups = 0, commits = 0, journal_blocks = 0, checkpoints = 0,
                  segment_blocks = 0, merges = 0;
  };
  const Counters& counters() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace scoutfs::lsm
