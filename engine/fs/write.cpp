// File contents: write.
#include <cstring>

#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using lock::Mode;

namespace {

// More than a write of kWriteMax bytes can overlap.
constexpr std::size_t kWriteExtents = FileSystem::kWriteMax / kBlockSize + 4;

}  // namespace

Task<Result<std::uint64_t>> FileSystem::Impl::write(Context context, Ino ino,
                                                    std::optional<std::uint64_t> offset,
                                                    std::string data) {
  if (data.size() > kWriteMax) co_return fail(Errc::invalid);
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(Inode inode, co_await hold_inode(context, hold, ino, Mode::write));
  if (inode.is_directory()) co_return refuse(context, Errc::is_directory);
  if (!inode.is_regular()) co_return refuse(context, Errc::invalid);
  const std::uint64_t at = offset.value_or(inode.size);
  if (at > kFileSizeMax || data.size() > kFileSizeMax - at) {
    co_return refuse(context, Errc::file_too_large);
  }
  if (data.empty()) {
    see(context);
    co_return at;
  }
  SCOUTFS_CO_CHECK(co_await finish_truncate(hold, ino, inode));

  const std::uint64_t end = at + data.size();
  const std::uint64_t first = at / kBlockSize;
  DataChange change(store_, fresh_, ino);
  SCOUTFS_CO_CHECK(co_await change.load(hold.locks(), first, blocks_of(end),
                                        blocks_of(inode.size), kWriteExtents));
  SCOUTFS_ASSERT(change.covered_end() == blocks_of(end));
  SCOUTFS_CO_TRY(std::string blocks,
                 co_await merge_blocks(change, hold.locks(), inode.size, at, std::move(data)));
  client::Reservation reservation;
  reservation.item_bytes = kPutInodeBytes;
  reservation.not_below = not_below({&inode});
  change.reserve_write(reservation, first, blocks_of(end));
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));
  change.write(txn, first, std::move(blocks));
  change.store(txn, inode);
  inode.size = std::max(inode.size, end);
  inode.mtime = inode.ctime = now();
  ++inode.data_version;
  put_inode(txn, ino, inode, Touch::data);
  see(context, txn.number());
  co_return at;
}

// The data as whole blocks: its first and last block filled up with what they hold now, and
// with zeros behind the end of the file.
Task<Result<std::string>> FileSystem::Impl::merge_blocks(DataChange& change,
                                                         const client::Locks& locks,
                                                         std::uint64_t size,
                                                         std::uint64_t offset,
                                                         std::string data) {
  const std::uint64_t end = offset + data.size();
  const std::uint64_t first = offset / kBlockSize;
  const std::uint64_t last = (end - 1) / kBlockSize;
  const bool head = offset % kBlockSize != 0;
  const bool tail = end % kBlockSize != 0;
  if (!head && !tail) co_return data;
  std::string blocks((last - first + 1) * kBlockSize, '\0');
  for (std::uint64_t block = first; block <= last;
       block += std::max<std::uint64_t>(last - first, 1)) {
    const bool partial = (block == first && head) || (block == last && tail);
    if (!partial || block * kBlockSize >= size) continue;
    SCOUTFS_CO_TRY(const std::string old, co_await change.read_block(locks, block));
    const std::size_t valid = std::min<std::uint64_t>(kBlockSize, size - block * kBlockSize);
    std::memcpy(blocks.data() + (block - first) * kBlockSize, old.data(), valid);
  }
  std::memcpy(blocks.data() + (offset - first * kBlockSize), data.data(), data.size());
  co_return blocks;
}

}  // namespace scoutfs::fs
