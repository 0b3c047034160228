// Quorum blocks: who has a slot, whether it is alive, and who leads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "engine/env/fencing.hpp"
#include "engine/format/volume.hpp"

namespace scoutfs::format {

// Contributed to format_description(). Changes with the table below.
inline constexpr std::string_view kQuorumFormat = "quorum 2\n";

// One block a slot, in two alternating copies; only the holder of the slot writes it.
//
//   offset  size  field
//        0     8  checksum        XXH3-64 of bytes [8, 4096), seed mix(fsid, slot)
//        8     8  magic
//       16     8  format hash
//       24     8  write number    grows with each write; its parity is the copy
//       32     2  slot
//       34     8  rid             0: nobody ever had the slot
//       42     8  epoch
//       50     4  ip              where the holder listens
//       54     2  port            0: it does not listen yet
//       56    10  elect           term of the newest election it won; 0 if none
//       66    10  stop            the newest of its terms that ended cleanly
//       76    10  voted           the newest term it gave its vote to
//       86     2  voted for       the slot that got it
//       88     8  leader          rid under which the server of `elect` opens the device
//       96     1  ended           1: the holder left cleanly
//       97     8  slots version   configuration of slots it knows
//      105     8  process
//      113     8  process start
//      121     1  name size, then name, machine, boot: size byte and up to 64 bytes each
//        -     -  zero to the end
struct QuorumBlock {
  static constexpr std::size_t kTextMax = 64;  // bytes of name, machine, boot

  std::uint64_t write_number = 0;
  std::uint16_t slot = 0;
  Incarnation who;
  Address address;
  Term elect, stop;
  Term voted;
  std::uint16_t voted_for = 0;
  Rid leader;  // not of `who` if an earlier holder of the slot won `elect`
  bool ended = false;
  std::uint64_t slots_version = 0;
  HostId host;
  std::string name;
  bool operator==(const QuorumBlock&) const = default;

  // It won an election and has not said that it stopped.
  bool leads() const { return stop < elect; }
  // The incarnation of the server of `elect`.
  Incarnation server() const { return {.rid = leader, .epoch = Epoch{elect.number}}; }
  // `elect` was won by an earlier holder of the slot.
  bool inherited() const;
};

// The incarnation under which the server of `term` opens the device, when the mount that won it
// is `mount`. It is what the storage fences when the leader is deposed; the mount itself goes
// on.
Incarnation leader_incarnation(Incarnation mount, Term term);

// Requires: texts within kTextMax. The image is one block.
std::string encode(const QuorumBlock& block, Fsid fsid);
// Errors: corrupt.
Result<QuorumBlock> decode_quorum_block(std::string_view image, Fsid fsid, std::uint16_t slot);

constexpr BlockNo quorum_block_at(std::uint16_t slot, std::uint64_t write_number) {
  return BlockNo{kQuorumFirst + 2 * slot + write_number % 2};
}

}  // namespace scoutfs::format
