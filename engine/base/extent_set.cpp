#include "engine/base/extent_set.hpp"

#include <algorithm>

#include "engine/base/assert.hpp"

namespace scoutfs {

void ExtentSet::put(std::uint64_t start, std::uint64_t count) {
  runs_.emplace(start, count);
  by_size_.emplace(count, ~start);
  blocks_ += count;
  if (on_change_) on_change_(BlockNo{start}, count);
}

void ExtentSet::drop(std::uint64_t start, std::uint64_t count) {
  runs_.erase(start);
  by_size_.erase({count, ~start});
  blocks_ -= count;
  if (on_change_) on_change_(BlockNo{start}, 0);
}

bool ExtentSet::overlaps(Extent extent) const {
  if (extent.count == 0) return false;
  auto next = runs_.lower_bound(extent.start.value);
  if (next != runs_.end() && next->first < extent.end().value) return true;
  if (next == runs_.begin()) return false;
  const auto previous = std::prev(next);
  return previous->first + previous->second > extent.start.value;
}

bool ExtentSet::contains(Extent extent) const {
  auto next = runs_.upper_bound(extent.start.value);
  if (next == runs_.begin()) return false;
  const auto run = std::prev(next);
  return run->first + run->second >= extent.end().value && extent.count > 0;
}

bool ExtentSet::add(Extent extent) {
  if (extent.count == 0 || extent.end().value < extent.start.value) return false;
  if (overlaps(extent)) return false;
  std::uint64_t start = extent.start.value;
  std::uint64_t count = extent.count;
  auto next = runs_.lower_bound(start);
  if (next != runs_.end() && next->first == start + count) {
    const auto [next_start, next_count] = *next;
    count += next_count;
    drop(next_start, next_count);
    next = runs_.lower_bound(start);
  }
  if (next != runs_.begin()) {
    const auto [previous_start, previous_count] = *std::prev(next);
    if (previous_start + previous_count == start) {
      start = previous_start;
      count += previous_count;
      drop(previous_start, previous_count);
    }
  }
  put(start, count);
  return true;
}

bool ExtentSet::remove(Extent extent) {
  if (!contains(extent)) return false;
  const auto [start, count] = *std::prev(runs_.upper_bound(extent.start.value));
  drop(start, count);
  if (start < extent.start.value) put(start, extent.start.value - start);
  const std::uint64_t end = start + count;
  if (extent.end().value < end) put(extent.end().value, end - extent.end().value);
  return true;
}

Extent ExtentSet::longest() const {
  if (by_size_.empty()) return {};
  const auto [count, complement] = *by_size_.rbegin();
  return {BlockNo{~complement}, count};
}

std::optional<Extent> ExtentSet::take(std::uint64_t count, BlockNo hint,
                                      std::uint64_t count_min) {
  SCOUTFS_ASSERT(count >= count_min);
  SCOUTFS_ASSERT(count_min > 0);
  Extent from = longest();
  const auto behind = runs_.upper_bound(hint.value);
  const bool hinted = behind != runs_.begin() &&
                      std::prev(behind)->first + std::prev(behind)->second > hint.value;
  if (hinted &&
      std::prev(behind)->first + std::prev(behind)->second - hint.value >= count_min) {
    from = {hint, std::prev(behind)->first + std::prev(behind)->second - hint.value};
  } else if (const auto fits = by_size_.lower_bound({count, 0}); fits != by_size_.end()) {
    from = {BlockNo{~fits->second}, fits->first};
  }
  if (from.count < count_min) return std::nullopt;
  from.count = std::min(from.count, count);
  const bool removed = remove(from);
  SCOUTFS_ASSERT(removed);
  return from;
}

std::vector<Extent> ExtentSet::extents() const {
  std::vector<Extent> all;
  all.reserve(runs_.size());
  for (const auto& [start, count] : runs_) all.push_back({BlockNo{start}, count});
  return all;
}

void ExtentSet::check_invariants() const {
  std::uint64_t blocks = 0;
  std::uint64_t end = 0;
  for (const auto& [start, count] : runs_) {
    SCOUTFS_ASSERT(count > 0);
    SCOUTFS_ASSERT(blocks == 0 || start > end);
    end = start + count;
    blocks += count;
  }
  SCOUTFS_ASSERT(blocks == blocks_);
  SCOUTFS_ASSERT(runs_.size() == by_size_.size());
}

}  // namespace scoutfs
