// Merge sources.
#include "engine/lsm/merge_source.hpp"

#include <algorithm>

namespace scoutfs::lsm {
namespace {

// A lookup's neighbourhood begins with about one frame.
constexpr std::size_t kRunBytesFirst = 16u << 10;
// Frames in the cache that read-ahead passes over in search of one that is not.
constexpr std::size_t kLookAheadMax = 64;

}  // namespace

MemtableSource::MemtableSource(const Memtable& memtable, const KeyRange& range) {
  const Memtable::Map& map = memtable.map();
  const auto end = map.upper_bound(range.last);
  for (auto it = map.lower_bound(range.first); it != end; ++it) {
    items_.push_back({it->first, it->second});
  }
}

MergeSource::Step MemtableSource::advance() {
  if (next_ == items_.size()) return Step::ended;
  const Change& item = items_[next_++];
  key_ = item.key;
  value_ = item.entry;
  return Step::ready;
}

Task<Result<void>> MemtableSource::prepare() {
  co_return Result<void>{};
}
Task<Result<MergeSource::Step>> MemtableSource::fill() {
  co_return advance();
}

SegmentSource::SegmentSource(SegmentCache::State& cache, std::vector<SegmentRef> refs,
                             KeyRange range, Fill fill)
    : cache_(cache),
      refs_(std::move(refs)),
      range_(std::move(range)),
      fill_(fill),
      run_bytes_(fill == Fill::bypass ? kRunBytesMax : kRunBytesFirst) {}

MergeSource::Step SegmentSource::fail_with(Error error) {
  error_ = error;
  return Step::waits;
}

void SegmentSource::set_entry() {
  const format::ItemBlock& block = block_->block;
  key_bytes_.resize(block.prefix().size());
  key_bytes_.append(block.suffix(item_));
  key_ = key_bytes_;
  value_ = block.value(item_);
}

MergeSource::Step SegmentSource::advance() {
  if (block_ != nullptr) {
    if (++item_ < items_end_) [[likely]] {
      set_entry();
      return Step::ready;
    }
    block_.reset();
  }
  return next_block();
}

// Goes on as far as the cache and finished reads allow.
MergeSource::Step SegmentSource::next_block() {
  while (!error_.has_value()) {
    if (segment_ == nullptr) {
      if (next_ref_ == refs_.size()) return Step::ended;
      if (!enter_segment()) return Step::waits;
    }
    if (frame_ == frames_end_) {
      segment_.reset();
      reads_.clear();
      continue;
    }
    BlockPtr block;
    FrameRead* const read = wanted_read();
    if (read != nullptr) {
      if (!read->result.has_value()) return Step::waits;
      if (!read->result->has_value()) return fail_with(read->result->error());
      Result<BlockPtr> taken = cache_.take(*read, frame_);
      if (!taken.has_value()) return fail_with(taken.error());
      block = *std::move(taken);
    } else {
      block = segment_->slots[frame_].block;
      if (block == nullptr) return Step::waits;
      block->used = true;
      ++cache_.counters.block_hits;
    }
    ++frame_;
    if (!reads_.empty()) read_ahead();
    if (enter_block(std::move(block))) return Step::ready;
  }
  return Step::waits;
}

FrameRead* SegmentSource::wanted_read() {
  while (!reads_.empty() && reads_.front()->first + reads_.front()->blocks.size() <= frame_) {
    reads_.pop_front();
  }
  if (reads_.empty() || !reads_.front()->covers(frame_)) return nullptr;
  return reads_.front().get();
}

// False if it is not open yet, or cannot be opened.
bool SegmentSource::enter_segment() {
  if (opening_ == nullptr) opening_ = cache_.open_ahead(refs_[next_ref_], fill_);
  if (!opening_->result.has_value()) return false;
  const Result<OpenPtr> opened = *opening_->result;
  opening_.reset();
  if (!opened.has_value()) {
    fail_with(opened.error());
    return false;
  }
  segment_ = *opened;
  ++next_ref_;
  const format::ItemBlock& frames = segment_->directory.frames;
  first_frame_ = frame_ = issued_ = frames.find_covering(range_.first);
  frames_end_ = std::max(frame_, frames.find_covering(range_.last)) + 1;
  return true;
}

// False if none of its items is in the range.
bool SegmentSource::enter_block(BlockPtr block) {
  const format::ItemBlock& items = block->block;
  item_ = frame_ == first_frame_ + 1 ? items.lower_bound(range_.first) : 0;
  items_end_ = items.count();
  if (frame_ == frames_end_) {
    items_end_ = items.lower_bound(range_.last);
    if (items.find(range_.last) < items.count()) ++items_end_;
  }
  if (item_ >= items_end_) return false;
  // Within a segment this was verified; between segments the list promised it.
  const bool first = key_bytes_.empty();
  if (!first && (items.lower_bound(key_bytes_) > item_ || items.find(key_bytes_) == item_)) {
    fail_with(fail(Errc::corrupt).error());
    return false;
  }
  block_ = std::move(block);
  key_bytes_ = block_->block.prefix();
  set_entry();
  return true;
}

void SegmentSource::read_ahead() {
  issued_ = std::max(issued_, frame_);
  const std::vector<std::uint32_t>& offsets = segment_->directory.offsets;
  while (reads_.size() < reads_max_ && issued_ < frames_end_) {
    if (issued_ > frame_ + kLookAheadMax && fill_ == Fill::cache) return;
    const OpenSegment::Slot& slot = segment_->slots[issued_];
    if (fill_ == Fill::cache && slot.block != nullptr) {
      ++issued_;
      continue;
    }
    if (fill_ == Fill::cache) {
      if (FrameReadPtr read = slot.read.lock()) {
        issued_ = read->first + read->blocks.size();
        reads_.push_back(std::move(read));
        continue;
      }
    }
    const std::size_t first = issued_;
    for (++issued_; issued_ < frames_end_; ++issued_) {
      if (offsets[issued_ + 1] - offsets[first] > run_bytes_) break;
      const OpenSegment::Slot& next = segment_->slots[issued_];
      if (fill_ == Fill::cache && (next.block != nullptr || !next.read.expired())) break;
    }
    reads_.push_back(cache_.read_ahead(segment_, first, issued_ - first, fill_));
    run_bytes_ = std::min(run_bytes_ * 2, kRunBytesMax);
    reads_max_ = 2;
  }
  const bool all_issued = issued_ >= frames_end_ && next_ref_ < refs_.size();
  if (all_issued && opening_ == nullptr) opening_ = cache_.open_ahead(refs_[next_ref_], fill_);
}

void SegmentSource::begin() {
  if (segment_ == nullptr && opening_ == nullptr && next_ref_ < refs_.size()) {
    opening_ = cache_.open_ahead(refs_[next_ref_], fill_);
  }
}

Task<Result<void>> SegmentSource::prepare() {
  while (segment_ == nullptr && !error_.has_value() && next_ref_ < refs_.size()) {
    if (enter_segment() || error_.has_value()) break;
    const OpeningPtr opening = opening_;
    while (!opening->result.has_value()) co_await opening->done.wait();
  }
  if (error_.has_value()) co_return std::unexpected(*error_);
  if (segment_ == nullptr || frame_ == frames_end_) co_return Result<void>{};
  if (wanted_read() == nullptr && segment_->slots[frame_].block == nullptr) {
    // Reads of later frames only, if any: what lay before them was evicted meanwhile.
    reads_.clear();
    issued_ = frame_;
    read_ahead();
  }
  co_return Result<void>{};
}

Task<Result<MergeSource::Step>> SegmentSource::fill() {
  while (true) {
    SCOUTFS_CO_CHECK(co_await prepare());
    FrameRead* const wanted = segment_ == nullptr ? nullptr : wanted_read();
    if (wanted != nullptr) {
      const FrameReadPtr read = reads_.front();
      while (!read->result.has_value()) co_await read->done.wait();
    }
    const Step step = next_block();
    if (error_.has_value()) co_return std::unexpected(*error_);
    if (step != Step::waits) co_return step;
  }
}

}  // namespace scoutfs::lsm
