// SegmentBuilder: makes the bytes of one segment from items in key order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/lsm/segment.hpp"

namespace scoutfs::lsm {

// The result: info.ref.where.start and info.ref.id are filled in by seal().
struct SegmentImage {
  SegmentInfo info;
  std::string bytes;  // whole blocks
};

class SegmentBuilder {
 public:
  struct Options {
    std::size_t size_max = kSegmentSizeMax;   // bytes on the device, whole blocks
    int compression_level = 1;                // zstd; 0 stores blocks as they are
    std::size_t coverage_max = kCoverageMax;  // 1 for levels >= 1
  };

  explicit SegmentBuilder(Options options);
  SegmentBuilder(SegmentBuilder&&) noexcept;
  ~SegmentBuilder();

  // Appends an item. False, and nothing is added, if the segment might then exceed size_max.
  // Requires: keys grow strictly; sizes within kKeySizeMax and kValueSizeMax. An empty builder
  // always takes an item.
  bool add(std::string_view key, const Entry& entry);
  // The same from borrowed bytes; nullopt is a tombstone.
  bool add_view(std::string_view key, std::optional<std::string_view> value);
  bool empty() const;
  std::uint64_t item_count() const;

  // How many blocks the segment will take. From here on nothing can be added.
  std::uint64_t finish();
  // The bytes for this place and identity. After finish(), once.
  SegmentImage seal(Fsid fsid, SegmentRef ref) &&;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scoutfs::lsm
