// Opening segments, reading their blocks, and keeping both.
#include "engine/lsm/segment_cache.hpp"

#include <algorithm>
#include <span>

#include "engine/format/key_filter.hpp"

namespace scoutfs::lsm {
namespace {

// Segments of up to so many blocks are read whole when they are opened.
constexpr std::uint64_t kWholeBlocksMax = 8;

// Blocks at a segment's end that most likely hold its filter and index.
std::uint64_t tail_blocks(std::uint64_t count) {
  return count <= kWholeBlocksMax ? count : std::max<std::uint64_t>(4, count / 24 + 2);
}

std::span<std::byte> writable(std::string& bytes) {
  return std::as_writable_bytes(std::span<char>(bytes.data(), bytes.size()));
}

// Bytes nobody has read yet are not set.
void resize_unset(std::string& bytes, std::size_t size) {
  bytes.resize_and_overwrite(size, [](char*, std::size_t n) { return n; });
}

}  // namespace

FrameRead::FrameRead(Scheduler& scheduler, std::shared_ptr<OpenSegment> of,
                     std::size_t first_frame, std::size_t frame_count, Fill how)
    : segment(std::move(of)),
      first(first_frame),
      fill(how),
      done(scheduler),
      blocks(frame_count) {}

OpenSegment::OpenSegment(const format::SegmentIdentity& who, format::SegmentDirectory what)
    : identity(who), directory(std::move(what)), slots(directory.frame_count()) {
  is_segment = true;
  size_bytes = sizeof(OpenSegment) + directory.frames.size_bytes() + directory.filter.size() +
               directory.offsets.size() * sizeof(std::uint32_t) + slots.size() * sizeof(Slot);
  for (const KeyRange& range : directory.coverage) {
    size_bytes += sizeof(range) + range.first.size() + range.last.size();
  }
}

SegmentCache::State::State(Scheduler& scheduler_in, BlockDevice& device_in, Fsid fsid_in,
                           std::uint64_t size_max)
    : scheduler(scheduler_in),
      device(device_in),
      fsid(fsid_in),
      size_bytes_max(size_max),
      scope_(scheduler_in) {}

SegmentCache::State::~State() = default;

const OpenPtr* SegmentCache::State::find(SegmentRef ref) {
  const auto it = open_.find(ref.where.start);
  if (it == open_.end() || it->second->ref() != ref) return nullptr;
  it->second->used = true;
  return &it->second;
}

Task<Result<OpenPtr>> SegmentCache::State::open(SegmentRef ref, Fill fill) {
  if (const OpenPtr* known = find(ref)) co_return *known;
  if (fill == Fill::bypass) co_return co_await read_segment(ref, fill);
  const auto it = opening_.find(ref);
  const bool first = it == opening_.end();
  const OpeningPtr opening = first ? std::make_shared<Opening>(scheduler) : it->second;
  if (first) {
    opening_.emplace(ref, opening);
    co_await run_open(opening, ref, fill);
  }
  while (!opening->result.has_value()) co_await opening->done.wait();
  co_return *opening->result;
}

OpeningPtr SegmentCache::State::open_ahead(SegmentRef ref, Fill fill) {
  auto opening = std::make_shared<Opening>(scheduler);
  if (const OpenPtr* known = find(ref)) {
    opening->result = *known;
    return opening;
  }
  if (fill == Fill::cache) {
    const auto [it, first] = opening_.emplace(ref, opening);
    if (!first) return it->second;
  }
  scope_.spawn(run_open(opening, ref, fill));
  return opening;
}

Task<void> SegmentCache::State::run_open(OpeningPtr opening, SegmentRef ref, Fill fill) {
  Result<OpenPtr> result = co_await read_segment(ref, fill);
  opening->result = std::move(result);
  if (fill == Fill::cache) opening_.erase(ref);
  opening->done.wake_all();
}

Task<Result<OpenPtr>> SegmentCache::State::read_segment(SegmentRef ref, Fill fill) {
  ++counters.opens;
  // References come from other nodes: what cannot lie on the device is not asked of it.
  const std::uint64_t count = ref.where.count;
  const std::uint64_t device_blocks = device.block_count();
  if (count == 0 || count > device_blocks || ref.where.start.value > device_blocks - count) {
    co_return fail(Errc::corrupt);
  }
  if (count > (std::uint64_t{1} << 20)) co_return fail(Errc::corrupt);
  const format::SegmentIdentity identity(fsid, ref.where, ref.id);
  const std::uint64_t end = ref.where.end().value;
  const std::uint64_t tail_count = tail_blocks(count);
  std::string bytes;
  resize_unset(bytes, tail_count * kBlockSize);
  const BlockNo tail_first{end - tail_count};
  SCOUTFS_CO_CHECK(co_await device.read(tail_first, writable(bytes)));
  SCOUTFS_CO_TRY(const format::SegmentFooter footer,
                 format::decode_segment_footer(bytes, identity));
  std::size_t offset = (count - tail_count) * kBlockSize;
  if (footer.filter_offset < offset) {
    const std::uint64_t first = footer.filter_offset / kBlockSize;
    std::string front;
    resize_unset(front, offset - first * kBlockSize);
    const BlockNo from{ref.where.start.value + first};
    SCOUTFS_CO_CHECK(co_await device.read(from, writable(front)));
    bytes.insert(0, front);
    offset = first * kBlockSize;
  }
  const std::string_view tail = std::string_view(bytes).substr(footer.filter_offset - offset);
  SCOUTFS_CO_TRY(format::SegmentDirectory directory,
                 format::decode_segment_tail(tail, footer, identity));
  auto segment = std::make_shared<OpenSegment>(identity, std::move(directory));
  if (fill == Fill::cache) {
    keep(segment);
    if (offset == 0) keep_blocks_of(segment, bytes, offset);
  }
  co_return segment;
}

// A frame that does not decode is left out: whoever needs it finds out.
void SegmentCache::State::keep_blocks_of(const OpenPtr& segment, std::string_view bytes,
                                         std::size_t offset) {
  const std::vector<std::uint32_t>& offsets = segment->directory.offsets;
  for (std::size_t frame = 0; frame + 1 < offsets.size(); ++frame) {
    const std::size_t size = offsets[frame + 1] - offsets[frame];
    Result<format::ItemBlock> block =
        format::decode_data_frame(bytes.substr(offsets[frame] - offset, size),
                                  segment->directory, frame, segment->identity, scratch_);
    if (!block.has_value()) continue;
    keep(*segment, frame, std::make_shared<CachedBlock>(*std::move(block)));
  }
}

FrameReadPtr SegmentCache::State::begin_read(OpenPtr segment, std::size_t first,
                                             std::size_t count, Fill fill) {
  auto read = std::make_shared<FrameRead>(scheduler, segment, first, count, fill);
  counters.block_misses += count;
  if (fill == Fill::bypass) return read;
  for (std::size_t frame = first; frame < first + count; ++frame) {
    OpenSegment::Slot& slot = segment->slots[frame];
    SCOUTFS_ASSERT(slot.block == nullptr);
    SCOUTFS_ASSERT(slot.read.expired());
    slot.read = read;
  }
  return read;
}

FrameReadPtr SegmentCache::State::read_ahead(OpenPtr segment, std::size_t first,
                                             std::size_t count, Fill fill) {
  FrameReadPtr read = begin_read(std::move(segment), first, count, fill);
  scope_.spawn(run_read(read));
  return read;
}

Task<void> SegmentCache::State::run_read(FrameReadPtr read) {
  OpenSegment& segment = *read->segment;
  const std::vector<std::uint32_t>& offsets = segment.directory.offsets;
  const std::size_t frames_end = read->first + read->blocks.size();
  const std::size_t first_block = offsets[read->first] / kBlockSize;
  const std::size_t end_block = (offsets[frames_end] + kBlockSize - 1) / kBlockSize;
  read->bytes_offset = first_block * kBlockSize;
  resize_unset(read->bytes, (end_block - first_block) * kBlockSize);
  const BlockNo from{segment.identity.where().start.value + first_block};
  Result<void> result = co_await device.read(from, writable(read->bytes));
  if (read->fill == Fill::cache) {
    for (std::size_t frame = read->first; frame < frames_end; ++frame) {
      OpenSegment::Slot& slot = segment.slots[frame];
      slot.read.reset();
      if (!result.has_value()) continue;
      Result<BlockPtr> block = decode(*read, frame);
      if (block.has_value()) {
        read->blocks[frame - read->first] = *block;
        keep(segment, frame, *block);
      }
    }
  }
  read->result = result;
  read->done.wake_all();
}

Result<BlockPtr> SegmentCache::State::decode(const FrameRead& read, std::size_t frame) {
  const OpenSegment& segment = *read.segment;
  const std::vector<std::uint32_t>& offsets = segment.directory.offsets;
  const std::string_view bytes =
      std::string_view(read.bytes)
          .substr(offsets[frame] - read.bytes_offset, offsets[frame + 1] - offsets[frame]);
  SCOUTFS_TRY(
      format::ItemBlock block,
      format::decode_data_frame(bytes, segment.directory, frame, segment.identity, scratch_));
  return std::make_shared<CachedBlock>(std::move(block));
}

Result<BlockPtr> SegmentCache::State::take(FrameRead& read, std::size_t frame) {
  SCOUTFS_ASSERT(read.covers(frame));
  SCOUTFS_ASSERT(read.result.has_value());
  BlockPtr& block = read.blocks[frame - read.first];
  if (block != nullptr) return block;
  // Not decoded yet, or, with Fill::cache, not decodable: the error comes up again.
  return decode(read, frame);
}

Task<Result<BlockPtr>> SegmentCache::State::load(OpenPtr segment, std::size_t frame) {
  OpenSegment::Slot& slot = segment->slots[frame];
  if (slot.block != nullptr) {
    slot.block->used = true;
    co_return slot.block;
  }
  FrameReadPtr read = slot.read.lock();
  if (read == nullptr) {
    read = begin_read(segment, frame, 1, Fill::cache);
    co_await run_read(read);
  }
  while (!read->result.has_value()) co_await read->done.wait();
  if (!read->result->has_value()) co_return std::unexpected(read->result->error());
  co_return take(*read, frame);
}

SegmentCache::State::Lookup SegmentCache::State::lookup(OpenSegment& segment,
                                                        std::string_view key,
                                                        std::uint64_t hash) {
  Lookup out;
  const format::SegmentDirectory& directory = segment.directory;
  if (!directory.filter.empty() && !format::filter_may_hold(directory.filter, hash)) {
    ++counters.filter_negatives;
    return out;
  }
  out.frame = directory.frame_count() == 1 ? 0 : directory.frames.find_covering(key);
  CachedBlock* const block = segment.slots[out.frame].block.get();
  if (block == nullptr) {
    out.missing = true;
    return out;
  }
  ++counters.block_hits;
  block->used = true;
  out.block = block;
  out.item = block->block.find(key);
  out.found = out.item < block->block.count();
  return out;
}

void SegmentCache::State::keep(const OpenPtr& segment) {
  const auto [it, first] = open_.emplace(segment->identity.where().start, segment);
  if (!first) {
    // What was there before has been overwritten on the device, or is the same and stays.
    if (it->second->ref() == segment->ref()) return;
    evict(*OpenPtr(it->second));
    open_.emplace(segment->identity.where().start, segment);
  }
  add(*segment);
}

void SegmentCache::State::keep(OpenSegment& segment, std::size_t frame, const BlockPtr& block) {
  // A segment that left the cache meanwhile takes its blocks along.
  if (!segment.ListHook<RingTag>::linked()) return;
  if (segment.slots[frame].block != nullptr) return;
  block->segment = &segment;
  block->frame = frame;
  block->size_bytes = block->block.size_bytes() + sizeof(CachedBlock);
  segment.slots[frame].block = block;
  add(*block);
}

void SegmentCache::State::add(CacheNode& node) {
  size_bytes += node.size_bytes;
  ring_.push_back(node);
  shrink();
}

void SegmentCache::State::shrink() {
  while (size_bytes > size_bytes_max && !ring_.empty()) {
    CacheNode& node = ring_.front();
    if (node.used) {
      node.used = false;
      node.ListHook<RingTag>::unlink();
      ring_.push_back(node);
    } else if (node.is_segment) {
      evict(static_cast<OpenSegment&>(node));
    } else {
      auto& block = static_cast<CachedBlock&>(node);
      drop(block);
      block.segment->slots[block.frame].block.reset();
    }
  }
}

void SegmentCache::State::drop(CacheNode& node) {
  SCOUTFS_ASSERT(size_bytes >= node.size_bytes);
  size_bytes -= node.size_bytes;
  node.ListHook<RingTag>::unlink();
}

void SegmentCache::State::evict(OpenSegment& segment) {
  for (OpenSegment::Slot& slot : segment.slots) {
    if (slot.block == nullptr) continue;
    drop(*slot.block);
    slot.block.reset();
  }
  drop(segment);
  open_.erase(segment.identity.where().start);
}

const Placed* Candidates::next() {
  while (at_ < segments_.size()) {
    const Placed& here = segments_[at_];
    if (here.level == 0) {
      ++at_;
      if (here.info.may_hold(key_)) return &here;
      continue;
    }
    // A level is disjoint and sorted: one segment at most.
    const auto begin = segments_.begin() + static_cast<std::ptrdiff_t>(at_);
    const auto end = std::partition_point(
        begin, segments_.end(), [&here](const Placed& p) { return p.level == here.level; });
    const auto found = std::partition_point(
        begin, end, [this](const Placed& p) { return p.info.last() < key_; });
    at_ = static_cast<std::size_t>(end - segments_.begin());
    if (found != end && found->info.may_hold(key_)) return &*found;
  }
  return nullptr;
}

}  // namespace scoutfs::lsm
