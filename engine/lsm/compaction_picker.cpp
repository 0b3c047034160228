// The picker: keeps the tree's shape.
//
// The shape is good while level 0 has fewer than level0_count segments and each deeper level is
// within its size. The level that exceeds its bound most, relatively, is worked on first.
//
//   level 0   Is counted in runs: segments of one record, which are the outputs of one merge. A
//             merge down takes the oldest segments it can, each after all older ones it
//             overlaps, and what they overlap in level 1. While that would rewrite much of
//             level 1 for little of level 0, the newest runs become one instead: as many as are
//             each no larger than all newer ones together. With n runs at most, n * n / 2
//             commits are then merged once before they go down.
//   level n   Some neighbours and what they overlap in level n + 1. The next job begins where
//             the last one ended, so that all keys get their turn.
//   moves     A segment that is not small and overlaps nothing in the next level just moves.
//   tidying   When a level consists of much too many small segments, neighbours become one.
#include <algorithm>
#include <array>

#include "engine/base/assert.hpp"
#include "engine/lsm/compaction_ranges.hpp"

namespace scoutfs::lsm {

namespace {

using Level = Manifest::State::Level;
using Segments = std::vector<const Placed*>;

constexpr int kTriesMax = 64;  // starting points looked at in one level by one pick

std::uint64_t blocks_of(const Segments& segments) {
  std::uint64_t sum = 0;
  for (const Placed* placed : segments) sum += placed->info.ref.where.count;
  return sum;
}

bool overlaps(const Placed& a, const Placed& b) {
  return std::ranges::any_of(a.info.coverage,
                             [&b](const KeyRange& range) { return b.info.overlaps(range); });
}

bool overlaps_any(const Placed& placed, const Segments& others) {
  return std::ranges::any_of(
      others, [&placed](const Placed* other) { return overlaps(placed, *other); });
}

std::size_t level0_runs(const Manifest& manifest) {
  std::size_t count = 0;
  std::uint64_t last = 0;
  for (const auto& [key, placed] : manifest.state().level0) {
    if (count == 0 || key.first != last) ++count;
    last = key.first;
  }
  return count;
}

KeyRange hull(const Placed& placed) {
  return {placed.info.first(), placed.info.last()};
}

Segments overlapping(const Manifest::State& manifest, std::uint8_t level,
                     const KeyRange& range) {
  Segments found;
  auto it = manifest.first_from(level, range.first);
  for (; it != manifest.levels[level].end() && it->first <= range.last; ++it) {
    found.push_back(it->second);
  }
  return found;
}

}  // namespace

struct CompactionPicker::State {
  const Manifest* manifest = nullptr;  // while pick() runs
  CompactionOptions options;
  Reservations reservations;
  std::array<std::string, kLevelMax + 1> merged_to;  // where the last run of a level ended
  std::array<std::string, kLevelMax + 1> tidied_to;

  const Manifest::State& tree() const { return manifest->state(); }
  std::uint64_t segment_blocks() const { return options.segment_size_max / kBlockSize; }
  bool small(const Placed& placed) const {
    return placed.info.ref.where.count < segment_blocks() / 4;
  }
  std::uint64_t level_blocks(std::uint8_t level) const;
  std::uint64_t urgency(std::uint8_t level) const;

  Choice pick_level(std::uint8_t level, JobId next);
  Choice pick_level0(JobId next);
  std::optional<Move> move_from_level0() const;
  bool goes_down(const Placed& placed, std::size_t taken, Segments& below) const;
  std::vector<std::string> splits_of(const std::vector<KeyRange>& ranges) const;
  Segments newest_runs() const;
  std::optional<Choice> pick_from(const Placed& start, JobId next);
  std::optional<Choice> pick_tidy(std::uint8_t level, JobId next);
  Segments tidy_run(Level::const_iterator start) const;
  Job make(JobId next, const Segments& above, const Segments& below, std::uint8_t output_level);
  template <class Try>
  std::optional<Choice> around(std::uint8_t level, const std::string& from, Try attempt) const;
};

std::uint64_t CompactionPicker::State::level_blocks(std::uint8_t level) const {
  std::uint64_t blocks = options.level1_blocks;
  for (int deeper = 1; deeper < level; ++deeper) {
    if (blocks > UINT64_MAX / options.fanout) return UINT64_MAX;
    blocks *= options.fanout;
  }
  return blocks;
}

// How far a level is beyond its bound, in thousandths of the bound; 0 if it is not.
std::uint64_t CompactionPicker::State::urgency(std::uint8_t level) const {
  const std::uint64_t is = level == 0 ? level0_runs(*manifest) : manifest->blocks(level);
  const std::uint64_t bound = level == 0 ? options.level0_count : level_blocks(level);
  if (level == 0 ? is < bound : is <= bound) return 0;
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(is) * 1000 / bound);
}

