// Reading segments: point lookups and ordered scans, every block verified.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/scheduler.hpp"
#include "engine/env/block_device.hpp"
#include "engine/lsm/memtable.hpp"
#include "engine/lsm/segment.hpp"

namespace scoutfs::lsm {

// Open segments (index and filter) and uncompressed blocks. What was not used since it was last
// looked at goes first, in the order in which it came (second chance).
// One for all trees of a node. Deterministic: eviction depends on the order of use only.
class SegmentCache {
 public:
  SegmentCache(Scheduler& scheduler, BlockDevice& device, Fsid fsid,
               std::uint64_t size_bytes_max);
  // Requires: close() has completed, or the node was killed.
  ~SegmentCache();

  // Waits for the read-ahead of iterators that were abandoned on the way. Nothing is read after
  // it.
  Task<void> close();

  // The entry of `key` in one segment; nullopt if the segment does not hold it.
  // Errors: those of the device; corrupt.
  Task<Result<std::optional<Entry>>> get(SegmentRef ref, std::string_view key);

  // The newest entry of `key` among `list.segments`, tombstones resolved: nullopt is absent.
  Task<Result<Entry>> get(const SegmentList& list, std::string_view key);
  // The same if it takes no device read; the outer nullopt: it does.
  std::optional<Entry> try_get(const SegmentList& list, std::string_view key);

  // What the segment says of itself: for a reference whose coverage is not known.
  // Errors: those of the device; corrupt.
  Task<Result<SegmentInfo>> info(SegmentRef ref);

  std::uint64_t size_bytes() const;
  struct Counters {
    std::uint64_t block_hits = 0, block_misses = 0, filter_negatives = 0, opens = 0;
  };
  const Counters& counters() const;

  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// Whether what a scan reads goes to the cache: it does when it is a lookup's neighbourhood, and
// does not when it is read once (compaction).
enum class Fill : std::uint8_t { cache, bypass };

// A key and its entry, borrowed; nullopt is a tombstone.
struct EntryView {
  std::string_view key;
  std::optional<std::string_view> value;
};

// The merged view of several sources: the newest entry of each key, in key order. A source that
// comes earlier is newer.
class MergeIterator {
 public:
  MergeIterator(SegmentCache& cache, KeyRange range, Fill fill);
  ~MergeIterator();
  MergeIterator(MergeIterator&&) noexcept;

  // Sources are added newest first, before the first next().
  // `memtable` is copied within the range: it may change while the iterator waits.
  void add(const Memtable& memtable);
  void add(const Placed& placed);
  // All of a list; disjoint levels are one source each.
  void add(const SegmentList& list);

  // The next key's newest entry, tombstones included; nullopt at the end.
  // Errors: those of the device; corrupt. After an error the iterator is at its end.
  Task<Result<std::optional<Change>>> next();

  // The same without a copy: valid until the next call.
  Task<Result<std::optional<EntryView>>> next_view();
  // The next entry if it is at hand. nullopt: the end, or it has to be waited for: call
  // next_view().
  std::optional<EntryView> try_next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scoutfs::lsm
