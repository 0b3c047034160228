// The inside of SegmentCache, which SegmentCache and the scans of MergeIterator share.
//
// Open segments and decoded blocks hang in one ring in the order in which they came. What is
// used again is marked; eviction takes from the front, and gives what is marked a second round.
// This orders by recency nearly as well as a list that is re-linked at each use, and a hit then
// touches no memory but its own.
//
// A segment leaves the cache with its blocks. Whoever still holds one of them keeps it alive.
#pragma once

#include <absl/container/btree_map.h>

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/format/segment.hpp"
#include "engine/lsm/segment_reader.hpp"

namespace scoutfs::lsm {

inline constexpr std::size_t kRunBytesMax = 256u << 10;  // of one device read

struct RingTag;
struct CacheNode : ListHook<RingTag> {
  std::size_t size_bytes = 0;
  bool used = false;  // since it was last at the front
  bool is_segment = false;
};

struct OpenSegment;

struct CachedBlock : CacheNode {
  explicit CachedBlock(format::ItemBlock decoded) : block(std::move(decoded)) {}
  format::ItemBlock block;
  OpenSegment* segment = nullptr;  // that holds it, while it is in the ring
  std::size_t frame = 0;
};
using BlockPtr = std::shared_ptr<CachedBlock>;

// A device read of some data frames of one segment, and what came of it.
struct FrameRead {
  FrameRead(Scheduler& scheduler, std::shared_ptr<OpenSegment> of, std::size_t first_frame,
            std::size_t frame_count, Fill how);
  bool covers(std::size_t frame) const {
    return frame >= first && frame - first < blocks.size();
  }

  std::shared_ptr<OpenSegment> segment;
  std::size_t first;
  Fill fill;
  WaitQueue done;  // woken when `result` is set
  std::optional<Result<void>> result;
  // Decoded when read if they fill the cache, else by take().
  std::vector<BlockPtr> blocks;
  std::string bytes;
  std::size_t bytes_offset = 0;  // of `bytes` in the segment
};
using FrameReadPtr = std::shared_ptr<FrameRead>;

struct OpenSegment : CacheNode {
  OpenSegment(const format::SegmentIdentity& who, format::SegmentDirectory what);
  SegmentRef ref() const { return {identity.where(), identity.id()}; }

  struct Slot {
    BlockPtr block;
    // In flight, to fill `block`. Weak, because it holds the segment.
    std::weak_ptr<FrameRead> read;
  };
  format::SegmentIdentity identity;
  format::SegmentDirectory directory;
  std::vector<Slot> slots;  // of the data frames
};
using OpenPtr = std::shared_ptr<OpenSegment>;

// A segment being opened, and what came of it.
struct Opening {
  explicit Opening(Scheduler& scheduler) : done(scheduler) {}
  WaitQueue done;  // woken when `result` is set
  std::optional<Result<OpenPtr>> result;
};
using OpeningPtr = std::shared_ptr<Opening>;

struct SegmentCache::State {
  State(Scheduler& scheduler_in, BlockDevice& device_in, Fsid fsid_in, std::uint64_t size_max);
  ~State();

  // nullptr if it is not open. Marks it as used.
  const OpenPtr* find(SegmentRef ref);
  Task<Result<OpenPtr>> open(SegmentRef ref, Fill fill);
  // Begins to open it beside the caller.
  OpeningPtr open_ahead(SegmentRef ref, Fill fill);

  // The block of one frame, from the cache or the device.
  Task<Result<BlockPtr>> load(OpenPtr segment, std::size_t frame);
  // Begins to read frames beside the caller. With Fill::cache none of them may be in the cache
  // or in flight.
  FrameReadPtr read_ahead(OpenPtr segment, std::size_t first, std::size_t count, Fill fill);
  // A frame of a read that has succeeded.
  Result<BlockPtr> take(FrameRead& read, std::size_t frame);

  // The ring's lookups that need no device. Outer nullopt: it does.
  struct Lookup {
    bool missing = false;  // the block is not in the cache
    bool found = false;    // the segment holds the key
    std::size_t frame = 0;
    const CachedBlock* block = nullptr;
    std::size_t item = 0;
  };
  Lookup lookup(OpenSegment& segment, std::string_view key, std::uint64_t hash);

  Scheduler& scheduler;
  BlockDevice& device;
  const Fsid fsid;
  const std::uint64_t size_bytes_max;
  std::uint64_t size_bytes = 0;
  Counters counters;

 private:
  Task<Result<OpenPtr>> read_segment(SegmentRef ref, Fill fill);
  void keep_blocks_of(const OpenPtr& segment, std::string_view bytes, std::size_t offset);
  Task<void> run_open(OpeningPtr opening, SegmentRef ref, Fill fill);
  Task<void> run_read(FrameReadPtr read);
  Result<BlockPtr> decode(const FrameRead& read, std::size_t frame);
  FrameReadPtr begin_read(OpenPtr segment, std::size_t first, std::size_t count, Fill fill);
  void keep(const OpenPtr& segment);
  void keep(OpenSegment& segment, std::size_t frame, const BlockPtr& block);
  void add(CacheNode& node);
  void shrink();
  void drop(CacheNode& node);
  void evict(OpenSegment& segment);

  absl::btree_map<BlockNo, OpenPtr> open_;  // by start: the one opened last
  std::map<SegmentRef, OpeningPtr> opening_;
  List<CacheNode, RingTag> ring_;  // next to be evicted first
  std::string scratch_;            // of decompression
  TaskScope scope_;

  friend class SegmentCache;
};

// The segments of a list that may hold a key, in search order.
class Candidates {
 public:
  Candidates(const SegmentList& list, std::string_view key)
      : segments_(list.segments), key_(key) {}
  // nullptr after the last one.
  const Placed* next();

 private:
  const std::vector<Placed>& segments_;
  std::string_view key_;
  std::size_t at_ = 0;
};

}  // namespace scoutfs::lsm
