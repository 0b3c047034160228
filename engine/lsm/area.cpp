#include "engine/lsm/area.hpp"

#include <algorithm>
#include <iterator>

#include "engine/base/assert.hpp"

namespace scoutfs::lsm {

Area::Area(Extent whole) : whole_(whole) {
  add_run(whole.start.value, whole.count);
}

void Area::add_run(std::uint64_t start, std::uint64_t count) {
  if (count == 0) return;
  runs_.emplace(start, count);
  free_blocks_ += count;
  if (count >= kUsableRun) usable_blocks_ += count;
}

void Area::remove_run(Runs::iterator run) {
  free_blocks_ -= run->second;
  if (run->second >= kUsableRun) usable_blocks_ -= run->second;
  runs_.erase(run);
}

// Requires: `extent` lies in the run.
void Area::cut(Runs::iterator run, Extent extent) {
  const auto [start, count] = *run;
  remove_run(run);
  add_run(start, extent.start.value - start);
  add_run(extent.end().value, start + count - extent.end().value);
}

bool Area::take(Extent extent) {
  auto run = runs_.upper_bound(extent.start.value);
  if (run == runs_.begin()) return false;
  --run;
  const std::uint64_t offset = extent.start.value - run->first;
  if (offset > run->second || extent.count > run->second - offset) return false;
  cut(run, extent);
  return true;
}

Result<Extent> Area::allocate(std::uint64_t blocks) {
  SCOUTFS_ASSERT(blocks > 0);
  for (auto run = runs_.begin(); run != runs_.end(); ++run) {
    if (run->second < blocks) continue;
    const Extent extent{BlockNo{run->first}, blocks};
    cut(run, extent);
    return extent;
  }
  return fail(Errc::no_space);
}

void Area::free(Extent extent) {
  SCOUTFS_ASSERT(extent.start >= whole_.start);
  SCOUTFS_ASSERT(extent.end() <= whole_.end());
  std::uint64_t start = extent.start.value;
  std::uint64_t count = extent.count;
  auto after = runs_.lower_bound(start);
  if (after != runs_.end()) SCOUTFS_ASSERT(after->first >= extent.end().value);
  if (after != runs_.end() && after->first == extent.end().value) {
    count += after->second;
    remove_run(after);
    after = runs_.lower_bound(start);
  }
  if (after != runs_.begin()) {
    const auto before = std::prev(after);
    SCOUTFS_ASSERT(before->first + before->second <= start);
    if (before->first + before->second == start) {
      start = before->first;
      count += before->second;
      remove_run(before);
    }
  }
  add_run(start, count);
}

std::uint64_t Area::largest_run() const {
  std::uint64_t largest = 0;
  for (const auto& [start, count] : runs_) largest = std::max(largest, count);
  return largest;
}

void Area::check_invariants() const {
  std::uint64_t sum = 0;
  std::uint64_t usable = 0;
  std::uint64_t end = 0;
  for (const auto& [start, count] : runs_) {
    SCOUTFS_ASSERT(count > 0);
    SCOUTFS_ASSERT(sum == 0 || start > end);
    end = start + count;
    sum += count;
    if (count >= kUsableRun) usable += count;
  }
  SCOUTFS_ASSERT(sum == free_blocks_);
  SCOUTFS_ASSERT(usable == usable_blocks_);
  SCOUTFS_ASSERT(end <= whole_.end().value);
}

}  // namespace scoutfs::lsm
