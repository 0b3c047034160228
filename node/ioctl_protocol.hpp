// What programs ask of a mounted volume through ioctl(2), on any file or directory of it.
//
// Each request is one structure that goes in and comes back; the kernel copies it as a whole,
// so it is at most 16,383 bytes and longer answers are paged with a cursor. Fields are in host
// order: the two sides are on one host. Unused bytes are zero. The number of a request changes
// when its structure does.
//
// Errors are the errno of ioctl(2): ENOTTY from another filesystem or an older daemon.
#pragma once

#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>

namespace scoutfs::node::protocol {

inline constexpr unsigned kType = 0xe7;  // arbitrary; not among the kernel's documented ones
inline constexpr std::size_t kRequestSizeMax = 16'383;  // bytes; _IOC_SIZEBITS

// Which volume and mount this is.
struct MountInfo {
  std::uint64_t fsid;
  std::uint64_t rid;
  char uuid[16];
  char socket[112];  // path of the admin socket, NUL-terminated; empty: there is none
};

// What stat(2) does not show. `ino` 0 is the file the request is made on; another one needs
// root. Errors: ENOENT, EPERM.
struct StatMore {
  std::uint64_t ino;  // in, out
  std::uint64_t meta_seq;
  std::uint64_t data_seq;
  std::uint64_t data_version;
  std::uint64_t online_blocks;   // 4 KiB each
  std::uint64_t offline_blocks;  // 4 KiB each
  std::uint64_t size;            // bytes
  std::int64_t crtime_seconds;
  std::uint32_t crtime_nanoseconds;
  std::uint32_t mode;
};

// What statfs(2) does not show.
struct StatFsMore {
  std::uint64_t fsid;
  std::uint64_t rid;
  std::uint64_t committed_seq;  // changes up to it are recorded on every node
  std::uint64_t total_blocks;   // 4 KiB each
  std::uint64_t free_blocks;
  std::uint64_t files;
};

struct IndexEntry {
  std::uint64_t seq;
  std::uint64_t ino;
};

// One page of the index of changed inodes: what changed from `first` to `last`, in order. To go
// on, ask again with `first` behind the last entry: (seq, ino + 1). The walk is complete when
// `count` is 0, or with fewer entries than were asked for; nothing above `bound_seq` is
// returned.
struct WalkInodes {
  static constexpr std::size_t kEntriesMax = 960;
  static constexpr std::uint32_t kMetaSeq = 0;
  static constexpr std::uint32_t kDataSeq = 1;
  static constexpr std::uint32_t kWait =
      1;  // have other nodes commit what holds the bound down

  std::uint32_t index;      // in: kMetaSeq or kDataSeq
  std::uint32_t flags;      // in: kWait or 0
  IndexEntry first;         // in
  IndexEntry last;          // in
  std::uint32_t limit;      // in: entries, at most kEntriesMax
  std::uint32_t count;      // out
  std::uint64_t bound_seq;  // out: entries up to it are complete
  char not_answered[512];  // out: nodes that hold the bound down, by name, separated by a space
  IndexEntry entries[kEntriesMax];  // out
};

// The next path of an inode behind (after_dir, after_position), from the root of the volume and
// without a leading slash. Starts with both 0; the answer's values lead to the next. Root only.
// Errors: ENOENT (no more paths), EPERM, ENAMETOOLONG.
struct InoPath {
  static constexpr std::size_t kPathMax = 16'000;  // bytes

  std::uint64_t ino;             // in
  std::uint64_t after_dir;       // in, out
  std::uint64_t after_position;  // in, out
  std::uint32_t path_size;       // out: bytes
  std::uint32_t reserved;
  char path[kPathMax];  // out
};

static_assert(sizeof(MountInfo) == 144);
static_assert(sizeof(StatMore) == 72);
static_assert(sizeof(StatFsMore) == 48);
static_assert(sizeof(WalkInodes) == 15'928);
static_assert(sizeof(InoPath) == 16'032);
static_assert(sizeof(WalkInodes) <= kRequestSizeMax);
static_assert(sizeof(InoPath) <= kRequestSizeMax);

inline constexpr unsigned kMountInfo = _IOR(kType, 1, MountInfo);
inline constexpr unsigned kStatMore = _IOWR(kType, 2, StatMore);
inline constexpr unsigned kStatFsMore = _IOR(kType, 3, StatFsMore);
inline constexpr unsigned kWalkInodes = _IOWR(kType, 4, WalkInodes);
inline constexpr unsigned kInoPath = _IOWR(kType, 5, InoPath);

}  // namespace scoutfs::node::protocol
