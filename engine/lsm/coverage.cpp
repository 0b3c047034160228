// CoverageBuilder.
#include "engine/lsm/coverage.hpp"

#include <algorithm>
#include <bit>

namespace scoutfs::lsm {
namespace {

// Eight bytes from `at` on as a number, padded with zero.
std::uint64_t bits_at(std::string_view key, std::size_t at) {
  std::uint64_t bits = 0;
  const std::size_t size = std::min<std::size_t>(8, key.size() - at);
  std::memcpy(&bits, key.data() + at, size);
  return to_big(bits);
}

}  // namespace

CoverageBuilder::CoverageBuilder(std::size_t ranges_max) : gaps_max_(ranges_max - 1) {
  SCOUTFS_ASSERT(ranges_max >= 1);
  SCOUTFS_ASSERT(ranges_max <= kCoverageMax);
}

CoverageBuilder::Width CoverageBuilder::width_of(std::string_view last, std::string_view key,
                                                 std::size_t shared) {
  const std::uint64_t difference = bits_at(key, shared) - bits_at(last, shared);
  const int zeros = std::countl_zero(difference);
  return {
      .position = static_cast<std::uint32_t>(shared * 8) + static_cast<std::uint32_t>(zeros),
      .bits = zeros == 64 ? 0 : difference << zeros};
}

void CoverageBuilder::add(std::string_view last, std::string_view key, std::size_t shared) {
  if (gaps_max_ == 0) return;
  const Width width = width_of(last, key, shared);
  if (gaps_.size() < gaps_max_) {
    gaps_.push_back({width, std::string(last), std::string(key)});
  } else {
    Gap& narrowest = gaps_[narrowest_];
    if (!width.wider_than(narrowest.width)) return;
    narrowest.width = width;
    narrowest.before = last;
    narrowest.after = key;
  }
  find_narrowest();
}

void CoverageBuilder::find_narrowest() {
  // Of equal gaps the later one goes, so the outcome depends on the keys alone.
  narrowest_ = 0;
  for (std::size_t i = 1; i < gaps_.size(); ++i) {
    const Gap& gap = gaps_[i];
    const Gap& least = gaps_[narrowest_];
    if (least.width.wider_than(gap.width)) {
      narrowest_ = i;
    } else if (!gap.width.wider_than(least.width) && gap.after > least.after) {
      narrowest_ = i;
    }
  }
}

std::vector<KeyRange> CoverageBuilder::finish(std::string_view last) const {
  std::vector<const Gap*> gaps;
  gaps.reserve(gaps_.size());
  for (const Gap& gap : gaps_) gaps.push_back(&gap);
  std::ranges::sort(gaps, [](const Gap* a, const Gap* b) { return a->after < b->after; });
  std::vector<KeyRange> ranges;
  ranges.reserve(gaps.size() + 1);
  std::string first = first_;
  for (const Gap* gap : gaps) {
    ranges.push_back({std::move(first), gap->before});
    first = gap->after;
  }
  ranges.push_back({std::move(first), std::string(last)});
  return ranges;
}

std::size_t CoverageBuilder::size_bytes() const {
  std::size_t size = first_.size();
  for (const Gap& gap : gaps_) size += gap.before.size() + gap.after.size();
  return size;
}

}  // namespace scoutfs::lsm
