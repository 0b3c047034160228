#include "engine/check/space.hpp"

#include <algorithm>
#include <tuple>

namespace scoutfs::check {

std::string SpaceMap::describe(const Entry& entry) {
  switch (entry.owner()) {
    case Owner::free:
      return fmt::format("free space at {}", entry.start);
    case Owner::granted:
      return fmt::format("a grant of rid {:x}", entry.id);
    case Owner::job:
      return fmt::format("an output of job {}", entry.id);
    case Owner::replaced:
      return fmt::format("a segment replaced at version {}", entry.id);
    case Owner::segment:
      return fmt::format("the segment at {}", entry.id);
    case Owner::file:
      return fmt::format("inode {}", entry.id);
  }
  return "nobody";
}

bool SpaceMap::add(Extent extent, Owner owner, std::uint64_t id) {
  const std::uint64_t end = space_.end().value;
  const bool inside = extent.start >= space_.start && extent.start.value <= end &&
                      extent.count <= end - extent.start.value && extent.count > 0 &&
                      extent.count >> kOwnerShift == 0;
  if (!inside) {
    problems_.add(
        "space-outside", "blocks {} + {} of {} are not within the space at {} + {}",
        extent.start.value, extent.count,
        describe({extent.start.value, static_cast<std::uint64_t>(owner) << kOwnerShift, id}),
        space_.start.value, space_.count);
    return false;
  }
  blocks_[static_cast<std::size_t>(owner)] += extent.count;
  entries_.push_back({extent.start.value,
                      static_cast<std::uint64_t>(owner) << kOwnerShift | extent.count, id});
  return true;
}

void SpaceMap::report_gap(std::uint64_t start, std::uint64_t end) {
  problems_.add("space-leak", "blocks {} to {} ({}) belong to nobody", start, end - 1,
                end - start);
}

void SpaceMap::finish() {
  std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
    return std::tie(a.start, a.owner_count, a.id) < std::tie(b.start, b.owner_count, b.id);
  });
  std::uint64_t covered = space_.start.value;  // everything below has an owner or was reported
  const Entry* reaches = nullptr;              // the entry that covers up to there
  for (const Entry& entry : entries_) {
    if (entry.start > covered) report_gap(covered, entry.start);
    if (entry.start < covered && reaches != nullptr) {
      const std::uint64_t end = std::min(covered, entry.start + entry.count());
      problems_.add("space-overlap", "blocks {} to {} belong to {} and to {}", entry.start,
                    end - 1, describe(*reaches), describe(entry));
    }
    if (entry.start + entry.count() <= covered) continue;
    covered = entry.start + entry.count();
    reaches = &entry;
  }
  const std::uint64_t end = space_.end().value;
  if (covered < end) report_gap(covered, end);
}

}  // namespace scoutfs::check
