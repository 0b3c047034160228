// The superblock: what a volume is, where its regions lie, and its newest checkpoint.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "engine/env/network.hpp"

namespace scoutfs::format {

// Identifies the on-disk and the wire format: XXH3-64, seed 0, of format_description(). Mount
// and connect refuse another one.
std::uint64_t format_hash();
// One line for each format, with its version and fields; format_hash.cpp gathers them.
std::string_view format_description();

// Contributed to format_description(). Changes with the table at encode() below.
inline constexpr std::string_view kSuperblockFormat =
    "superblock 1: at 16 and 32, 16 blocks, checksum magic hash fsid checkpoint term leader "
    "uuid "
    "secret device journal area space slots-version position block chain next-record slots "
    "cluster "
    "segments\n";

inline constexpr std::size_t kSlotsMax = 15;
inline constexpr std::size_t kClusterNameMax = 64;  // bytes
inline constexpr std::size_t kSecretSize = 32;      // bytes

// The device is laid out in this order; each region is a run of blocks.
//
//   blocks                    what
//   16 .. 47                  superblock, two alternating copies of 16 blocks
//   48 .. 48 + 2 * 15 - 1     quorum blocks, two alternating copies for each slot
//   journal                   the ring of the server tree's journal
//   server area               segments of the server tree
//   rest                      everything else: segments of the main tree, and file data
inline constexpr std::uint64_t kSuperblockFirst = 16;
inline constexpr std::uint64_t kSuperblockBlocks = 16;  // of one copy
inline constexpr std::uint64_t kQuorumFirst = kSuperblockFirst + 2 * kSuperblockBlocks;
inline constexpr std::uint64_t kFirstRegion = kQuorumFirst + 2 * kSlotsMax;
inline constexpr std::uint64_t kDeviceBlocksMin = 4096;  // 16 MiB

// One segment of the server tree, as the checkpoint lists it.
struct CheckpointSegment {
  Extent where;
  std::uint64_t id = 0;  // identity mixed into the segment's checksums
  RecordNo record;       // orders the segments of level 0
  std::uint8_t level = 0;
  bool operator==(const CheckpointSegment&) const = default;
};

struct SlotConfig {
  std::uint8_t slot = 0;
  Address address;
  bool operator==(const SlotConfig&) const = default;
};

struct Superblock {
  static constexpr std::uint64_t kMagic =
      0x5043'5346'4f55'5453;  // arbitrary, of this format only
  static constexpr std::size_t kSegmentsMax = 1000;
  static constexpr std::uint8_t kSegmentLevelMax = 7;

  // Written by mkfs, never changed.
  Fsid fsid;
  std::array<char, 16> uuid{};
  std::string cluster;  // cluster name, 1 to kClusterNameMax bytes
  std::array<char, kSecretSize> secret{};
  std::uint64_t device_blocks = 0;
  Extent journal;
  Extent server_area;
  Extent space;  // what the free-space map begins with
  // Empty: slots are given out as hosts join.
  std::vector<SlotConfig> slots;
  std::uint64_t slots_version = 1;

  // The newest checkpoint.
  std::uint64_t checkpoint = 0;        // grows by one; its parity is the copy it is written to
  Term term;                           // of the leader that wrote it
  Rid leader;                          // the incarnation that wrote it
  std::uint64_t journal_position = 0;  // the first journal record that is not in the segments
  std::uint64_t journal_block = 0;  // where that record begins; see engine/format/journal.hpp
  std::uint64_t journal_chain = 0;  // checksum of the record before it; 0 if there is none
  RecordNo next_record;             // of the server tree's level 0
  std::vector<CheckpointSegment> segments;

  bool operator==(const Superblock&) const = default;
};

// The image of one copy: kSuperblockBlocks * kBlockSize bytes.
//
//   offset  size  field
//        0     8  checksum         XXH3-64 of bytes [8, 65536), seed 0
//        8     8  magic
//       16     8  format hash
//       24     8  fsid
//       32     8  checkpoint number
//       40     8  term number
//       48     2  term slot
//       50     8  leader rid
//       58    16  uuid
//       74    32  secret
//      106     8  device blocks
//      114    16  journal           start block, block count
//      130    16  server area       start block, block count
//      146    16  space             start block, block count
//      162     8  slots version
//      170     8  journal position
//      178     8  journal block
//      186     8  journal chain
//      194     8  next record
//      202     1  slot count        at most 15
//      203     1  cluster name size 1 to 64
//      204     2  segment count     at most 1000
//      206     -  slots             {u8 slot, u32 ip, u16 port} each, ascending by slot
//        -     -  cluster name
//        -     -  segments          33 bytes each: {start, count, id, record: u64, u8 level}
//        -     -  zero to the end
//
// What decode_superblock() also checks: the three regions lie in the device in the order above,
// behind kFirstRegion, and do not overlap; each segment is not empty and lies in the server
// area; levels are at most kSegmentLevelMax; slots are below kSlotsMax.
//
// Requires: all of that holds.
std::string encode(const Superblock& superblock);

// Errors: corrupt (checksum, magic, or a field that encode() cannot have written),
//         unsupported (another format hash; found_format_hash tells which).
Result<Superblock> decode_superblock(std::string_view image);
// The format hash of an image whose checksum and magic are good; 0 otherwise.
std::uint64_t found_format_hash(std::string_view image);

// Block of the copy that checkpoint number `checkpoint` is written to.
constexpr BlockNo superblock_at(std::uint64_t checkpoint) {
  return BlockNo{kSuperblockFirst + (checkpoint % 2) * kSuperblockBlocks};
}

}  // namespace scoutfs::format
