#include "engine/check/segment_scan.hpp"

#include <algorithm>

#include "engine/check/print.hpp"
#include "engine/format/key_filter.hpp"

namespace scoutfs::check {

namespace {
// A larger one is not what any writer makes; bounds what a wrong entry can make us allocate.
constexpr std::uint64_t kSegmentBlocksMax = 1u << 16;
}  // namespace

SegmentScan::SegmentScan(const lsm::Placed& placed, Fsid fsid, Problems& problems,
                         Report& report)
    : placed_(placed),
      identity_(fsid, placed.info.ref.where, placed.info.ref.id),
      problems_(problems),
      report_(report) {}

// Reports, and ends the scan.
bool SegmentScan::damaged(std::string_view what) {
  problems_.add("segment-corrupt", "the segment at {} (level {}, record {}): {}", start(),
                placed_.level, placed_.record.value, what);
  done_ = true;
  block_.reset();
  return false;
}

Task<void> SegmentScan::open(BlockDevice& device) {
  const Extent where = placed_.info.ref.where;
  ++report_.segments;
  report_.segment_blocks += where.count;
  if (where.count > kSegmentBlocksMax) {
    damaged("it is larger than any segment");
    co_return;
  }
  bytes_.resize(where.count * kBlockSize);
  const Result<void> read =
      co_await device.read(where.start, std::as_writable_bytes(std::span(bytes_)));
  if (!read.has_value()) {
    problems_.add("segment-unreadable", "the segment at {}: {}", start(),
                  to_string(read.error().code));
    done_ = true;
    co_return;
  }
  const Result<format::SegmentFooter> footer = format::decode_segment_footer(bytes_, identity_);
  if (!footer.has_value()) {
    damaged("its footer does not verify");
    co_return;
  }
  Result<format::SegmentDirectory> directory = format::decode_segment_tail(
      std::string_view(bytes_).substr(footer->filter_offset), *footer, identity_);
  if (!directory.has_value()) {
    damaged("its filter or index does not verify");
    co_return;
  }
  directory_.emplace(*std::move(directory));
}

bool SegmentScan::open_frame() {
  const std::uint32_t begin = directory_->offsets[frame_];
  const std::uint32_t end = directory_->offsets[frame_ + 1];
  Result<format::ItemBlock> block =
      format::decode_data_frame(std::string_view(bytes_).substr(begin, end - begin),
                                *directory_, frame_, identity_, scratch_);
  if (!block.has_value()) {
    return damaged(fmt::format("its data at byte {} does not verify", begin));
  }
  block_.emplace(*std::move(block));
  at_ = 0;
  ++frame_;
  return true;
}

bool SegmentScan::next() {
  if (done_) return false;
  if (block_.has_value()) ++at_;
  if (!block_.has_value() || at_ == block_->count()) {
    if (frame_ == directory_->frame_count()) {
      done_ = true;
      compare_with_entry();
      return false;
    }
    if (!open_frame()) return false;
  }
  key_.assign(block_->prefix());
  key_.append(block_->suffix(at_));
  return verify_item();
}

bool SegmentScan::verify_item() {
  if (item_count_ > 0 && key_ <= last_key_) return damaged("its items are not in order");
  last_key_ = key_;
  ++item_count_;
  if (block_->is_tombstone(at_)) ++report_.tombstones;
  if (!directory_->filter.empty() && !filter_reported_ &&
      !format::filter_may_hold(directory_->filter, format::filter_hash(key_))) {
    filter_reported_ = true;
    problems_.add("segment-filter", "the segment at {}: its filter denies {}", start(),
                  quoted(key_));
  }
  // Each range begins with an item, ends with one, and no item is outside.
  const std::vector<KeyRange>& coverage = placed_.info.coverage;
  bool covered = range_ < coverage.size();
  if (covered && !range_begun_) covered = key_ == coverage[range_].first;
  range_begun_ = true;
  if (covered && key_ == coverage[range_].last) {
    ++range_;
    range_begun_ = false;
  } else if (covered) {
    covered = key_ < coverage[range_].last;
  }
  if (!covered && !coverage_reported_) {
    coverage_reported_ = true;
    problems_.add("segment-coverage", "the segment at {}: its coverage does not fit item {}",
                  start(), print_item(key_, block_->value_bytes(at_)));
  }
  return true;
}

void SegmentScan::compare_with_entry() {
  if (item_count_ != placed_.info.item_count || item_count_ != directory_->footer.item_count) {
    problems_.add("segment-count",
                  "the segment at {} holds {} items, its footer says {}, the manifest {}",
                  start(), item_count_, directory_->footer.item_count, placed_.info.item_count);
  }
  if (range_ != placed_.info.coverage.size() && !coverage_reported_) {
    problems_.add("segment-coverage", "the segment at {} ends before its coverage does",
                  start());
  }
  // What the segment says of itself may be finer than the manifest's entry, and no wider.
  const std::vector<KeyRange>& own = directory_->coverage;
  const bool same =
      own == placed_.info.coverage ||
      (placed_.info.coverage.size() == 1 && own.front().first == placed_.info.first() &&
       own.back().last == placed_.info.last());
  if (!same) {
    problems_.add("segment-coverage",
                  "the segment at {} and its manifest entry disagree on its coverage", start());
  }
  bytes_.clear();
  bytes_.shrink_to_fit();
}

// Segments that do not overlap, ascending: one of level 0, or as much of a level as is
// disjoint.
struct MergedScan::Source {
  std::vector<const lsm::Placed*> chain;
  std::size_t next = 0;  // of the chain
  std::unique_ptr<SegmentScan> scan;
};

MergedScan::MergedScan(const std::vector<lsm::Placed>& segments, Fsid fsid, Problems& problems,
                       Report& report)
    : fsid_(fsid), problems_(problems), report_(report) {
  const lsm::Placed* before = nullptr;
  for (const lsm::Placed& placed : segments) {
    // Overlapping segments of one level are damage, reported elsewhere; each is a source then.
    const bool continues = before != nullptr && placed.level > 0 &&
                           before->level == placed.level &&
                           before->info.last() < placed.info.first();
    if (!continues) sources_.emplace_back();
    sources_.back().chain.push_back(&placed);
    before = &placed;
  }
  for (std::size_t i = 0; i < sources_.size(); ++i) to_open_.push_back(i);
}

MergedScan::~MergedScan() = default;

bool MergedScan::after(std::size_t a, std::size_t b) const {
  const int order = sources_[a].scan->key().compare(sources_[b].scan->key());
  return order != 0 ? order > 0 : a > b;
}

void MergedScan::push(std::size_t source) {
  heap_.push_back(source);
  std::ranges::push_heap(heap_, [this](std::size_t a, std::size_t b) { return after(a, b); });
}

std::size_t MergedScan::pop() {
  std::ranges::pop_heap(heap_, [this](std::size_t a, std::size_t b) { return after(a, b); });
  const std::size_t source = heap_.back();
  heap_.pop_back();
  return source;
}

MergedScan::Step MergedScan::next() {
  while (!consumed_.empty()) {
    const std::size_t source = consumed_.back();
    consumed_.pop_back();
    if (sources_[source].scan->next()) {
      push(source);
    } else if (sources_[source].next < sources_[source].chain.size()) {
      to_open_.push_back(source);
    } else {
      sources_[source].scan.reset();
    }
  }
  if (!to_open_.empty()) return Step::read;
  if (heap_.empty()) return Step::end;
  winner_ = pop();
  consumed_.push_back(winner_);
  while (!heap_.empty() && sources_[heap_.front()].scan->key() == key()) {
    consumed_.push_back(pop());
  }
  return Step::item;
}

Task<void> MergedScan::read(BlockDevice& device) {
  while (!to_open_.empty()) {
    const std::size_t index = to_open_.back();
    to_open_.pop_back();
    Source& source = sources_[index];
    const lsm::Placed& placed = *source.chain[source.next++];
    source.scan = std::make_unique<SegmentScan>(placed, fsid_, problems_, report_);
    co_await source.scan->open(device);
    consumed_.push_back(index);  // its first item is still to be reached
  }
}

std::string_view MergedScan::key() const {
  return sources_[winner_].scan->key();
}

std::optional<std::string_view> MergedScan::value() const {
  return sources_[winner_].scan->value();
}

}  // namespace scoutfs::check
