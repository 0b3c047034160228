#include "engine/lsm/compaction_ranges.hpp"

#include <algorithm>

#include "engine/base/assert.hpp"

namespace scoutfs::lsm {

namespace {

// Beyond these the rest of a range just counts as not at the bottom: its tombstones stay a
// while.
constexpr std::size_t kBlockersMax = 256;  // of one range
constexpr std::size_t kBottomMax = 256;    // ranges of a job

// What of levels below the output, and of older segments of level 0, overlaps the range.
// nullopt: too much.
std::optional<std::vector<KeyRange>> blockers_of(const Manifest& manifest,
                                                 const KeyRange& range, const Job& job) {
  const Manifest::State& state = manifest.state();
  std::vector<KeyRange> blockers;
  const auto is_input = [&job](const Placed& placed) {
    return std::ranges::any_of(job.inputs, [&placed](const Placed& input) {
      return input.info.ref == placed.info.ref;
    });
  };
  if (job.output_level == 0) {
    for (const auto& [key, placed] : state.level0) {
      if (placed->record >= job.output_record || is_input(*placed)) continue;
      for (const KeyRange& covered : placed->info.coverage) {
        if (covered.overlaps(range)) blockers.push_back(covered);
      }
    }
  }
  for (int level = job.output_level + 1; level <= kLevelMax; ++level) {
    const auto index = static_cast<std::uint8_t>(level);
    auto it = state.first_from(index, range.first);
    for (; it != state.levels[index].end() && it->first <= range.last; ++it) {
      // Only inputs of a move up have data below the output level, and there are no such moves.
      SCOUTFS_ASSERT(!is_input(*it->second));
      blockers.push_back({it->second->info.first(), it->second->info.last()});
      if (blockers.size() > kBlockersMax) return std::nullopt;
    }
  }
  return united(std::move(blockers));
}

}  // namespace

std::string key_after(const std::string& key) {
  return key + '\0';
}

std::optional<std::string> key_before(const std::string& key) {
  if (key.empty()) return std::nullopt;
  std::string before = key;
  if (before.back() == '\0') {
    before.pop_back();
    return before;
  }
  before.back() = static_cast<char>(before.back() - 1);
  return before + std::string(8, '\xff');
}

std::vector<KeyRange> ranges_of(const Placed& placed) {
  if (placed.level == 0) return placed.info.coverage;
  return {{placed.info.first(), placed.info.last()}};
}

KeyRange hull_of(const std::vector<KeyRange>& ranges) {
  SCOUTFS_ASSERT(!ranges.empty());
  KeyRange hull = ranges.front();
  for (const KeyRange& range : ranges) {
    hull.first = std::min(hull.first, range.first);
    hull.last = std::max(hull.last, range.last);
  }
  return hull;
}

std::vector<KeyRange> united(std::vector<KeyRange> ranges) {
  std::ranges::sort(ranges, {}, &KeyRange::first);
  std::vector<KeyRange> out;
  for (KeyRange& range : ranges) {
    if (!out.empty() && range.first <= out.back().last) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(std::move(range));
    }
  }
  return out;
}

std::vector<KeyRange> pieces(const std::vector<KeyRange>& ranges,
                             const std::vector<std::string>& splits) {
  std::vector<KeyRange> out;
  auto split = splits.begin();
  for (const KeyRange& range : ranges) {
    bool crossed = out.empty();
    for (; split != splits.end() && *split <= range.first; ++split) crossed = true;
    if (crossed) {
      out.push_back(range);
    } else {
      out.back().last = range.last;
    }
  }
  return out;
}

std::vector<KeyRange> bottom_of(const Manifest& manifest, const std::vector<KeyRange>& ranges,
                                const Job& job) {
  std::vector<KeyRange> bottom;
  const auto add = [&bottom](const std::string& first, const std::string& last) {
    if (first <= last && bottom.size() < kBottomMax) bottom.push_back({first, last});
  };
  for (const KeyRange& range : ranges) {
    const auto blockers = blockers_of(manifest, range, job);
    if (!blockers.has_value()) continue;
    std::string at = range.first;
    for (const KeyRange& blocker : *blockers) {
      const std::optional<std::string> before = key_before(blocker.first);
      if (before.has_value()) add(at, *before);
      at = std::max(at, key_after(blocker.last));
    }
    add(at, range.last);
  }
  return bottom;
}

void Reservations::add(const Job& job) {
  Entry entry;
  std::vector<KeyRange> all;
  std::array<std::vector<KeyRange>, kLevelMax + 1> by_level;
  for (const Placed& input : job.inputs) {
    entry.inputs.push_back(input.info.ref.where.start.value);
    for (const KeyRange& range : ranges_of(input)) {
      all.push_back(range);
      by_level[input.level].push_back(range);
    }
  }
  // Read from: level 0 where the inputs are, deeper levels also between them.
  for (const KeyRange& range : by_level[0]) entry.ranges.push_back({0, range});
  for (std::uint8_t level = 1; level <= kLevelMax; ++level) {
    if (by_level[level].empty() || level == job.output_level) continue;
    entry.ranges.push_back({level, hull_of(by_level[level])});
  }
  // Written to: an output may begin and end anywhere between two splits.
  if (job.output_level > 0) {
    for (KeyRange& range : pieces(united(std::move(all)), job.splits)) {
      entry.ranges.push_back({job.output_level, std::move(range)});
    }
  }
  inputs_.insert(entry.inputs.begin(), entry.inputs.end());
  const bool inserted = jobs_.emplace(job.id, std::move(entry)).second;
  SCOUTFS_ASSERT(inserted);
}

void Reservations::remove(JobId job) {
  const auto it = jobs_.find(job);
  SCOUTFS_ASSERT(it != jobs_.end());
  for (const std::uint64_t start : it->second.inputs) inputs_.erase(start);
  jobs_.erase(it);
}

bool Reservations::open(std::uint8_t level, const KeyRange& range) const {
  for (const auto& [id, entry] : jobs_) {
    for (const Held& held : entry.ranges) {
      if (held.level == level && held.range.overlaps(range)) return false;
    }
  }
  return true;
}

bool Reservations::open(const Placed& placed) const {
  if (inputs_.contains(placed.info.ref.where.start.value)) return false;
  return std::ranges::all_of(ranges_of(placed), [this, &placed](const KeyRange& range) {
    return open(placed.level, range);
  });
}

}  // namespace scoutfs::lsm
