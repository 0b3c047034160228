// Compaction: which segments to merge, and the merge itself.
//
// The picker runs at the leader and reserves; the merge runs on any node with the job's
// description alone. DESIGN 15, rule 9 is the contract:
//   - a merge within level 0 takes, among segments whose coverage overlaps, a contiguous run of
//     records, and its output takes the newest input's record;
//   - a segment leaves level 0 only with, or after, all older level-0 segments it overlaps;
//   - a tombstone is dropped only when nothing older outside the job, level 0 included, can
//     hold its key;
//   - jobs reserve their key range in both levels.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/lsm/manifest.hpp"
#include "engine/lsm/segment_reader.hpp"
#include "engine/lsm/segment_writer.hpp"

namespace scoutfs::lsm {

struct Job {
  JobId id;
  std::vector<Placed> inputs;     // newest first, as for MergeIterator
  std::uint8_t output_level = 0;  // 0: a merge within level 0
  RecordNo output_record;         // of the outputs
  // Tombstones may be dropped for keys inside `bottom`: nothing older lies below there.
  // Ascending, disjoint. Bounds may be up to kJobKeyMax bytes long.
  std::vector<KeyRange> bottom;
  // No output holds keys on both sides of one of these, ascending: segments that are no inputs,
  // or other jobs' ranges, lie there in the output level. (Keys >= a split are on its upper
  // side.)
  std::vector<std::string> splits;
  std::uint64_t segment_size_max = kSegmentSizeMax;  // bytes, whole blocks
  bool operator==(const Job&) const = default;
};
inline constexpr std::size_t kJobKeyMax = kKeySizeMax + 16;  // bytes

struct CompactionOptions {
  // Level 0 is counted in runs: the segments of one record are one.
  std::size_t level0_count = 12;           // start merging level 0 at this many
  std::size_t level0_stop = 36;            // back-pressure: commits wait at this many
  std::uint64_t level1_blocks = 64u << 8;  // 64 MiB; each deeper level ten times more
  std::uint64_t fanout = 10;
  // Segments of one job. What must go down with a single segment may be more.
  std::size_t inputs_max = 64;
  std::uint64_t segment_size_max = kSegmentSizeMax;  // bytes, whole blocks
};

class CompactionPicker {
 public:
  explicit CompactionPicker(CompactionOptions options);
  ~CompactionPicker();

  // A move changes the level of one segment without rewriting it: the caller removes it and
  // adds moved(placed, to_level).
  struct Move {
    SegmentRef ref;
    std::uint8_t to_level = 0;
  };
  struct Choice {
    std::optional<Job> job;  // id is `next`
    std::optional<Move> move;
  };
  // The most urgent work whose segments are not reserved; neither if there is none. A job's
  // segments and ranges are reserved until release(). A move is applied by the caller at once.
  // The result of a job is recorded by removing its inputs, adding its outputs at output_level
  // under output_record, and then release(); before that, release() alone abandons it.
  Choice pick(const Manifest& manifest, JobId next);
  void release(JobId job);
  // What pick() does for its own: for a job that another leader picked and that still runs.
  void reserve(const Job& job);

  // True while a commit should wait before it adds to level 0.
  bool level0_full(const Manifest& manifest) const;
  // Blocks that should still be merged; 0 when the shape is good. While it is not 0 and no job
  // is reserved, pick() finds something.
  std::uint64_t debt_blocks(const Manifest& manifest) const;
  const CompactionOptions& options() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Device space for the outputs of a merge, and the identities they get.
class OutputSpace {
 public:
  virtual ~OutputSpace() = default;
  // A place for a segment of `blocks` blocks. Errors: no_space.
  virtual Result<SegmentRef> allocate(std::uint64_t blocks) = 0;
};

// Merges the inputs into new segments and flushes them. The caller records the result, or
// abandons it, in which case the space holds nothing of value.
// Equal inputs and equal answers of `space` give equal bytes.
// Errors: those of the device; corrupt; no_space.
Task<Result<std::vector<SegmentInfo>>> run_job(SegmentCache& cache, BlockDevice& device,
                                               Fsid fsid, const Job& job, OutputSpace& space);

// id, inputs, output level, output record, bottom, splits, segment_size_max; lists with their
// count.
void encode(Writer& out, const Job& job);
Job decode_job(Reader& in);

}  // namespace scoutfs::lsm
