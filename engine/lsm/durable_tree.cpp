// DurableTree from outside: create, load, open, commit, close. The tasks are in tree_writer.cpp
// and tree_checkpoint.cpp; durable_tree_state.hpp says how they share the work.
#include "engine/lsm/durable_tree.hpp"

#include <algorithm>
#include <array>

#include "engine/lsm/durable_tree_state.hpp"

namespace scoutfs::lsm {

using format::CheckpointSegment;
using format::Superblock;

namespace {

constexpr std::uint64_t kMemtableSizeMax = 4u << 20;  // bytes
constexpr std::size_t kSuperblockSize = format::kSuperblockBlocks * kBlockSize;

// Small areas get small memtables and segments: a merge needs room for its output.
std::uint64_t size_share(const Superblock& superblock) {
  constexpr std::uint64_t kSmallest = 16;  // blocks
  const std::uint64_t blocks = std::max(superblock.server_area.count / 16, kSmallest);
  return std::min(blocks * kBlockSize, kMemtableSizeMax);
}

CompactionOptions options_for(const Superblock& superblock) {
  CompactionOptions options;
  options.segment_size_max = std::min<std::uint64_t>(kSegmentSizeMax, size_share(superblock));
  options.level1_blocks = std::min(options.level1_blocks, superblock.server_area.count / 8);
  return options;
}

std::span<std::byte> writable(std::string& bytes) {
  return {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()};
}

Task<Result<void>> wait_for(OneShot<Result<void>> done) {
  co_return co_await done.wait();
}

Task<Result<void>> answer(Error error) {
  co_return std::unexpected(error);
}

// Overwrites what is there with zeros, where it is not zero already.
Task<Result<void>> clear(BlockDevice& device, Extent extent) {
  constexpr std::uint64_t kChunk = 256;  // blocks
  for (std::uint64_t done = 0; done < extent.count; done += kChunk) {
    const std::uint64_t count = std::min(kChunk, extent.count - done);
    const BlockNo first{extent.start.value + done};
    std::string bytes(count * kBlockSize, '\0');
    SCOUTFS_CO_CHECK(co_await device.read(first, writable(bytes)));
    if (bytes.find_first_not_of('\0') == std::string::npos) continue;
    bytes.assign(bytes.size(), '\0');
    SCOUTFS_CO_CHECK(co_await device.write(first, as_bytes(bytes), Durability::after_flush));
  }
  co_return Result<void>{};
}

}  // namespace

Task<Result<Superblock>> read_superblock(BlockDevice& device) {
  std::optional<Superblock> newest;
  Errc why = Errc::corrupt;
  for (std::uint64_t parity = 0; parity < 2; ++parity) {
    std::string image(kSuperblockSize, '\0');
    SCOUTFS_CO_CHECK(co_await device.read(format::superblock_at(parity), writable(image)));
    Result<Superblock> copy = format::decode_superblock(image);
    if (!copy.has_value()) {
      if (copy.error().code == Errc::unsupported) why = Errc::unsupported;
      continue;
    }
    if (copy->checkpoint % 2 != parity) continue;
    if (newest.has_value() && newest->fsid != copy->fsid) co_return fail(Errc::corrupt);
    if (!newest.has_value() || copy->checkpoint > newest->checkpoint) newest = std::move(*copy);
  }
  if (!newest.has_value()) co_return fail(why);
  co_return *std::move(newest);
}

DurableTree::State::State(Scheduler& scheduler_in, BlockDevice& device_in,
                          SegmentCache& cache_in, Superblock superblock)
    : scheduler(scheduler_in),
      device(device_in),
      cache(cache_in),
      durable(std::move(superblock)),
      journal(device, durable.fsid, durable.journal,
              {durable.journal_position, durable.journal_block, durable.journal_chain}),
      author{durable.term, durable.leader},
      memtable_size_max(size_share(durable)),
      area(durable.server_area),
      next_record(durable.next_record),
      picker(options_for(durable)),
      ids(durable.term, durable.leader, durable.checkpoint),
      writer_wakes(scheduler),
      checkpointer_wakes(scheduler),
      cycle_done(scheduler),
      tasks(scheduler) {}

DurableTree::DurableTree(Scheduler& scheduler, BlockDevice& device, SegmentCache& cache,
                         Superblock superblock)
    : state_(std::make_unique<State>(scheduler, device, cache, std::move(superblock))) {}

DurableTree::~DurableTree() = default;

Task<Result<void>> DurableTree::create(Scheduler& scheduler, BlockDevice& device,
                                       Superblock superblock, const Memtable& items) {
  static_cast<void>(scheduler);
  if (superblock.journal.count < Journal::kBlocksMin) co_return fail(Errc::invalid);
  if (superblock.server_area.count < kAreaBlocksMin) co_return fail(Errc::invalid);
  // The old superblocks go first, so that nothing is ever read through them again.
  const Extent copies{BlockNo{format::kSuperblockFirst}, 2 * format::kSuperblockBlocks};
  SCOUTFS_CO_CHECK(co_await clear(device, copies));
  SCOUTFS_CO_CHECK(co_await device.flush());
  SCOUTFS_CO_CHECK(co_await clear(device, superblock.journal));

  superblock.checkpoint = 0;
  superblock.journal_position = 1;
  superblock.journal_block = 0;
  superblock.journal_chain = 0;
  superblock.next_record = RecordNo{1};
  superblock.segments.clear();
  Area area(superblock.server_area);
  SegmentIds ids(superblock.term, superblock.leader, superblock.checkpoint);
  SCOUTFS_CO_TRY(const std::vector<SegmentWrite> writes,
                 place_memtable(items, superblock.fsid, area, ids,
                                options_for(superblock).segment_size_max));
  if (writes.size() > Superblock::kSegmentsMax) co_return fail(Errc::no_space);
  for (const SegmentWrite& write : writes) {
    const BlockNo start = write.info.ref.where.start;
    SCOUTFS_CO_CHECK(
        co_await device.write(start, as_bytes(write.bytes), Durability::after_flush));
    superblock.segments.push_back(
        {write.info.ref.where, write.info.ref.id, superblock.next_record, 0});
    superblock.next_record = superblock.next_record.next();
  }
  SCOUTFS_CO_CHECK(co_await device.flush());
  for (int copy = 0; copy < 2; ++copy) {
    ++superblock.checkpoint;
    const std::string image = format::encode(superblock);
    SCOUTFS_CO_CHECK(co_await device.write(format::superblock_at(superblock.checkpoint),
                                           as_bytes(image), Durability::on_completion));
  }
  co_return Result<void>{};
}

// The checkpoint's segments into manifest and area, and into `list` in search order.
Task<Result<void>> DurableTree::State::read_segments(SegmentList& list) {
  const std::vector<CheckpointSegment> segments = durable.segments;
  for (const CheckpointSegment& segment : segments) {
    if (!area.take(segment.where)) co_return fail(Errc::corrupt);
    const SegmentRef ref{segment.where, segment.id};
    SCOUTFS_CO_TRY(SegmentInfo info, co_await cache.info(ref));
    Placed placed{std::move(info), 0, segment.record};
    if (placed.info.ref != ref || placed.info.coverage.empty()) co_return fail(Errc::corrupt);
    if (placed.record >= durable.next_record) co_return fail(Errc::corrupt);
    if (segment.level > 0) {
      placed = moved(std::move(placed), segment.level);
      const KeyRange hull{placed.info.first(), placed.info.last()};
      if (!manifest.overlapping(hull, segment.level).empty()) co_return fail(Errc::corrupt);
    }
    manifest.add(std::move(placed));
  }
  manifest.for_each([&list](const Placed& placed) { list.segments.push_back(placed); });
  co_return Result<void>{};
}

Task<Result<void>> DurableTree::load(Visit visit) {
  State& state = *state_;
  SCOUTFS_ASSERT(state.phase == State::Phase::made);
  SegmentList list;
  SCOUTFS_CO_CHECK(co_await state.read_segments(list));
  const Journal::Apply apply = [&state](Batch batch) { state.active.apply(std::move(batch)); };
  SCOUTFS_CO_CHECK(co_await state.journal.replay(state.author, apply));

  MergeIterator items(state.cache, KeyRange{"", std::string(kKeySizeMax, '\xff')},
                      Fill::bypass);
  items.add(state.active);
  items.add(list);
  while (true) {
    SCOUTFS_CO_TRY(const std::optional<Change> item, co_await items.next());
    if (!item.has_value()) break;
    if (item->entry.has_value()) SCOUTFS_CO_CHECK(visit(item->key, *item->entry));
  }
  state.phase = State::Phase::loaded;
  co_return Result<void>{};
}

Task<Result<void>> DurableTree::open(Term term, Rid leader) {
  State& state = *state_;
  SCOUTFS_ASSERT(state.phase == State::Phase::loaded);
  SCOUTFS_ASSERT(term > state.durable.term);
  state.author = {term, leader};
  state.ids = SegmentIds(term, leader, state.durable.checkpoint);
  state.phase = State::Phase::open;
  const Result<void> written = co_await state.checkpoint();
  if (!written.has_value()) {
    state.fail_with(written.error());
    co_return written;
  }
  state.tasks.spawn(state.write_groups());
  state.tasks.spawn(state.run_checkpoints());
  co_return Result<void>{};
}

Task<Result<void>> DurableTree::commit(Batch batch) {
  State& state = *state_;
  if (state.failed.has_value()) return answer(*state.failed);
  if (state.phase != State::Phase::open) return answer(fail(Errc::stopping).error());
  const std::uint64_t size = encoded_size_max(batch);
  if (size > batch_size_max()) return answer(fail(Errc::too_large).error());
  OneShot<Result<void>> done(state.scheduler);
  state.queued_bytes += size;
  state.queue.push_back({std::move(batch), done});
  state.writer_wakes.wake_all();
  return wait_for(done);
}

Task<Result<void>> DurableTree::barrier() {
  return commit(Batch{});
}

std::size_t DurableTree::batch_size_max() const {
  return state_->journal.payload_max();
}

Task<Result<void>> DurableTree::close() {
  State& state = *state_;
  SCOUTFS_ASSERT(state.phase == State::Phase::open);
  state.phase = State::Phase::closing;
  state.writer_wakes.wake_all();
  state.checkpointer_wakes.wake_all();
  co_await state.tasks.drain();
  state.phase = State::Phase::closed;
  if (state.failed.has_value()) co_return std::unexpected(*state.failed);
  SCOUTFS_ASSERT(state.journal.empty());
  co_return Result<void>{};
}

void DurableTree::State::fail_with(Error error) {
  if (!failed.has_value()) failed = error;
  while (!queue.empty()) {
    queue.front().done.set(std::unexpected(*failed));
    queue.pop_front();
  }
  queued_bytes = 0;
  writer_wakes.wake_all();
  checkpointer_wakes.wake_all();
  cycle_done.wake_all();
}

const Superblock& DurableTree::superblock() const {
  return state_->durable;
}
const Manifest& DurableTree::manifest() const {
  return state_->manifest;
}
const DurableTree::Counters& DurableTree::counters() const {
  return state_->counters;
}
void DurableTree::check_invariants() const {
  state_->check_invariants();
}

void DurableTree::State::check_invariants() const {
  manifest.check_invariants();
  area.check_invariants();
  SCOUTFS_ASSERT(manifest.blocks() + area.free_blocks() <= area.size());
  SCOUTFS_ASSERT(journal.free_blocks() <= durable.journal.count);
  if (failed.has_value()) SCOUTFS_ASSERT(queue.empty());
}

}  // namespace scoutfs::lsm
