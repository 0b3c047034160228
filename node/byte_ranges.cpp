#include "node/byte_ranges.hpp"

#include <algorithm>

#include "engine/base/assert.hpp"

namespace scoutfs::node {

void ByteRanges::add(ByteRange range) {
  SCOUTFS_ASSERT(range.first < range.end);
  const auto touched = std::ranges::equal_range(
      ranges_, range, [](const ByteRange& a, const ByteRange& b) { return a.end < b.first; });
  if (touched.empty()) {
    ranges_.insert(touched.begin(), range);
  } else {
    range.first = std::min(range.first, touched.front().first);
    range.end = std::max(range.end, touched.back().end);
    *touched.begin() = range;
    ranges_.erase(touched.begin() + 1, touched.end());
  }
  if (ranges_.size() <= kRangesMax) return;
  std::size_t closest = 1;
  const auto gap = [this](std::size_t i) { return ranges_[i].first - ranges_[i - 1].end; };
  for (std::size_t i = 2; i < ranges_.size(); ++i) {
    if (gap(i) < gap(closest)) closest = i;
  }
  ranges_[closest - 1].end = ranges_[closest].end;
  ranges_.erase(ranges_.begin() + static_cast<std::ptrdiff_t>(closest));
}

void ByteRanges::remove(ByteRange range) {
  std::vector<ByteRange> left;
  for (const ByteRange& kept : ranges_) {
    if (kept.first < range.first) left.push_back({kept.first, std::min(kept.end, range.first)});
    if (kept.end > range.end) left.push_back({std::max(kept.first, range.end), kept.end});
  }
  ranges_ = std::move(left);
}

}  // namespace scoutfs::node
