// Values of filesystem items.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs::format {

// Seconds since 1970 and nanoseconds within the second.
struct Timespec {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  constexpr auto operator<=>(const Timespec&) const = default;
};

// POSIX file type bits of Inode::mode, as in struct stat.
inline constexpr std::uint32_t kTypeMask = 0170000;
inline constexpr std::uint32_t kTypeFifo = 0010000;
inline constexpr std::uint32_t kTypeCharacter = 0020000;
inline constexpr std::uint32_t kTypeDirectory = 0040000;
inline constexpr std::uint32_t kTypeBlock = 0060000;
inline constexpr std::uint32_t kTypeRegular = 0100000;
inline constexpr std::uint32_t kTypeSymlink = 0120000;
inline constexpr std::uint32_t kTypeSocket = 0140000;

// A truncate is in progress: blocks at and above the size are still to be freed. Whoever takes
// the inode's write lock finishes it first.
inline constexpr std::uint32_t kInodeTruncating = 1;

inline constexpr std::uint64_t kFirstPosition = 2;  // readdir positions 0 and 1 are . and ..

// Contributed to format_description(). Changes with the tables of this file.
inline constexpr std::string_view kInodeFormat = "inode 1: 170 bytes\n";

// Encoded size 170 bytes, little-endian:
//
//   offset  size  field
//        0     8  size             bytes; of a directory the sum of its names' lengths; of a
//                                  symlink its target's length
//        8     8  meta_seq
//       16     8  data_seq         0 unless a regular file
//       24     8  data_version
//       32     8  online_blocks    4 KiB blocks of written extents
//       40     8  offline_blocks   4 KiB blocks of offline extents
//       48     8  next_position    readdir position of the directory's next entry
//       56     8  parent           of a directory: the directory that holds it; the root's is
//       itself 64     4  nlink 68     4  uid 72     4  gid 76     4  mode             type and
//       permission bits 80     8  rdev             major << 32 | minor 88     4  flags 92    12
//       atime            i64 seconds, u32 nanoseconds
//      104    12  mtime
//      116    12  ctime
//      128    12  crtime
//      140     4  xattr_count      attributes, not parts
//      144     8  project          0: none
//      152    18  reserved         0
struct Inode {
  static constexpr std::size_t kSize = 170;  // bytes

  std::uint64_t size = 0;
  Seq meta_seq;
  Seq data_seq;
  std::uint64_t data_version = 0;
  std::uint64_t online_blocks = 0;
  std::uint64_t offline_blocks = 0;
  std::uint64_t next_position = kFirstPosition;
  Ino parent;
  std::uint32_t nlink = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t mode = 0;
  std::uint64_t rdev = 0;
  std::uint32_t flags = 0;
  Timespec atime, mtime, ctime, crtime;
  std::uint32_t xattr_count = 0;
  std::uint64_t project = 0;

  bool operator==(const Inode&) const = default;
  bool is_directory() const { return (mode & kTypeMask) == kTypeDirectory; }
  bool is_regular() const { return (mode & kTypeMask) == kTypeRegular; }
  bool is_symlink() const { return (mode & kTypeMask) == kTypeSymlink; }
};
std::string encode(const Inode& inode);
// Errors: corrupt.
Result<Inode> decode_inode(std::string_view value);

// One directory entry; its three items (dirent by name, readdir by position, backref at the
// target) carry the same value, so each finds the other two.
//
//   offset  size  field
//        0     8  ino       target
//        8     8  position  in the directory; never reused
//       16     4  type      type bits of the target's mode
//       20     -  name      1 to 255 bytes, neither '/' nor NUL
struct Dirent {
  Ino ino;
  std::uint64_t position = 0;
  std::uint32_t type = 0;
  std::string name;
  bool operator==(const Dirent&) const = default;
};
std::string encode(const Dirent& dirent);
Result<Dirent> decode_dirent(std::string_view value);

// A run of file blocks. The key holds the first file block.
//
//   offset  size  field
//        0     8  device block  0 if the extent is offline
//        8     8  count         blocks, > 0
//       16     1  flags         kExtentUnwritten, kExtentOffline
struct ExtentValue {
  BlockNo start;
  std::uint64_t count = 0;
  std::uint8_t flags = 0;
  bool operator==(const ExtentValue&) const = default;
};
inline constexpr std::uint8_t kExtentUnwritten = 1;  // allocated; reads as zero
inline constexpr std::uint8_t kExtentOffline = 2;    // the data is in the archive
std::string encode(const ExtentValue& extent);
Result<ExtentValue> decode_extent(std::string_view value);

// Checksums of a chunk of kChecksumChunk file blocks: u64 each, little-endian, up to the last
// block that has one; 0 where the block has none. A block's checksum is data_checksum() of its
// bytes.
std::uint64_t data_checksum(std::string_view block, BlockNo where);  // never 0

// Pieces of an xattr's value: at most kXattrPart bytes each, all but the last full; an empty
// value has one empty part. The first byte of part 0 is the number of parts.
inline constexpr std::size_t kXattrPart = 16u << 10;  // bytes
inline constexpr std::size_t kXattrValueMax = 65535;  // bytes

}  // namespace scoutfs::format