// Inputs in the order of MergeIterator: newest first, then by level and key.
Job CompactionPicker::State::make(JobId next, const Segments& above, const Segments& below,
                                  std::uint8_t output_level) {
  Job job;
  job.id = next;
  job.output_level = output_level;
  job.segment_size_max = options.segment_size_max;
  std::vector<KeyRange> ranges;
  for (const Segments* segments : {&above, &below}) {
    for (const Placed* placed : *segments) {
      job.inputs.push_back(*placed);
      job.output_record = std::max(job.output_record, placed->record);
      for (KeyRange& range : ranges_of(*placed)) ranges.push_back(std::move(range));
    }
  }
  std::ranges::sort(job.inputs, [](const Placed& a, const Placed& b) {
    if (a.level != b.level) return a.level < b.level;
    if (a.level == 0 && a.record != b.record) return a.record > b.record;
    return a.info.first() < b.info.first();
  });
  ranges = united(std::move(ranges));
  if (output_level > 0) job.splits = splits_of(ranges);
  job.bottom = bottom_of(*manifest, ranges, job);
  reservations.add(job);
  return job;
}

// Only level 0 has gaps in what a job covers; what lies in them in level 1 stays where it is.
std::vector<std::string> CompactionPicker::State::splits_of(
    const std::vector<KeyRange>& ranges) const {
  std::vector<std::string> splits;
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    const KeyRange gap{key_after(ranges[i - 1].last), ranges[i].first};
    const auto it = tree().first_from(1, gap.first);
    const bool occupied = it != tree().levels[1].end() && it->first < gap.last;
    if (occupied || !reservations.open(1, gap)) splits.push_back(gap.last);
  }
  return splits;
}

CompactionPicker::Choice CompactionPicker::State::pick_level0(JobId next) {
  if (const auto move = move_from_level0(); move.has_value()) return {{}, move};
  Segments above;
  Segments below;
  Segments staying;
  for (auto it = tree().level0.rbegin(); it != tree().level0.rend(); ++it) {
    const Placed& placed = *it->second;
    Segments more = below;
    if (overlaps_any(placed, staying) || !goes_down(placed, above.size(), more)) {
      staying.push_back(&placed);
    } else {
      above.push_back(&placed);
      below = std::move(more);
    }
  }
  const bool crowded = level0_runs(*manifest) >= 2 * options.level0_count;
  if (above.empty() || (!crowded && blocks_of(above) < blocks_of(below) / 2)) {
    if (const Segments runs = newest_runs(); !runs.empty())
      return {make(next, runs, {}, 0), {}};
  }
  if (above.empty()) return {};
  return {make(next, above, below, 1), {}};
}

std::optional<CompactionPicker::Move> CompactionPicker::State::move_from_level0() const {
  Segments older;
  for (auto it = tree().level0.rbegin(); it != tree().level0.rend(); ++it) {
    const Placed& placed = *it->second;
    if (!small(placed) && reservations.open(placed) && !overlaps_any(placed, older) &&
        reservations.open(1, hull(placed)) && overlapping(tree(), 1, hull(placed)).empty()) {
      return Move{placed.info.ref, 1};
    }
    older.push_back(&placed);
  }
  return std::nullopt;
}

