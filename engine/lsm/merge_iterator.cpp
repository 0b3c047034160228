// MergeIterator: a heap of sources by key, newer before older.
//
// The source whose entry was handed out last stays out of the heap until the next call: most
// often it has the next entry, too. Sources that wait are filled together: first all of them
// are told what to read, then each is waited for.
#include <algorithm>

#include "engine/lsm/merge_source.hpp"
#include "engine/lsm/segment_cache.hpp"
#include "engine/lsm/segment_reader.hpp"

namespace scoutfs::lsm {

using Step = MergeSource::Step;

struct MergeIterator::State {
  State(SegmentCache& cache_in, KeyRange range_in, Fill fill_in)
      : cache(cache_in.state()), range(std::move(range_in)), fill(fill_in) {}

  MergeSource& source(std::size_t index) { return *sources[index]; }

  bool before(std::size_t a, std::size_t b) {
    const int order = source(a).key().compare(source(b).key());
    return order != 0 ? order < 0 : a < b;
  }

  void push(std::size_t index) {
    heap.push_back(index);
    std::size_t at = heap.size() - 1;
    while (at > 0 && before(heap[at], heap[(at - 1) / 2])) {
      std::swap(heap[at], heap[(at - 1) / 2]);
      at = (at - 1) / 2;
    }
  }

  // Restores the order after the top was replaced or moved to a greater key.
  void sift_top() {
    const std::size_t moved = heap.front();
    std::size_t at = 0;
    while (true) {
      std::size_t child = 2 * at + 1;
      if (child >= heap.size()) break;
      if (child + 1 < heap.size() && before(heap[child + 1], heap[child])) ++child;
      if (!before(heap[child], moved)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = moved;
  }

  void pop_top() {
    heap.front() = heap.back();
    heap.pop_back();
    if (!heap.empty()) sift_top();
  }

  // Passes over the older entries of the key that was handed out, then moves on from it.
  void leave_current() {
    const std::size_t last = *current;
    while (!heap.empty() && source(heap.front()).key() == source(last).key()) {
      const std::size_t index = heap.front();
      const Step step = source(index).advance();
      if (step == Step::ready) {
        sift_top();
        continue;
      }
      pop_top();
      if (step == Step::waits) waiting.push_back(index);
    }
    const Step step = source(last).advance();
    if (step == Step::ready) return;
    current.reset();
    if (step == Step::waits) waiting.push_back(last);
  }

  // Moves to the next key's newest entry, which `current` then has.
  Step step() {
    if (ended) return Step::ended;
    if (!started) return Step::waits;
    if (handed_out) {
      handed_out = false;
      leave_current();
    }
    if (!waiting.empty()) {
      if (current.has_value()) push(*current);
      current.reset();
      return Step::waits;
    }
    if (!current.has_value()) {
      if (heap.empty()) {
        ended = true;
        return Step::ended;
      }
      current = heap.front();
      pop_top();
    } else if (!heap.empty() && before(heap.front(), *current)) {
      std::swap(heap.front(), *current);
      sift_top();
    }
    handed_out = true;
    return Step::ready;
  }

  Task<Result<void>> fill_waiting() {
    if (!started) {
      started = true;
      for (std::size_t i = 0; i < sources.size(); ++i) waiting.push_back(i);
      for (const auto& each : sources) each->begin();
    }
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      SCOUTFS_CO_CHECK(co_await source(waiting[i]).prepare());
    }
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      SCOUTFS_CO_TRY(const Step step, co_await source(waiting[i]).fill());
      if (step == Step::ready) push(waiting[i]);
    }
    waiting.clear();
    co_return Result<void>{};
  }

  EntryView view() { return {source(*current).key(), source(*current).value()}; }

  SegmentCache::State& cache;
  KeyRange range;
  Fill fill;
  std::vector<std::unique_ptr<MergeSource>> sources;  // newest first
  std::vector<std::size_t> heap;                      // of ready sources but the current one
  std::vector<std::size_t> waiting;                   // sources to be filled
  std::optional<std::size_t> current;
  bool handed_out = false;  // the entry of `current`
  bool started = false;
  bool ended = false;
};

MergeIterator::MergeIterator(SegmentCache& cache, KeyRange range, Fill fill)
    : state_(std::make_unique<State>(cache, std::move(range), fill)) {}
MergeIterator::~MergeIterator() = default;
MergeIterator::MergeIterator(MergeIterator&&) noexcept = default;

void MergeIterator::add(const Memtable& memtable) {
  SCOUTFS_ASSERT(!state_->started);
  if (state_->range.last < state_->range.first) return;
  state_->sources.push_back(std::make_unique<MemtableSource>(memtable, state_->range));
}

void MergeIterator::add(const Placed& placed) {
  SCOUTFS_ASSERT(!state_->started);
  State& s = *state_;
  if (!placed.info.overlaps(s.range)) return;
  s.sources.push_back(std::make_unique<SegmentSource>(
      s.cache, std::vector<SegmentRef>{placed.info.ref}, s.range, s.fill));
}

void MergeIterator::add(const SegmentList& list) {
  SCOUTFS_ASSERT(!state_->started);
  State& s = *state_;
  std::vector<SegmentRef> level;
  for (std::size_t i = 0; i < list.segments.size(); ++i) {
    const Placed& placed = list.segments[i];
    if (placed.level == 0) {
      add(placed);
      continue;
    }
    if (placed.info.overlaps(s.range)) level.push_back(placed.info.ref);
    const bool last =
        i + 1 == list.segments.size() || list.segments[i + 1].level != placed.level;
    if (!last || level.empty()) continue;
    s.sources.push_back(
        std::make_unique<SegmentSource>(s.cache, std::exchange(level, {}), s.range, s.fill));
  }
}

std::optional<EntryView> MergeIterator::try_next() {
  if (state_->step() != Step::ready) return std::nullopt;
  return state_->view();
}

Task<Result<std::optional<EntryView>>> MergeIterator::next_view() {
  State& s = *state_;
  while (true) {
    const Step step = s.step();
    if (step == Step::ready) co_return std::optional<EntryView>(s.view());
    if (step == Step::ended) co_return std::optional<EntryView>();
    const Result<void> filled = co_await s.fill_waiting();
    if (filled.has_value()) continue;
    s.ended = true;
    co_return std::unexpected(filled.error());
  }
}

Task<Result<std::optional<Change>>> MergeIterator::next() {
  SCOUTFS_CO_TRY(const std::optional<EntryView> view, co_await next_view());
  if (!view.has_value()) co_return std::optional<Change>();
  Change change{std::string(view->key), std::nullopt};
  if (view->value.has_value()) change.entry.emplace(*view->value);
  co_return std::optional<Change>(std::move(change));
}

}  // namespace scoutfs::lsm
