// The sources that MergeIterator merges: memtables, single segments, and disjoint levels.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/lsm/segment_cache.hpp"

namespace scoutfs::lsm {

// A sorted sequence of entries, one at a time, some of which have to be waited for.
class MergeSource {
 public:
  enum class Step : std::uint8_t { ready, waits, ended };

  virtual ~MergeSource() = default;

  // Moves to the next entry, or to the first. Requires: the last step did not wait or end.
  virtual Step advance() = 0;
  // Begins what fill() will wait for.
  virtual void begin() = 0;
  // Waits only for what tells which data to read, and begins to read that. Before fill().
  virtual Task<Result<void>> prepare() = 0;
  // After advance() said `waits`: waits until the entry is there, or the end.
  virtual Task<Result<Step>> fill() = 0;

  // The entry. Valid until the next advance(). Requires: the last step was ready.
  std::string_view key() const { return key_; }
  const std::optional<std::string_view>& value() const { return value_; }

 protected:
  std::string_view key_;
  std::optional<std::string_view> value_;
};

// A copy of a part of a memtable.
class MemtableSource final : public MergeSource {
 public:
  MemtableSource(const Memtable& memtable, const KeyRange& range);
  Step advance() override;
  void begin() override {}
  Task<Result<void>> prepare() override;
  Task<Result<Step>> fill() override;

 private:
  std::vector<Change> items_;
  std::size_t next_ = 0;
};

// Segments that are disjoint and ascending by key, one after the other, each opened when the
// one before is nearly read. Reads grow from one frame to kRunBytesMax, and then two are in
// flight.
class SegmentSource final : public MergeSource {
 public:
  SegmentSource(SegmentCache::State& cache, std::vector<SegmentRef> refs, KeyRange range,
                Fill fill);
  Step advance() override;
  void begin() override;
  Task<Result<void>> prepare() override;
  Task<Result<Step>> fill() override;

 private:
  Step next_block();
  bool enter_segment();
  bool enter_block(BlockPtr block);
  void set_entry();
  void read_ahead();
  // The read of the frame that is wanted next; nullptr if none was begun.
  FrameRead* wanted_read();
  Step fail_with(Error error);

  SegmentCache::State& cache_;
  std::vector<SegmentRef> refs_;
  std::size_t next_ref_ = 0;  // to be opened next
  KeyRange range_;
  Fill fill_;
  std::size_t run_bytes_;      // of the next read
  std::size_t reads_max_ = 1;  // in flight or waiting to be consumed
  std::optional<Error> error_;

  OpeningPtr opening_;  // of refs_[next_ref_]
  OpenPtr segment_;     // the one being read
  std::size_t first_frame_ = 0;
  std::size_t frame_ = 0;           // the next one to be entered
  std::size_t frames_end_ = 0;      // that may hold keys of the range
  std::size_t issued_ = 0;          // frames before it are read, being read, or in the cache
  std::deque<FrameReadPtr> reads_;  // ascending by frame

  BlockPtr block_;
  std::size_t item_ = 0;
  std::size_t items_end_ = 0;
  std::string key_bytes_;
};

}  // namespace scoutfs::lsm
