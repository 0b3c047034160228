// Truncate.
//
// Growing sets the size. Shrinking sets it, zeroes the rest of the last block and frees the
// blocks behind, in one transaction if they are few. If they are many, the same transaction
// sets a flag, later ones free the rest, and the last clears the flag. The flag is the intent:
// whoever holds the inode for write and needs its extents finishes first. Nothing at or above
// the size is ever read.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

Task<Result<void>> FileSystem::Impl::resize(const Context& context, Hold& hold, Ino ino,
                                            Inode& inode, std::uint64_t size) {
  if (size <= inode.size) co_return co_await shrink(context, hold, ino, inode, size);
  client::Reservation reservation;
  reservation.item_bytes = kPutInodeBytes;
  reservation.not_below = not_below({&inode});
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));
  inode.size = size;
  ++inode.data_version;
  put_inode(txn, ino, inode, Touch::data);
  see(context, txn.number());
  co_return Result<void>();
}

Task<Result<void>> FileSystem::Impl::shrink(const Context& context, Hold& hold, Ino ino,
                                            Inode& inode, std::uint64_t size) {
  const std::uint64_t end = blocks_of(size);
  // A size that stays leaves its last block alone; what is behind it is freed all the same.
  const bool tail = size % kBlockSize != 0 && size < inode.size;
  DataChange change(store_, fresh_, ino);
  const std::uint64_t first = tail ? end - 1 : end;
  if (first < kMaxFileBlocks) {
    SCOUTFS_CO_CHECK(co_await change.load(hold.locks(), first, kMaxFileBlocks,
                                          blocks_of(inode.size), DataChange::kWindowExtents));
  }
  std::string last_block;
  const FileExtent* extent = tail ? change.extents().find(first) : nullptr;
  if (extent != nullptr && extent->written()) {
    SCOUTFS_CO_TRY(last_block, co_await change.read_block(hold.locks(), first));
    last_block.resize(size % kBlockSize);
    last_block.resize(kBlockSize, '\0');
  }

  client::Reservation reservation;
  reservation.purpose = client::Reservation::Purpose::frees_space;
  reservation.item_bytes = kPutInodeBytes;
  reservation.not_below = not_below({&inode});
  if (!last_block.empty()) change.reserve_write(reservation, first, first + 1);
  change.reserve_punch(reservation);
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));
  if (!last_block.empty()) change.write(txn, first, std::move(last_block));
  if (end < change.covered_end()) change.punch(txn, end, change.covered_end());
  change.store(txn, inode);
  if (first < kMaxFileBlocks && change.covered_end() < kMaxFileBlocks) {
    inode.flags |= format::kInodeTruncating;
  }
  if (size != inode.size) ++inode.data_version;
  inode.size = size;
  put_inode(txn, ino, inode, Touch::data);
  see(context, txn.number());

  // It has taken effect; what goes wrong from here on leaves the flag for the next writer.
  const Result<void> finished = co_await finish_truncate(hold, ino, inode);
  if (!finished.has_value()) {
    store_.env().log.warn("inode {}: truncate to be finished later: {}", ino.value,
                          to_string(finished.error().code));
  }
  co_return Result<void>();
}

Task<Result<void>> FileSystem::Impl::finish_truncate(Hold& hold, Ino ino, Inode& inode) {
  while ((inode.flags & format::kInodeTruncating) != 0) {
    SCOUTFS_CO_CHECK(co_await finish_truncate_step(hold.locks(), ino, inode));
  }
  co_return Result<void>();
}

Task<Result<void>> FileSystem::Impl::finish_truncate_step(const client::Locks& locks, Ino ino,
                                                          Inode& inode) {
  const std::uint64_t end = blocks_of(inode.size);
  SCOUTFS_ASSERT(end < kMaxFileBlocks);
  DataChange change(store_, fresh_, ino);
  SCOUTFS_CO_CHECK(co_await change.load(locks, end, kMaxFileBlocks, kMaxFileBlocks,
                                        DataChange::kWindowExtents));
  client::Reservation reservation;
  reservation.purpose = client::Reservation::Purpose::frees_space;
  reservation.item_bytes = kPutInodeBytes;
  reservation.not_below = not_below({&inode});
  change.reserve_punch(reservation);
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, nullptr));
  change.punch(txn, end, change.covered_end());
  change.store(txn, inode);
  if (change.covered_end() == kMaxFileBlocks) inode.flags &= ~format::kInodeTruncating;
  put_inode(txn, ino, inode, Touch::meta);
  co_return Result<void>();
}

}  // namespace scoutfs::fs
