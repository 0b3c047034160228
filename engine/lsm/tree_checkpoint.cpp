// The checkpointer task of DurableTree: memtables into segments, segments into fewer segments,
// and after each step a superblock that names what there is now.
//
// Nothing that the durable superblock names is overwritten: segments go to space that neither
// it nor work in progress uses, and what a superblock does not name any more is freed after
// that one is durable. Segments are flushed before the superblock that names them is written.
#include <algorithm>

#include "engine/base/hash.hpp"
#include "engine/lsm/durable_tree_state.hpp"

namespace scoutfs::lsm {

using format::Superblock;

SegmentIds::SegmentIds(Term term, Rid leader, std::uint64_t checkpoint)
    : base_(mix(mix(term.number, term.slot), leader.value, checkpoint)) {}

std::uint64_t SegmentIds::next() {
  const std::uint64_t id = mix(base_, ++count_);
  return id == 0 ? next() : id;
}

// Twice the size, for index and filter, incompressible blocks that are not full, and segments
// that are cut to fit a run; and the blocks around a single large item.
std::uint64_t blocks_needed(std::uint64_t memtable_size_bytes) {
  return 2 * (memtable_size_bytes / kBlockSize) + 64;
}

namespace {

// Gives back what was allocated unless it is kept.
class Allocation {
 public:
  explicit Allocation(Area& area) : area_(area) {}
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;
  ~Allocation() {
    for (const Extent extent : extents_) area_.free(extent);
  }
  Result<Extent> allocate(std::uint64_t blocks) {
    SCOUTFS_TRY(const Extent extent, area_.allocate(blocks));
    extents_.push_back(extent);
    return extent;
  }
  void keep() { extents_.clear(); }

 private:
  Area& area_;
  std::vector<Extent> extents_;
};

// Outputs of merges leave the room that a checkpoint needs.
class MergeSpace : public OutputSpace {
 public:
  MergeSpace(Area& area, SegmentIds& ids, std::function<std::uint64_t()> reserved)
      : area_(area), allocation_(area), ids_(ids), reserved_(std::move(reserved)) {}

  Result<SegmentRef> allocate(std::uint64_t blocks) override {
    if (area_.usable_blocks() < blocks + reserved_()) return fail(Errc::no_space);
    SCOUTFS_TRY(const Extent extent, allocation_.allocate(blocks));
    return SegmentRef{extent, ids_.next()};
  }
  void keep() { allocation_.keep(); }

