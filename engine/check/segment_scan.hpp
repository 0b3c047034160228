// SegmentScan: one segment, read whole, every byte verified, its items in order.
//
// It works on the bytes as engine/format/segment.hpp describes them and uses none of lsm's
// reading, so that a mistake there is not repeated here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/check/problems.hpp"
#include "engine/format/segment.hpp"
#include "engine/lsm/segment.hpp"

namespace scoutfs::check {

class SegmentScan {
 public:
  // `placed` is what the manifest says, and outlives the scan.
  SegmentScan(const lsm::Placed& placed, Fsid fsid, Problems& problems, Report& report);

  // Reads and verifies the segment's frame; what is wrong is reported, and then it has no
  // items.
  Task<void> open(BlockDevice& device);

  // Moves to the next item; false at the end, where the manifest's entry is compared with what
  // was found. The views live until the next call.
  bool next();
  std::string_view key() const { return key_; }
  // nullopt: a tombstone.
  std::optional<std::string_view> value() const { return block_->value(at_); }

 private:
  bool open_frame();
  bool verify_item();
  void compare_with_entry();
  bool damaged(std::string_view what);
  std::uint64_t start() const { return placed_.info.ref.where.start.value; }

  const lsm::Placed& placed_;
  format::SegmentIdentity identity_;
  Problems& problems_;
  Report& report_;
  std::string bytes_;
  std::string scratch_;
  std::optional<format::SegmentDirectory> directory_;
  std::size_t frame_ = 0;  // the next to be opened
  std::optional<format::ItemBlock> block_;
  std::size_t at_ = 0;  // in block_
  bool done_ = false;
  std::string key_;
  std::string last_key_;
  std::uint64_t item_count_ = 0;
  std::size_t range_ = 0;           // of the coverage; the ones before were left behind
  bool range_begun_ = false;        // an item equal to its first was seen
  bool coverage_reported_ = false;  // once for a segment
  bool filter_reported_ = false;
};

// All segments of a tree merged: the newest entry of each key, in key order.
class MergedScan {
 public:
  // `segments` in search order (ServerState::segments), and they outlive the scan.
  MergedScan(const std::vector<lsm::Placed>& segments, Fsid fsid, Problems& problems,
             Report& report);
  ~MergedScan();

  enum class Step : std::uint8_t {
    item,  // key() and value() are the next entry, a tombstone included
    read,  // co_await read(), then ask again
    end,
  };
  Step next();
  Task<void> read(BlockDevice& device);

  std::string_view key() const;
  std::optional<std::string_view> value() const;

 private:
  struct Source;
  void push(std::size_t source);
  std::size_t pop();
  bool after(std::size_t a, std::size_t b) const;

  Fsid fsid_;
  Problems& problems_;
  Report& report_;
  std::vector<Source> sources_;        // newest first
  std::vector<std::size_t> heap_;      // sources with an item, the least key on top
  std::vector<std::size_t> consumed_;  // sources whose item was given out or is hidden
  std::vector<std::size_t> to_open_;   // sources whose next segment is to be read
  std::size_t winner_ = 0;
};

}  // namespace scoutfs::check
