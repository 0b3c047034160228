// Strong identifiers: integers that cannot be swapped for one another.
#pragma once

#include <compare>
#include <cstdint>

namespace scoutfs {

// A 64-bit identifier of one kind. Zero is "none" for every kind unless its line says
// otherwise.
template <class Tag>
struct Id {
  std::uint64_t value = 0;

  constexpr auto operator<=>(const Id&) const = default;
  constexpr explicit operator bool() const { return value != 0; }
  // The id that follows. Requires: not the largest.
  constexpr Id next() const { return Id{value + 1}; }
};

using Ino = Id<struct InoTag>;          // inode number; the root is 1; never reused
using Seq = Id<struct SeqTag>;          // transaction sequence number, orders the change index
using BlockNo = Id<struct BlockNoTag>;  // device block of kBlockSize bytes, counted from 0
using Rid = Id<struct RidTag>;          // one incarnation of a mount, drawn at random
using Epoch = Id<struct EpochTag>;      // grows with each mount in one slot
using TxnNo = Id<struct TxnNoTag>;      // transactions of one rid, 1, 2, 3, ...
using RecordNo = Id<struct RecordNoTag>;    // order in which the leader recorded segments
using Version = Id<struct VersionTag>;      // manifest version: grows with each recorded change
using GrantId = Id<struct GrantIdTag>;      // one grant of a lock or of space
using JobId = Id<struct JobIdTag>;          // one compaction job
using RequestId = Id<struct RequestIdTag>;  // one request of a session
using Fsid = Id<struct FsidTag>;            // one volume, drawn at random by mkfs

// A leader's term. The slot makes it unique without a vote count.
struct Term {
  std::uint64_t number = 0;
  std::uint16_t slot = 0;
  constexpr auto operator<=>(const Term&) const = default;
};

// The identity that is fenced: one incarnation of one mount (DESIGN 8).
struct Incarnation {
  Rid rid;
  Epoch epoch;
  constexpr auto operator<=>(const Incarnation&) const = default;
};

inline constexpr Ino kRootIno{1};
inline constexpr std::size_t kBlockSize = 4096;  // bytes; the unit of atomic write

// A run of device blocks. Empty when count is 0.
struct Extent {
  BlockNo start;
  std::uint64_t count = 0;  // blocks
  constexpr BlockNo end() const { return BlockNo{start.value + count}; }
  constexpr auto operator<=>(const Extent&) const = default;
};

}  // namespace scoutfs