 private:
  Area& area_;
  Allocation allocation_;
  SegmentIds& ids_;
  std::function<std::uint64_t()> reserved_;
};

}  // namespace

Result<std::vector<SegmentWrite>> place_memtable(const Memtable& memtable, Fsid fsid,
                                                 Area& area, SegmentIds& ids,
                                                 std::uint64_t segment_size_max) {
  std::vector<SegmentWrite> writes;
  Allocation allocation(area);
  auto it = memtable.map().begin();
  while (it != memtable.map().end()) {
    SegmentBuilder::Options options;
    options.size_max =
        std::min<std::uint64_t>(segment_size_max, area.largest_run() * kBlockSize);
    SegmentBuilder builder(options);
    while (it != memtable.map().end() && builder.add(it->first, it->second)) ++it;
    SCOUTFS_TRY(const Extent where, allocation.allocate(builder.finish()));
    SegmentImage image = std::move(builder).seal(fsid, SegmentRef{where, ids.next()});
    writes.push_back({std::move(image.info), std::move(image.bytes)});
  }
  allocation.keep();
  return writes;
}

Task<void> DurableTree::State::run_checkpoints() {
  while (!failed.has_value()) {
    const bool last = writer_done && phase == Phase::closing;
    if (!checkpoint_wanted && !last) {
      co_await checkpointer_wakes.wait();
      continue;
    }
    checkpoint_wanted = false;
    Result<void> done = co_await checkpoint();
    if (done.has_value() && !last) done = co_await merge();
    if (!done.has_value()) fail_with(done.error());
    ++cycles;
    cycle_done.wake_all();
    if (last) break;
  }
}

Task<Result<void>> DurableTree::State::checkpoint() {
  SCOUTFS_ASSERT(frozen.empty());
  frozen = std::exchange(active, Memtable{});
  frozen_placed = false;
  const Journal::Position needed = journal.next();
  SCOUTFS_CO_TRY(
      std::vector<SegmentWrite> writes,
      place_memtable(frozen, durable.fsid, area, ids, picker.options().segment_size_max));
  frozen_placed = true;
  for (SegmentWrite& write : writes) {
    Placed placed{write.info, 0, next_record};
    next_record = next_record.next();
    SCOUTFS_CO_CHECK(co_await write_segment(std::move(write)));
    manifest.add(std::move(placed));
  }
  SCOUTFS_CO_CHECK(co_await device.flush());
  SCOUTFS_CO_CHECK(co_await write_superblock(needed));
  frozen = Memtable{};
  ++counters.checkpoints;
  co_return Result<void>{};
}

Task<Result<void>> DurableTree::State::write_segment(SegmentWrite segment) {
  counters.segment_blocks += segment.info.ref.where.count;
  const BlockNo start = segment.info.ref.where.start;
  co_return co_await device.write(start, as_bytes(segment.bytes), Durability::after_flush);
}

// Names the manifest's segments, which are flushed, and `needed` as the first record to replay.
Task<Result<void>> DurableTree::State::write_superblock(Journal::Position needed) {
  Superblock next = durable;
  ++next.checkpoint;
  next.term = author.term;
  next.leader = author.leader;
  next.journal_position = needed.number;
  next.journal_block = needed.block;
  next.journal_chain = needed.chain;
  next.next_record = next_record;
  next.segments.clear();
  manifest.for_each([&next](const Placed& placed) {
    next.segments.push_back(
        {placed.info.ref.where, placed.info.ref.id, placed.record, placed.level});
  });
  if (next.segments.size() > Superblock::kSegmentsMax) co_return fail(Errc::no_space);
  if (failed.has_value()) co_return std::unexpected(*failed);
  const std::string image = format::encode(next);
  SCOUTFS_CO_CHECK(co_await device.write(format::superblock_at(next.checkpoint),
                                         as_bytes(image), Durability::on_completion));
  durable = std::move(next);
  journal.release(needed);
  for (const Extent extent : retired) area.free(extent);
  retired.clear();
  co_return Result<void>{};
}

// Merges until the tree's shape is good, or commits need the next checkpoint. At least one
// step, so that merging keeps up: a step takes away more segments than a checkpoint adds.
Task<Result<void>> DurableTree::State::merge() {
  constexpr std::size_t kManySegments = Superblock::kSegmentsMax / 2;
  constexpr int kStepsMax = 64;
  for (int step = 0; step < kStepsMax; ++step) {
    SCOUTFS_CO_TRY(const bool merged, co_await merge_once());
    if (!merged) break;
    if (checkpoint_wanted && !picker.level0_full(manifest) &&
        durable.segments.size() < kManySegments) {
      break;
    }
  }
  co_return Result<void>{};
}

// False if there is nothing to merge, or no space to do it.
Task<Result<bool>> DurableTree::State::merge_once() {
  last_job = last_job.next();
  CompactionPicker::Choice choice = picker.pick(manifest, last_job);
  if (choice.move.has_value()) {
    const CompactionPicker::Move move = *choice.move;
    manifest.add(moved(manifest.remove(move.ref), move.to_level));
  } else if (choice.job.has_value()) {
    const Result<void> done = co_await run(std::move(*choice.job));
    picker.release(last_job);
    if (failed_with(done, Errc::no_space)) co_return false;
    if (!done.has_value()) co_return std::unexpected(done.error());
  } else {
    co_return false;
  }
  ++counters.merges;
  const Journal::Position needed{durable.journal_position, durable.journal_block,
                                 durable.journal_chain};
  SCOUTFS_CO_CHECK(co_await write_superblock(needed));
  co_return true;
}

// Errors: no_space; then the manifest is as before.
Task<Result<void>> DurableTree::State::run(Job job) {
  const std::uint64_t run_bytes = area.largest_run() * kBlockSize;
  job.segment_size_max = std::min(job.segment_size_max, run_bytes);
  MergeSpace space(area, ids, [this] { return blocks_needed(active.size_bytes()); });
  SCOUTFS_CO_TRY(const std::vector<SegmentInfo> outputs,
                 co_await run_job(cache, device, durable.fsid, job, space));
  if (failed.has_value()) co_return std::unexpected(*failed);
  space.keep();
  for (const Placed& input : job.inputs) {
    manifest.remove(input.info.ref);
    retired.push_back(input.info.ref.where);
  }
  for (const SegmentInfo& info : outputs) {
    counters.segment_blocks += info.ref.where.count;
    manifest.add(Placed{info, job.output_level, job.output_record});
  }
  co_return Result<void>{};
}

}  // namespace scoutfs::lsm