// True if the segment can join a job that has `taken` segments of level 0; adds to `below` what
// has to come along from level 1.
bool CompactionPicker::State::goes_down(const Placed& placed, std::size_t taken,
                                        Segments& below) const {
  if (!reservations.open(placed)) return false;
  for (const KeyRange& range : placed.info.coverage) {
    if (!reservations.open(1, range)) return false;
    for (const Placed* lower : overlapping(tree(), 1, range)) {
      if (std::ranges::find(below, lower) != below.end()) continue;
      if (!reservations.open(*lower)) return false;
      below.push_back(lower);
    }
  }
  return taken == 0 || taken + 1 + below.size() <= options.inputs_max;
}

// The newest runs that are each no larger than all newer ones together, as far as other jobs do
// not hold them; none if that makes no less of them than two, or a quarter of the bound.
Segments CompactionPicker::State::newest_runs() const {
  const Manifest::State::Level0& level0 = tree().level0;
  Segments taken;
  Segments held;  // by other jobs; older ones that they overlap stay
  std::size_t run_count = 0;
  for (auto it = level0.begin(); it != level0.end();) {
    auto end = it;
    Segments run;
    for (; end != level0.end() && end->first.first == it->first.first; ++end) {
      run.push_back(end->second);
    }
    if (!taken.empty() && blocks_of(run) > blocks_of(taken)) break;
    if (taken.size() + run.size() > options.inputs_max) break;
    const std::size_t before = taken.size();
    for (const Placed* placed : run) {
      const bool open = reservations.open(*placed) && !overlaps_any(*placed, held);
      (open ? taken : held).push_back(placed);
    }
    if (taken.size() > before) ++run_count;
    it = end;
  }
  if (run_count < std::max<std::size_t>(options.level0_count / 4, 2)) return {};
  return taken;
}

// Calls `attempt` with segments of the level, in key order from `from` on and around, until it
// finds something.
template <class Try>
std::optional<CompactionPicker::Choice> CompactionPicker::State::around(std::uint8_t level,
                                                                        const std::string& from,
                                                                        Try attempt) const {
  const Level& segments = tree().levels[level];
  const auto tries = std::min<std::size_t>(segments.size(), kTriesMax);
  auto it = segments.upper_bound(from);
  for (std::size_t i = 0; i < tries; ++i, ++it) {
    if (it == segments.end()) it = segments.begin();
    std::optional<Choice> choice = attempt(it);
    if (choice.has_value()) return choice;
  }
  return std::nullopt;
}

CompactionPicker::Choice CompactionPicker::State::pick_level(std::uint8_t level, JobId next) {
  if (level == 0) return pick_level0(next);
  const std::string from = merged_to[level];
  const auto choice = around(level, from, [this, next](Level::const_iterator it) {
    return pick_from(*it->second, next);
  });
  return choice.value_or(Choice{});
}

// A run that begins with this segment. It grows while it is small, or as far as that brings no
// more of the next level into the job.
std::optional<CompactionPicker::Choice> CompactionPicker::State::pick_from(const Placed& start,
                                                                           JobId next) {
  const std::uint8_t level = start.level;
  const auto below_level = static_cast<std::uint8_t>(level + 1);
  Segments run;
  Segments below;
  auto it = tree().levels[level].find(start.info.first());
  for (; it != tree().levels[level].end() && run.size() < options.inputs_max; ++it) {
    const KeyRange range{start.info.first(), it->second->info.last()};
    if (!reservations.open(*it->second) || !reservations.open(level, range)) break;
    Segments wider = overlapping(tree(), below_level, range);
    const std::uint64_t blocks = blocks_of(run);
    const bool free = wider.size() == below.size() && blocks < 4 * segment_blocks();
    const bool fits =
        blocks < segment_blocks() && run.size() + 1 + wider.size() <= options.inputs_max;
    if (!run.empty() && !free && !fits) break;
    std::vector<KeyRange> written{range};
    for (const Placed* lower : wider) written.push_back(hull(*lower));
    if (!reservations.open(below_level, hull_of(written))) break;
    run.push_back(it->second);
    below = std::move(wider);
  }
  if (run.empty()) return std::nullopt;
  merged_to[level] = run.back()->info.first();
  const bool alone = run.size() == 1 || !small(*run.front());
  if (alone && overlapping(tree(), below_level, hull(*run.front())).empty()) {
    merged_to[level] = run.front()->info.first();
    return Choice{{}, Move{run.front()->info.ref, below_level}};
  }
  return Choice{make(next, run, below, below_level), {}};
}

