// DataChange: what an operation does to the contents of one file in one transaction.
//
//   DataChange change(store, fresh, ino);
//   SCOUTFS_CO_CHECK(co_await change.load(hold.locks(), inode, first, end, kWindowExtents));
//   ... begin() with change.reserve(...) in the reservation; then, without suspending:
//   change.write(txn, first, bytes);    // whole blocks
//   change.punch(txn, first, end);
//   change.store(txn, inode);           // extent and checksum items; inode.online_blocks
//
// Blocks go to newly allocated places, save those that are fresh or allocated but unwritten.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/client/store.hpp"
#include "engine/fs/extents.hpp"
#include "engine/fs/fresh_blocks.hpp"

namespace scoutfs::fs {

class DataChange {
 public:
  // Extents changed by one transaction of a long punch or truncate; bounds its items.
  static constexpr std::size_t kWindowExtents = 256;

  DataChange(client::Store& store, FreshBlocks& fresh, Ino ino)
      : store_(store), fresh_(fresh), ino_(ino) {}

  // Reads the extents of [first, end) and their neighbours, at most about `limit`; if there are
  // more, covered_end() is lower. Enough for allocate(). Errors: those of the store, corrupt.
  Task<Result<void>> load_extents_only(const client::Locks& locks, std::uint64_t first,
                                       std::uint64_t end, std::size_t limit);
  // Reads extents and checksums of [first, end), all of which will be written or punched,
  // unless the extents are more than `limit`: then covered_end() is lower. `written_end` is the
  // block behind the last one that can hold data. Errors: those of the store, corrupt.
  Task<Result<void>> load(const client::Locks& locks, std::uint64_t first, std::uint64_t end,
                          std::uint64_t written_end, std::size_t limit);
  std::uint64_t covered_end() const { return covered_end_; }
  const ExtentWindow& extents() const { return window_; }
  bool is_written(std::uint64_t block) const {
    const FileExtent* extent = window_.find(block);
    return extent != nullptr && extent->written();
  }

  // The bytes of one block, zeros where nothing is written. Errors: those of the store,
  // corrupt.
  Task<Result<std::string>> read_block(const client::Locks& locks, std::uint64_t block);

  // Adds what writing [first, end) needs; and what punching the whole window does.
  void reserve_write(client::Reservation& reservation, std::uint64_t first,
                     std::uint64_t end) const;
  void reserve_punch(client::Reservation& reservation) const;
  void reserve_allocate(client::Reservation& reservation, std::size_t extents) const;

  void write(client::Txn& txn, std::uint64_t first, std::string bytes);
  void punch(client::Txn& txn, std::uint64_t first, std::uint64_t end);
  // Fills an unmapped stretch with unwritten extents as far as `blocks` and `extents` go, both
  // of which it counts down. Returns the block behind what it filled.
  std::uint64_t allocate(client::Txn& txn, std::uint64_t first, std::uint64_t end,
                         std::uint64_t& blocks, std::size_t& extents);
  void store(client::Txn& txn, format::Inode& inode);

 private:
  struct Chunk {
    std::uint64_t number;
    std::string checksums;
  };
  Task<Result<void>> load_chunk(const client::Locks& locks, std::uint64_t number,
                                bool replaced);
  Chunk& chunk_of(std::uint64_t block);
  void set_checksum(std::uint64_t block, std::uint64_t checksum);
  // How many blocks from `block` on, at most `count`, can be written where they are.
  std::uint64_t in_place(client::Txn& txn, std::uint64_t block, std::uint64_t count,
                         BlockNo& where);
  void write_in_place(client::Txn& txn, std::uint64_t block, BlockNo where, std::string bytes);
  void write_new(client::Txn& txn, std::uint64_t block, std::string bytes);
  void write_at(client::Txn& txn, std::uint64_t block, BlockNo where, std::string bytes);
  void give_back(client::Txn& txn, std::uint64_t first, std::uint64_t end);

  client::Store& store_;
  FreshBlocks& fresh_;
  Ino ino_;
  std::uint64_t covered_end_ = 0;
  ExtentWindow window_;
  std::vector<Chunk> chunks_;  // ascending
};

struct LoadedExtents {
  std::vector<FileExtent> extents;
  std::uint64_t covered_end = 0;  // all extents that begin below it are there
};
// The extents that overlap [first, end), at most about `limit`. Errors: those of scan(),
// corrupt.
Task<Result<LoadedExtents>> load_extents(client::Store& store, const client::Locks& locks,
                                         Ino ino, std::uint64_t first, std::uint64_t end,
                                         std::size_t limit);

// The checksum of a block in a checksum item's value; 0 if it has none.
std::uint64_t checksum_in(std::string_view checksums, std::uint64_t block);

}  // namespace scoutfs::fs
