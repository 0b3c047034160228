// Segments: item blocks by themselves, and the frames of a whole segment.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/codec.hpp"
#include "engine/format/segment.hpp"

namespace scoutfs::format {
namespace {

// What decodes is what a builder makes of the same items.
void check_item_block(std::string_view bytes) {
  const Result<ItemBlock> block = ItemBlock::decode(bytes);
  if (!block.has_value()) return;
  ItemBlockBuilder builder;
  for (std::size_t i = 0; i < block->count(); ++i) {
    const std::string key = block->key(i);
    SCOUTFS_ASSERT(block->find(key) == i);
    builder.add(key, block->value(i));
  }
  SCOUTFS_ASSERT(builder.finish() == bytes);
}

// The input is the footer's fields, then the segment's bytes. Checksums are supplied wherever
// the fields say that a frame is.
void check_segment(std::string_view input) {
  Reader in(input);
  SegmentFooter footer;
  footer.item_count = in.get<std::uint64_t>();
  footer.filter_offset = in.get<std::uint32_t>();
  footer.filter_size = in.get<std::uint32_t>();
  footer.index_size = in.get<std::uint32_t>();
  if (!in.good()) return;
  std::string segment(in.rest());
  const std::size_t body = segment.size();
  segment.resize((body + kSegmentFooterSize + kBlockSize - 1) / kBlockSize * kBlockSize);
  const SegmentIdentity identity(Fsid{7}, {BlockNo{100}, segment.size() / kBlockSize}, 9);
  const std::uint64_t index_offset = std::uint64_t{footer.filter_offset} + footer.filter_size;
  const std::uint64_t end = index_offset + footer.index_size;
  if (end > segment.size() - kSegmentFooterSize || footer.item_count == 0) return;
  if (footer.index_size < kFrameHeader) return;
  if (footer.filter_size > 0 && footer.filter_size < kFrameHeader) return;
  if (footer.filter_size > 0) {
    seal_frame(segment, footer.filter_offset, footer.filter_size, identity);
  }
  seal_frame(segment, index_offset, footer.index_size, identity);
  segment.replace(segment.size() - kSegmentFooterSize, kSegmentFooterSize,
                  encode(footer, identity));

  const Result<SegmentFooter> decoded = decode_segment_footer(segment, identity);
  if (!decoded.has_value()) return;
  SCOUTFS_ASSERT(*decoded == footer);
  const std::string tail = segment.substr(footer.filter_offset);
  const Result<SegmentDirectory> directory = decode_segment_tail(tail, footer, identity);
  if (!directory.has_value()) return;
  std::string scratch;
  for (std::size_t i = 0; i < directory->frame_count(); ++i) {
    const std::size_t offset = directory->offsets[i];
    const std::size_t size = directory->offsets[i + 1] - offset;
    SCOUTFS_ASSERT(offset + size <= footer.filter_offset);
    if (size < kFrameHeader) continue;
    seal_frame(segment, offset, size, identity);
    const std::string_view frame = std::string_view(segment).substr(offset, size);
    const auto block = decode_data_frame(frame, *directory, i, identity, scratch);
    if (block.has_value()) SCOUTFS_ASSERT(block->count() > 0);
  }
}

}  // namespace
}  // namespace scoutfs::format

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (size == 0) return 0;
  if (data[0] % 2 == 0) {
    scoutfs::format::check_item_block(input.substr(1));
  } else {
    scoutfs::format::check_segment(input.substr(1));
  }
  return 0;
}