std::optional<CompactionPicker::Choice> CompactionPicker::State::pick_tidy(std::uint8_t level,
                                                                           JobId next) {
  const std::uint64_t ideal = manifest->blocks(level) / segment_blocks();
  if (manifest->count(level) <= 16 + 4 * ideal) return std::nullopt;
  const std::string from = tidied_to[level];
  return around(level, from, [this, level, next](Level::const_iterator it) {
    tidied_to[level] = it->first;
    const Segments run = tidy_run(it);
    if (run.empty()) return std::optional<Choice>{};
    tidied_to[level] = run.back()->info.first();
    return std::optional<Choice>{Choice{make(next, run, {}, level), {}}};
  });
}

// Neighbours that become one segment; none if there are not at least two.
Segments CompactionPicker::State::tidy_run(Level::const_iterator start) const {
  const std::uint8_t level = start->second->level;
  Segments run;
  for (auto it = start; it != tree().levels[level].end(); ++it) {
    const KeyRange range{start->second->info.first(), it->second->info.last()};
    if (run.size() == options.inputs_max || !reservations.open(*it->second) ||
        !reservations.open(level, range)) {
      break;
    }
    if (blocks_of(run) + it->second->info.ref.where.count > segment_blocks()) break;
    run.push_back(it->second);
  }
  if (run.size() < 2) run.clear();
  return run;
}

CompactionPicker::CompactionPicker(CompactionOptions options)
    : state_(std::make_unique<State>()) {
  SCOUTFS_ASSERT(options.level0_count > 0);
  SCOUTFS_ASSERT(options.level1_blocks > 0);
  SCOUTFS_ASSERT(options.fanout > 1);
  SCOUTFS_ASSERT(options.inputs_max >= 2);
  SCOUTFS_ASSERT(options.segment_size_max >= kBlockSize);
  SCOUTFS_ASSERT(options.segment_size_max % kBlockSize == 0);
  state_->options = options;
}

CompactionPicker::~CompactionPicker() = default;

CompactionPicker::Choice CompactionPicker::pick(const Manifest& manifest, JobId next) {
  state_->manifest = &manifest;
  std::array<std::uint8_t, kLevelMax> order{};
  for (std::uint8_t level = 0; level < kLevelMax; ++level) order[level] = level;
  std::ranges::sort(order, [this](std::uint8_t a, std::uint8_t b) {
    const std::uint64_t of_a = state_->urgency(a);
    const std::uint64_t of_b = state_->urgency(b);
    return of_a != of_b ? of_a > of_b : a < b;
  });
  for (const std::uint8_t level : order) {
    if (state_->urgency(level) == 0) break;
    Choice choice = state_->pick_level(level, next);
    if (choice.job.has_value() || choice.move.has_value()) return choice;
  }
  for (std::uint8_t level = 1; level <= kLevelMax; ++level) {
    std::optional<Choice> choice = state_->pick_tidy(level, next);
    if (choice.has_value()) return *std::move(choice);
  }
  return {};
}

void CompactionPicker::release(JobId job) {
  state_->reservations.remove(job);
}
void CompactionPicker::reserve(const Job& job) {
  state_->reservations.add(job);
}

bool CompactionPicker::level0_full(const Manifest& manifest) const {
  return level0_runs(manifest) >= state_->options.level0_stop;
}

std::uint64_t CompactionPicker::debt_blocks(const Manifest& manifest) const {
  state_->manifest = &manifest;
  std::uint64_t debt = 0;
  for (std::uint8_t level = 0; level < kLevelMax; ++level) {
    if (state_->urgency(level) == 0) continue;
    debt += manifest.blocks(level);
    if (level > 0) debt -= state_->level_blocks(level);
  }
  return debt;
}

const CompactionOptions& CompactionPicker::options() const {
  return state_->options;
}

}  // namespace scoutfs::lsm
