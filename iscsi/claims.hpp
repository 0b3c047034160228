// Claims: which incarnations may register again after the target forgot them.
//
// Registrations do not outlive everything: some targets keep them in memory alone, some bind
// them to a session. Who then finds itself unknown may have been fenced, or merely forgotten.
// The disk itself tells which: every registrant has a cell of its own in the first blocks of
// the unit, which nobody else uses, and a fence empties the victim's cell before it takes the
// key.
//
// A cell has one writer at a time, or does harm to nobody but its owner: two newcomers that
// take the same cell, or one that takes a cell while a fence empties it, lose no more than the
// right to come back. Nothing is ever read, changed and written back that somebody else's cell
// is part of: cells are units of the disk's own writing.
//
//   offset  size  field            one block of the logical unit, at least 512 bytes
//        0     8  checksum         XXH3-64 of bytes [8, 32), seed: the cell's number
//        8     8  magic
//       16     8  key              0: the cell is free
//       24     8  zero
//        -     -  zero to the end
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scoutfs::iscsi {

// A registered key; never 0.
using ReservationKey = std::uint64_t;

// In bytes of the unit. Before and behind it blocks are left to others (boot sectors; the block
// that `scoutfs fence test` writes).
inline constexpr std::uint64_t kClaimsBegin = 4096;
inline constexpr std::uint64_t kClaimsEnd = 15 * 4096;

// The cells as they were read.
class Claims {
 public:
  // `bytes` are those of [kClaimsBegin, kClaimsEnd). Requires: cell_size divides 4096.
  Claims(std::string_view bytes, std::size_t cell_size);

  // Whose it is; 0: nobody's. What no registrant wrote is nobody's, too.
  ReservationKey owner(std::size_t cell) const { return owners_[cell]; }
  std::size_t count() const { return owners_.size(); }
  std::vector<std::size_t> cells_of(ReservationKey key) const;
  // Where `key` may put its claim: a free cell, or one whose owner is not in `registered`, and
  // so has been fenced, has left or died. nullopt: there is none.
  std::optional<std::size_t> place_for(ReservationKey key,
                                       const std::vector<ReservationKey>& registered) const;

 private:
  std::vector<ReservationKey> owners_;
};

// What is written into a cell; a key of 0 empties it.
std::string encode_claim(std::size_t cell, ReservationKey key, std::size_t cell_size);

}  // namespace scoutfs::iscsi
