// The manifest's indexes: level 0 in record order, each deeper level by key, and all by place.
#include "engine/lsm/manifest.hpp"

#include <iterator>

#include "engine/base/assert.hpp"
#include "engine/lsm/manifest_state.hpp"

namespace scoutfs::lsm {

Placed moved(Placed placed, std::uint8_t to_level) {
  SCOUTFS_ASSERT(to_level <= kLevelMax);
  if (to_level > 0) placed.info.coverage = {{placed.info.first(), placed.info.last()}};
  placed.level = to_level;
  return placed;
}

Manifest::State::Level::const_iterator Manifest::State::first_from(std::uint8_t level,
                                                                   std::string_view key) const {
  auto it = levels[level].upper_bound(key);
  if (it == levels[level].begin()) return it;
  const auto before = std::prev(it);
  return before->second->info.last() >= key ? before : it;
}

Manifest::Manifest() : state_(std::make_unique<State>()) {}
Manifest::~Manifest() = default;
Manifest::Manifest(Manifest&&) noexcept = default;

void Manifest::add(Placed placed) {
  SCOUTFS_ASSERT(placed.level <= kLevelMax);
  SCOUTFS_ASSERT(!placed.info.coverage.empty());
  SCOUTFS_ASSERT(placed.info.ref.where.count > 0);
  const std::uint64_t start = placed.info.ref.where.start.value;
  const auto [it, inserted] =
      state_->by_start.emplace(start, std::make_unique<Placed>(std::move(placed)));
  SCOUTFS_ASSERT(inserted);
  const Placed& added = *it->second;
  if (added.level == 0) {
    state_->level0.emplace(State::record_key(added), &added);
  } else {
    State::Level& level = state_->levels[added.level];
    const auto next = state_->first_from(added.level, added.info.first());
    const bool disjoint = next == level.end() || next->second->info.first() > added.info.last();
    SCOUTFS_ASSERT(disjoint);
    level.emplace(added.info.first(), &added);
  }
  state_->blocks[added.level] += added.info.ref.where.count;
}

Placed Manifest::remove(SegmentRef ref) {
  const auto it = state_->by_start.find(ref.where.start.value);
  SCOUTFS_ASSERT(it != state_->by_start.end());
  SCOUTFS_ASSERT(it->second->info.ref == ref);
  const Placed& found = *it->second;
  // The index entries go first: their keys live in the description.
  const std::size_t erased = found.level == 0
                                 ? state_->level0.erase(State::record_key(found))
                                 : state_->levels[found.level].erase(found.info.first());
  SCOUTFS_ASSERT(erased == 1);
  state_->blocks[found.level] -= ref.where.count;
  Placed placed = std::move(*it->second);
  state_->by_start.erase(it);
  return placed;
}

bool Manifest::contains(SegmentRef ref) const {
  const auto it = state_->by_start.find(ref.where.start.value);
  return it != state_->by_start.end() && it->second->info.ref == ref;
}

std::vector<Placed> Manifest::overlapping(const KeyRange& range) const {
  std::vector<Placed> found = overlapping(range, 0);
  for (std::uint8_t level = 1; level <= kLevelMax; ++level) {
    for (Placed& placed : overlapping(range, level)) found.push_back(std::move(placed));
  }
  return found;
}

std::vector<Placed> Manifest::overlapping(const KeyRange& range, std::uint8_t level) const {
  SCOUTFS_ASSERT(level <= kLevelMax);
  std::vector<Placed> found;
  if (level == 0) {
    for (const auto& [key, placed] : state_->level0) {
      if (placed->info.overlaps(range)) found.push_back(*placed);
    }
    return found;
  }
  const State::Level& segments = state_->levels[level];
  for (auto it = state_->first_from(level, range.first); it != segments.end(); ++it) {
    if (it->second->info.first() > range.last) break;
    found.push_back(*it->second);
  }
  return found;
}

void Manifest::for_each(const std::function<void(const Placed&)>& visit) const {
  for (const auto& [key, placed] : state_->level0) visit(*placed);
  for (const State::Level& level : state_->levels) {
    for (const auto& [first, placed] : level) visit(*placed);
  }
}

std::size_t Manifest::count(std::uint8_t level) const {
  SCOUTFS_ASSERT(level <= kLevelMax);
  return level == 0 ? state_->level0.size() : state_->levels[level].size();
}

std::uint64_t Manifest::blocks(std::uint8_t level) const {
  SCOUTFS_ASSERT(level <= kLevelMax);
  return state_->blocks[level];
}

std::uint64_t Manifest::blocks() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t blocks : state_->blocks) sum += blocks;
  return sum;
}

std::uint8_t Manifest::deepest() const {
  for (std::uint8_t level = kLevelMax; level > 0; --level) {
    if (!state_->levels[level].empty()) return level;
  }
  return 0;
}

void Manifest::check_invariants() const {
  std::size_t indexed = state_->level0.size();
  std::array<std::uint64_t, kLevelMax + 1> blocks{};
  for (const auto& [key, placed] : state_->level0) {
    SCOUTFS_ASSERT(placed->level == 0);
    SCOUTFS_ASSERT(key == State::record_key(*placed));
  }
  SCOUTFS_ASSERT(state_->levels[0].empty());
  for (std::uint8_t level = 1; level <= kLevelMax; ++level) {
    const Placed* before = nullptr;
    indexed += state_->levels[level].size();
    for (const auto& [first, placed] : state_->levels[level]) {
      SCOUTFS_ASSERT(placed->level == level);
      SCOUTFS_ASSERT(first == placed->info.first());
      if (before != nullptr) SCOUTFS_ASSERT(before->info.last() < placed->info.first());
      before = placed;
    }
  }
  SCOUTFS_ASSERT(indexed == state_->by_start.size());
  std::uint64_t end = 0;
  for (const auto& [start, placed] : state_->by_start) {
    SCOUTFS_ASSERT(placed->info.ref.where.start.value == start);
    SCOUTFS_ASSERT(start >= end);
    end = start + placed->info.ref.where.count;
    blocks[placed->level] += placed->info.ref.where.count;
  }
  SCOUTFS_ASSERT(blocks == state_->blocks);
}

}  // namespace scoutfs::lsm
