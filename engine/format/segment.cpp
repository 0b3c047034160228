// The bytes of a segment: frames, footer, index.
#include "engine/format/segment.hpp"

#include <zstd.h>

#include <memory>

#include "engine/base/codec.hpp"
#include "engine/format/key_filter.hpp"

namespace scoutfs::format {
namespace {

// zstd's working memory is taken up again by the next call; its output depends on the input
// alone.
ZSTD_CCtx* compressor() {
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
  return context.get();
}
ZSTD_DCtx* decompressor() {
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  return context.get();
}

// A range's last key as the difference from its first.
std::string encode_last(const KeyRange& range) {
  std::string out;
  if (range.last == range.first) return out;
  const std::size_t shared = shared_prefix(range.first, range.last);
  Writer writer(out);
  writer.put_varint(shared);
  writer.put_raw(std::string_view(range.last).substr(shared));
  return out;
}

Result<std::string> decode_last(const std::string& first, std::string_view value) {
  if (value.empty()) return first;
  Reader reader(value);
  const std::uint64_t shared = reader.get_varint();
  const std::string_view rest = reader.rest();
  if (!reader.good() || shared > first.size() || rest.empty()) return fail(Errc::corrupt);
  std::string last = first.substr(0, shared);
  last.append(rest);
  if (last.size() > kKeySizeMax || last <= first) return fail(Errc::corrupt);
  if (shared_prefix(first, last) != shared) return fail(Errc::corrupt);
  return last;
}

Result<std::vector<KeyRange>> decode_coverage(std::string_view bytes) {
  SCOUTFS_TRY(const ItemBlock block, ItemBlock::decode(bytes));
  if (block.count() > kCoverageRangesMax) return fail(Errc::corrupt);
  std::vector<KeyRange> coverage;
  for (std::size_t i = 0; i < block.count(); ++i) {
    if (block.is_tombstone(i)) return fail(Errc::corrupt);
    KeyRange range;
    range.first = block.key(i);
    SCOUTFS_TRY(range.last, decode_last(range.first, block.value_bytes(i)));
    if (i > 0 && range.first <= coverage.back().last) return fail(Errc::corrupt);
    coverage.push_back(std::move(range));
  }
  return coverage;
}

// The offsets of the frames from their sizes.
Result<std::vector<std::uint32_t>> decode_offsets(const ItemBlock& frames, std::uint32_t size) {
  if (!frames.prefix().empty() || !frames.suffix(0).empty()) return fail(Errc::corrupt);
  std::vector<std::uint32_t> offsets;
  offsets.reserve(frames.count() + 1);
  std::uint32_t offset = 0;
  for (std::size_t i = 0; i < frames.count(); ++i) {
    if (frames.is_tombstone(i)) return fail(Errc::corrupt);
    Reader reader(frames.value_bytes(i));
    const std::uint64_t frame_size = reader.get_varint();
    if (!reader.finished()) return fail(Errc::corrupt);
    if (frame_size <= kFrameHeader || frame_size > size - offset) return fail(Errc::corrupt);
    offsets.push_back(offset);
    offset += static_cast<std::uint32_t>(frame_size);
  }
  if (offset != size) return fail(Errc::corrupt);
  offsets.push_back(offset);
  return offsets;
}

}  // namespace

void append_frame(std::string& segment, std::string_view payload, int compression_level) {
  SCOUTFS_ASSERT(!payload.empty());
  const std::size_t begin = segment.size();
  Writer writer(segment);
  writer.put(std::uint64_t{0});
  writer.put(static_cast<std::uint32_t>(payload.size()));
  if (compression_level > 0) {
    const std::size_t body = begin + kFrameHeader;
    segment.resize(body + ZSTD_compressBound(payload.size()));
    const std::size_t size =
        ZSTD_compressCCtx(compressor(), segment.data() + body, segment.size() - body,
                          payload.data(), payload.size(), compression_level);
    SCOUTFS_ASSERT(ZSTD_isError(size) == 0);
    segment.resize(size < payload.size() ? body + size : body);
    if (size < payload.size()) return;
  }
  segment.append(payload);
}

void seal_frame(std::string& segment, std::size_t offset, std::size_t size,
                const SegmentIdentity& identity) {
  const std::string_view covered = std::string_view(segment).substr(offset + 8, size - 8);
  store_little(segment.data() + offset, checksum64(covered, identity.seed(offset)));
}

Result<std::string_view> open_frame(std::string_view frame, std::uint64_t offset,
                                    const SegmentIdentity& identity, std::size_t size_max,
                                    std::string& scratch) {
  if (frame.size() <= kFrameHeader) return fail(Errc::corrupt);
  const auto checksum = load_little<std::uint64_t>(frame.data());
  if (checksum != checksum64(frame.substr(8), identity.seed(offset)))
    return fail(Errc::corrupt);
  const std::size_t raw_size = load_little<std::uint32_t>(frame.data() + 8);
  const std::string_view body = frame.substr(kFrameHeader);
  if (raw_size == body.size()) return body;
  if (raw_size < body.size() || raw_size > size_max) return fail(Errc::corrupt);
  if (scratch.size() < raw_size) scratch.resize(raw_size);
  const std::size_t size =
      ZSTD_decompressDCtx(decompressor(), scratch.data(), raw_size, body.data(), body.size());
  if (ZSTD_isError(size) != 0 || size != raw_size) return fail(Errc::corrupt);
  return std::string_view(scratch).substr(0, raw_size);
}

std::string encode(const SegmentFooter& footer, const SegmentIdentity& identity) {
  std::string out;
  Writer writer(out);
  writer.put(std::uint64_t{0});
  writer.put(kSegmentMagic);
  writer.put(identity.fsid());
  writer.put(identity.where().start);
  writer.put(identity.id());
  writer.put(footer.item_count);
  writer.put(static_cast<std::uint32_t>(identity.where().count));
  writer.put(footer.filter_offset);
  writer.put(footer.filter_size);
  writer.put(footer.index_size);
  SCOUTFS_ASSERT(out.size() == kSegmentFooterSize);
  const std::uint64_t offset = identity.size_bytes() - kSegmentFooterSize;
  store_little(out.data(), checksum64(std::string_view(out).substr(8), identity.seed(offset)));
  return out;
}

Result<SegmentFooter> decode_segment_footer(std::string_view bytes,
                                            const SegmentIdentity& identity) {
  SCOUTFS_ASSERT(bytes.size() >= kSegmentFooterSize);
  const std::string_view image = bytes.substr(bytes.size() - kSegmentFooterSize);
  const std::uint64_t offset = identity.size_bytes() - kSegmentFooterSize;
  Reader reader(image);
  const auto checksum = reader.get<std::uint64_t>();
  if (checksum != checksum64(image.substr(8), identity.seed(offset)))
    return fail(Errc::corrupt);
  if (reader.get<std::uint64_t>() != kSegmentMagic) return fail(Errc::corrupt);
  if (reader.get_id<Fsid>() != identity.fsid()) return fail(Errc::corrupt);
  if (reader.get_id<BlockNo>() != identity.where().start) return fail(Errc::corrupt);
  if (reader.get<std::uint64_t>() != identity.id()) return fail(Errc::corrupt);
  SegmentFooter footer;
  footer.item_count = reader.get<std::uint64_t>();
  if (reader.get<std::uint32_t>() != identity.where().count) return fail(Errc::corrupt);
  footer.filter_offset = reader.get<std::uint32_t>();
  footer.filter_size = reader.get<std::uint32_t>();
  footer.index_size = reader.get<std::uint32_t>();
  SCOUTFS_ASSERT(reader.finished());
  // The parts fill the extent up to less than a block of padding.
  const std::uint64_t used = std::uint64_t{footer.filter_offset} + footer.filter_size +
                             footer.index_size + kSegmentFooterSize;
  if (used > identity.size_bytes()) return fail(Errc::corrupt);
  if (identity.size_bytes() - used >= kBlockSize) return fail(Errc::corrupt);
  if (footer.item_count == 0 || footer.filter_offset == 0) return fail(Errc::corrupt);
  return footer;
}

std::string encode_index(const std::vector<KeyRange>& coverage, std::string_view frames) {
  SCOUTFS_ASSERT(coverage.size() <= kCoverageRangesMax);
  ItemBlockBuilder ranges;
  for (const KeyRange& range : coverage) ranges.add(range.first, encode_last(range));
  const std::string_view bytes = ranges.finish();
  std::string out;
  Writer writer(out);
  writer.put_string(bytes);
  writer.put_raw(frames);
  return out;
}

void add_frame(ItemBlockBuilder& frames, std::string_view separator, std::uint64_t frame_size) {
  std::string value;
  Writer(value).put_varint(frame_size);
  frames.add(separator, value);
}

Result<SegmentDirectory> decode_segment_tail(std::string_view tail, const SegmentFooter& footer,
                                             const SegmentIdentity& identity) {
  SCOUTFS_ASSERT(tail.size() == identity.size_bytes() - footer.filter_offset);
  std::string scratch;
  std::string filter;
  const std::uint64_t index_offset = std::uint64_t{footer.filter_offset} + footer.filter_size;
  if (footer.filter_size > 0) {
    SCOUTFS_TRY(const std::string_view payload,
                open_frame(tail.substr(0, footer.filter_size), footer.filter_offset, identity,
                           0, scratch));
    if (payload.size() != filter_size(footer.item_count)) return fail(Errc::corrupt);
    filter = payload;
  }
  SCOUTFS_TRY(const std::string_view index,
              open_frame(tail.substr(footer.filter_size, footer.index_size), index_offset,
                         identity, kIndexSizeMax, scratch));
  const std::string_view padding = tail.substr(0, tail.size() - kSegmentFooterSize)
                                       .substr(footer.filter_size + footer.index_size);
  if (padding.find_first_not_of('\0') != std::string_view::npos) return fail(Errc::corrupt);

  Reader reader(index);
  const std::string_view ranges = reader.get_string();
  if (!reader.good()) return fail(Errc::corrupt);
  SCOUTFS_TRY(std::vector<KeyRange> coverage, decode_coverage(ranges));
  SCOUTFS_TRY(ItemBlock frames, ItemBlock::decode(reader.rest()));
  SCOUTFS_TRY(std::vector<std::uint32_t> offsets, decode_offsets(frames, footer.filter_offset));
  if ((frames.count() > 1) != (footer.filter_size > 0)) return fail(Errc::corrupt);
  return SegmentDirectory{footer, std::move(coverage), std::move(frames), std::move(offsets),
                          std::move(filter)};
}

Result<ItemBlock> decode_data_frame(std::string_view frame, const SegmentDirectory& directory,
                                    std::size_t index, const SegmentIdentity& identity,
                                    std::string& scratch) {
  SCOUTFS_TRY(const std::string_view payload, open_frame(frame, directory.offsets[index],
                                                         identity, kDataBlockSizeMax, scratch));
  SCOUTFS_TRY(ItemBlock block, ItemBlock::decode(payload));
  const ItemBlock& frames = directory.frames;
  if (block.lower_bound(frames.suffix(index)) != 0) return fail(Errc::corrupt);
  if (index + 1 < frames.count() &&
      block.lower_bound(frames.suffix(index + 1)) != block.count()) {
    return fail(Errc::corrupt);
  }
  return block;
}

}  // namespace scoutfs::format
