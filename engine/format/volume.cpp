#include "engine/format/volume.hpp"

#include <algorithm>

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"

namespace scoutfs::format {

namespace {

constexpr std::size_t kImageSize = kSuperblockBlocks * kBlockSize;
constexpr std::size_t kFixedSize = 206;   // bytes before the slots
constexpr std::size_t kSegmentSize = 33;  // bytes of one segment
constexpr std::size_t kSlotSize = 7;      // bytes of one slot
static_assert(kFixedSize == 8 + 8 + 8 + 8 + 8 + 10 + 8 + 16 + kSecretSize + 8 + 3 * 16 + 8 + 8 +
                                8 + 8 + 8 + 1 + 1 + 2);
static_assert(kFixedSize + kSlotsMax * kSlotSize + kClusterNameMax +
                  Superblock::kSegmentsMax * kSegmentSize <=
              kImageSize);

// `inner` lies in `outer`, computed without overflow.
bool within(Extent inner, Extent outer) {
  return inner.start >= outer.start && inner.start.value - outer.start.value <= outer.count &&
         inner.count <= outer.count - (inner.start.value - outer.start.value);
}

bool regions_good(const Superblock& superblock) {
  std::uint64_t at = kFirstRegion;
  for (const Extent region : {superblock.journal, superblock.server_area, superblock.space}) {
    if (at > superblock.device_blocks) return false;
    const Extent rest{BlockNo{at}, superblock.device_blocks - at};
    if (!within(region, rest)) return false;
    at = region.end().value;
  }
  return true;
}

// Everything that Superblock's users rely on.
bool good(const Superblock& superblock) {
  if (superblock.cluster.empty()) return false;
  if (superblock.cluster.size() > kClusterNameMax) return false;
  if (superblock.slots.size() > kSlotsMax) return false;
  if (superblock.segments.size() > Superblock::kSegmentsMax) return false;
  for (std::size_t i = 0; i < superblock.slots.size(); ++i) {
    if (superblock.slots[i].slot >= kSlotsMax) return false;
    if (i > 0 && superblock.slots[i - 1].slot >= superblock.slots[i].slot) return false;
  }
  if (!regions_good(superblock)) return false;
  return std::ranges::all_of(superblock.segments, [&](const CheckpointSegment& segment) {
    return segment.where.count > 0 && segment.level <= Superblock::kSegmentLevelMax &&
           within(segment.where, superblock.server_area);
  });
}

// True if `image` is of this project at all, whatever its format hash.
bool recognized(std::string_view image) {
  if (image.size() != kImageSize) return false;
  if (load_little<std::uint64_t>(image.data() + 8) != Superblock::kMagic) return false;
  return load_little<std::uint64_t>(image.data()) == checksum64(image.substr(8), 0);
}

}  // namespace

std::string encode(const Superblock& superblock) {
  SCOUTFS_ASSERT(good(superblock));
  std::string image;
  image.reserve(kImageSize);
  Writer out(image);
  out.put(std::uint64_t{0});
  out.put(Superblock::kMagic);
  out.put(format_hash());
  out.put(superblock.fsid);
  out.put(superblock.checkpoint);
  out.put(superblock.term);
  out.put(superblock.leader);
  out.put_raw({superblock.uuid.data(), superblock.uuid.size()});
  out.put_raw({superblock.secret.data(), superblock.secret.size()});
  out.put(superblock.device_blocks);
  out.put(superblock.journal);
  out.put(superblock.server_area);
  out.put(superblock.space);
  out.put(superblock.slots_version);
  out.put(superblock.journal_position);
  out.put(superblock.journal_block);
  out.put(superblock.journal_chain);
  out.put(superblock.next_record);
  out.put(static_cast<std::uint8_t>(superblock.slots.size()));
  out.put(static_cast<std::uint8_t>(superblock.cluster.size()));
  out.put(static_cast<std::uint16_t>(superblock.segments.size()));
  SCOUTFS_ASSERT(out.size() == kFixedSize);
  for (const SlotConfig& slot : superblock.slots) {
    out.put(slot.slot);
    out.put(slot.address.ip);
    out.put(slot.address.port);
  }
  out.put_raw(superblock.cluster);
  for (const CheckpointSegment& segment : superblock.segments) {
    out.put(segment.where);
    out.put(segment.id);
    out.put(segment.record);
    out.put(segment.level);
  }
  out.pad_to(kImageSize);
  store_little(image.data(), checksum64(std::string_view(image).substr(8), 0));
  return image;
}

Result<Superblock> decode_superblock(std::string_view image) {
  if (!recognized(image)) return fail(Errc::corrupt);
  if (found_format_hash(image) != format_hash()) return fail(Errc::unsupported);

  Reader in(image.substr(24));
  Superblock superblock;
  superblock.fsid = in.get_id<Fsid>();
  superblock.checkpoint = in.get<std::uint64_t>();
  superblock.term = in.get_term();
  superblock.leader = in.get_id<Rid>();
  std::ranges::copy(in.get_raw(superblock.uuid.size()), superblock.uuid.begin());
  std::ranges::copy(in.get_raw(superblock.secret.size()), superblock.secret.begin());
  superblock.device_blocks = in.get<std::uint64_t>();
  superblock.journal = in.get_extent();
  superblock.server_area = in.get_extent();
  superblock.space = in.get_extent();
  superblock.slots_version = in.get<std::uint64_t>();
  superblock.journal_position = in.get<std::uint64_t>();
  superblock.journal_block = in.get<std::uint64_t>();
  superblock.journal_chain = in.get<std::uint64_t>();
  superblock.next_record = in.get_id<RecordNo>();
  const auto slot_count = in.get<std::uint8_t>();
  const auto cluster_size = in.get<std::uint8_t>();
  const auto segment_count = in.get<std::uint16_t>();
  // Before the loops: they are bounded by what a superblock may hold.
  if (slot_count > kSlotsMax || cluster_size > kClusterNameMax ||
      segment_count > Superblock::kSegmentsMax) {
    return fail(Errc::corrupt);
  }
  for (std::size_t i = 0; i < slot_count; ++i) {
    SlotConfig& slot = superblock.slots.emplace_back();
    slot.slot = in.get<std::uint8_t>();
    slot.address.ip = in.get<std::uint32_t>();
    slot.address.port = in.get<std::uint16_t>();
  }
  superblock.cluster = in.get_raw(cluster_size);
  for (std::size_t i = 0; i < segment_count; ++i) {
    CheckpointSegment& segment = superblock.segments.emplace_back();
    segment.where = in.get_extent();
    segment.id = in.get<std::uint64_t>();
    segment.record = in.get_id<RecordNo>();
    segment.level = in.get<std::uint8_t>();
  }
  if (!in.rest_is_zero()) return fail(Errc::corrupt);
  if (!good(superblock)) return fail(Errc::corrupt);
  return superblock;
}

std::uint64_t found_format_hash(std::string_view image) {
  return recognized(image) ? load_little<std::uint64_t>(image.data() + 16) : 0;
}

}  // namespace scoutfs::format
