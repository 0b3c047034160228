// Segments: sorted runs of items on the device, written once, never modified.
//
// The names that writers, readers and the manifest share. The bytes are in
// engine/format/segment.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/format/upper_formats.hpp"
#include "engine/lsm/item.hpp"

namespace scoutfs::lsm {

inline constexpr std::size_t kSegmentSizeMax = 4u << 20;  // bytes on the device
inline constexpr std::size_t kCoverageMax = 8;            // ranges of a level-0 segment

// Where a segment lies and who it is. The id is mixed, with fsid and position, into every
// checksum of the segment, so a reference finds the bytes it means or an error.
struct SegmentRef {
  Extent where;
  std::uint64_t id = 0;
  auto operator<=>(const SegmentRef&) const = default;
};

// What the manifest knows of a segment.
struct SegmentInfo {
  SegmentRef ref;
  std::uint64_t item_count = 0;  // tombstones included
  // What keys it may hold: ascending, disjoint, at most kCoverageMax ranges at level 0 (split
  // at the widest gaps), one below.
  std::vector<KeyRange> coverage;
  bool operator==(const SegmentInfo&) const = default;

  const std::string& first() const { return coverage.front().first; }
  const std::string& last() const { return coverage.back().last; }
  bool may_hold(std::string_view key) const;
  bool overlaps(const KeyRange& range) const;
};

// A segment at its place in the tree. Level 0: newer record first. Levels >= 1: disjoint by
// key.
struct Placed {
  SegmentInfo info;
  std::uint8_t level = 0;
  RecordNo
      record;  // of level 0: the order of recording; of a merge's output, its newest input's
  bool operator==(const Placed&) const = default;
};

// A piece of the manifest: every segment that may hold a key of `range` at `version`, in the
// order in which they are to be searched (level 0 by descending record, then level 1, 2, ...,
// each ascending by key).
struct SegmentList {
  Version version;
  std::vector<Placed> segments;
};

static_assert(format::kManifestFormat.starts_with("manifest 1:"));

// Encodings that the wire, the journal and the server tree share.
void encode(Writer& out, const SegmentInfo& info);
SegmentInfo decode_segment_info(Reader& in);
void encode(Writer& out, const Placed& placed);
Placed decode_placed(Reader& in);

}  // namespace scoutfs::lsm
