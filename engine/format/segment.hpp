// The bytes of a segment: a sorted run of items in an extent of 4 KiB blocks, written once.
//
// A segment is data frames back to back, then a filter and an index, then zero, then a footer
// that ends the extent: knowing where the extent is, a reader finds the footer, with it the
// index, and with that every data frame. Nothing in between is aligned, so a small segment is
// one block.
//
//   offset            size  what
//        0               -  data frames, ascending by key
//   filter offset        -  filter frame, absent if there is one data frame
//        -               -  index frame
//        -        0..4095  zero
//   size - 64           64  footer
//
// A frame:
//
//   offset  size  field
//        0     8  checksum  XXH3-64 of bytes [8, end), seed of the frame's offset in the
//        segment 8     4  raw size  bytes of the payload
//       12     -  the payload; if this is shorter than `raw size`, a zstd frame of it
//
// The seed of an offset is mix(mix(fsid, start block, segment id), offset), with mix() of
// engine/base/hash.hpp, so bytes that are good elsewhere are not good here.
//
// The footer:
//
//   offset  size  field
//        0     8  checksum       XXH3-64 of bytes [8, 64), seed of the footer's offset
//        8     8  magic
//       16     8  fsid
//       24     8  start block
//       32     8  segment id
//       40     8  item count     tombstones included, at least 1
//       48     4  block count    of the extent
//       52     4  filter offset  also the size of the data
//       56     4  filter size    of the frame, 0 if it is absent
//       60     4  index size     of the frame
//
// Payloads:
//   data    an item block (item_block.hpp) of the segment's items. A block of more than one
//   item
//           is at most kDataBlockSize bytes.
//   filter  the filter of all keys (key_filter.hpp), as it is.
//   index   varint: size of the coverage block; then two item blocks:
//             coverage  up to 8 ranges {first, last} that hold all keys, ascending, disjoint,
//             each
//                       end a key of the segment. Key: first. Value: empty if last is the same;
//                       otherwise varint: bytes that last shares with first, then the rest of
//                       last.
//             frames    one item for each data frame. Key: empty for the first; otherwise the
//                       shortest string that is greater than the last key of the frame before
//                       and not greater than this frame's first. Value: varint: size of the
//                       frame.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/base/ids.hpp"
#include "engine/format/item_block.hpp"

namespace scoutfs::format {

// Contributed to format_description(). Changes with the table above.
inline constexpr std::string_view kSegmentFormat = "segment 1: blocks, index, filter, footer\n";

inline constexpr std::uint64_t kSegmentMagic = 0x3147'4553'4653'4353;
inline constexpr std::size_t kSegmentFooterSize = 64;     // bytes
inline constexpr std::size_t kFrameHeader = 12;           // bytes
inline constexpr std::size_t kDataBlockSize = 16u << 10;  // bytes before compression
// The largest data block: one item.
inline constexpr std::size_t kDataBlockSizeMax =
    kItemBlockHeader + kItemOverheadMax + kKeySizeMax + kValueSizeMax;
inline constexpr std::size_t kIndexSizeMax = 64u << 20;  // bytes before compression
inline constexpr std::size_t kCoverageRangesMax = 8;

// What is mixed into the checksums of a segment.
class SegmentIdentity {
 public:
  SegmentIdentity(Fsid fsid, Extent where, std::uint64_t id)
      : fsid_(fsid), where_(where), id_(id), base_(mix(fsid.value, where.start.value, id)) {}
  Fsid fsid() const { return fsid_; }
  Extent where() const { return where_; }
  std::uint64_t id() const { return id_; }
  std::uint64_t size_bytes() const { return where_.count * kBlockSize; }
  std::uint64_t seed(std::uint64_t offset) const { return mix(base_, offset); }

 private:
  Fsid fsid_;
  Extent where_;
  std::uint64_t id_;
  std::uint64_t base_;
};

// Appends a frame without its checksum. `compression_level` as zstd's; 0: as it is.
void append_frame(std::string& segment, std::string_view payload, int compression_level);
// Fills in the checksum of the frame at [offset, offset + size).
void seal_frame(std::string& segment, std::size_t offset, std::size_t size,
                const SegmentIdentity& identity);
// The payload of the frame that lies at `offset`, in `frame` itself or in `scratch`.
// Errors: corrupt.
Result<std::string_view> open_frame(std::string_view frame, std::uint64_t offset,
                                    const SegmentIdentity& identity, std::size_t size_max,
                                    std::string& scratch);

struct SegmentFooter {
  std::uint64_t item_count = 0;
  std::uint32_t filter_offset = 0;
  std::uint32_t filter_size = 0;
  std::uint32_t index_size = 0;
  bool operator==(const SegmentFooter&) const = default;
};

// Sealed. Requires: the parts fit the extent of `identity`.
std::string encode(const SegmentFooter& footer, const SegmentIdentity& identity);
// `bytes` is any end of the segment of at least kSegmentFooterSize bytes.
// Errors: corrupt.
Result<SegmentFooter> decode_segment_footer(std::string_view bytes,
                                            const SegmentIdentity& identity);

// The payload of the index frame. `last` of each coverage range and the frames' sizes as above.
std::string encode_index(const std::vector<KeyRange>& coverage, std::string_view frames);
// Appends to a frames block. Requires: as ItemBlockBuilder::add().
void add_frame(ItemBlockBuilder& frames, std::string_view separator, std::uint64_t frame_size);

// All of a segment but its items.
struct SegmentDirectory {
  SegmentFooter footer;
  std::vector<KeyRange> coverage;
  ItemBlock frames;
  std::vector<std::uint32_t> offsets;  // of the data frames, and their end
  std::string filter;                  // empty if there is none

  std::size_t frame_count() const { return offsets.size() - 1; }
};

// `tail` is the segment from footer.filter_offset to its end.
// Errors: corrupt.
Result<SegmentDirectory> decode_segment_tail(std::string_view tail, const SegmentFooter& footer,
                                             const SegmentIdentity& identity);

// A data frame, checked against its neighbours' separators, too.
// Errors: corrupt.
Result<ItemBlock> decode_data_frame(std::string_view frame, const SegmentDirectory& directory,
                                    std::size_t index, const SegmentIdentity& identity,
                                    std::string& scratch);

}  // namespace scoutfs::format
