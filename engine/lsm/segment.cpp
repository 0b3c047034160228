// What the manifest knows of a segment, and its encodings.
#include "engine/lsm/segment.hpp"

namespace scoutfs::lsm {

bool SegmentInfo::may_hold(std::string_view key) const {
  for (const KeyRange& range : coverage) {
    if (key < range.first) return false;
    if (key <= range.last) return true;
  }
  return false;
}

bool SegmentInfo::overlaps(const KeyRange& range) const {
  for (const KeyRange& covered : coverage) {
    if (range.last < covered.first) return false;
    if (range.first <= covered.last) return true;
  }
  return false;
}

// where, id, item count, then the ranges: {first, last} each.
void encode(Writer& out, const SegmentInfo& info) {
  SCOUTFS_ASSERT(!info.coverage.empty());
  SCOUTFS_ASSERT(info.coverage.size() <= kCoverageMax);
  out.put(info.ref.where);
  out.put(info.ref.id);
  out.put_varint(info.item_count);
  out.put_varint(info.coverage.size());
  for (const KeyRange& range : info.coverage) {
    out.put_string(range.first);
    out.put_string(range.last);
  }
}

SegmentInfo decode_segment_info(Reader& in) {
  SegmentInfo info;
  info.ref.where = in.get_extent();
  info.ref.id = in.get<std::uint64_t>();
  info.item_count = in.get_varint();
  const std::size_t count = in.get_count(2);
  if (count == 0 || count > kCoverageMax) in.set_bad();
  if (info.ref.where.count == 0) in.set_bad();
  for (std::size_t i = 0; i < count && in.good(); ++i) {
    KeyRange range;
    range.first = in.get_string(kKeySizeMax);
    range.last = in.get_string(kKeySizeMax);
    if (range.first > range.last) in.set_bad();
    if (i > 0 && range.first <= info.coverage.back().last) in.set_bad();
    info.coverage.push_back(std::move(range));
  }
  // first() and last() hold for what a bad reader returns, too.
  if (info.coverage.empty()) info.coverage.emplace_back();
  return info;
}

void encode(Writer& out, const Placed& placed) {
  encode(out, placed.info);
  out.put(placed.level);
  out.put(placed.record);
}

Placed decode_placed(Reader& in) {
  Placed placed;
  placed.info = decode_segment_info(in);
  placed.level = in.get<std::uint8_t>();
  placed.record = in.get_id<RecordNo>();
  return placed;
}

}  // namespace scoutfs::lsm
