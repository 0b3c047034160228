// File contents: fallocate. Preallocation and holes.
//
// Both go piece by piece, a transaction each, under one hold of the locks. The last piece is
// the one that moves the size, so others see all of it or nothing; a crash may leave a part.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using lock::Mode;

namespace {

constexpr std::uint64_t kPieceBlocks = 32768;  // 128 MiB, in one transaction
constexpr std::size_t kPieceExtents = 512;     // new extents, likewise

struct Gap {
  std::uint64_t first;
  std::uint64_t end;
};

// What is not mapped between the blocks.
std::vector<Gap> gaps_in(const ExtentWindow& window, std::uint64_t first, std::uint64_t end) {
  std::vector<Gap> gaps;
  for (const FileExtent& extent : window.now()) {
    if (extent.end() <= first || extent.first >= end) continue;
    if (extent.first > first) gaps.push_back({first, extent.first});
    first = extent.end();
  }
  if (first < end) gaps.push_back({first, end});
  return gaps;
}

}  // namespace

Task<Result<void>> FileSystem::Impl::fallocate(Context context, Ino ino, FallocateMode mode,
                                               std::uint64_t offset, std::uint64_t length) {
  if (mode.punch_hole && !mode.keep_size) co_return fail(Errc::operation_unknown);
  if (length == 0) co_return fail(Errc::invalid);
  if (offset > kFileSizeMax || length > kFileSizeMax - offset) {
    co_return fail(Errc::file_too_large);
  }
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(Inode inode, co_await hold_inode(context, hold, ino, Mode::write));
  if (!inode.is_regular()) co_return refuse(context, Errc::invalid);
  SCOUTFS_CO_CHECK(co_await finish_truncate(hold, ino, inode));
  if (mode.punch_hole) co_return co_await punch(context, hold, ino, inode, offset, length);
  co_return co_await preallocate(context, hold, ino, inode, mode.keep_size, offset, length);
}

Task<Result<void>> FileSystem::Impl::preallocate(const Context& context, Hold& hold, Ino ino,
                                                 Inode inode, bool keep_size,
                                                 std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = blocks_of(offset + length);
  std::uint64_t block = offset / kBlockSize;
  std::uint64_t budget = kPieceBlocks;
  while (block < end) {
    DataChange change(store_, fresh_, ino);
    const std::uint64_t piece_end = std::min(end, block + kPieceBlocks);
    SCOUTFS_CO_CHECK(co_await change.load_extents_only(hold.locks(), block, piece_end,
                                                       DataChange::kWindowExtents));
    const std::vector<Gap> gaps = gaps_in(change.extents(), block, change.covered_end());
    std::uint64_t missing = 0;
    for (const Gap& gap : gaps) missing += gap.end - gap.first;
    if (missing == 0 && change.covered_end() < end) {
      block = change.covered_end();
      continue;
    }
    client::Reservation reservation;
    reservation.data_blocks = std::min(missing, budget);
    reservation.item_bytes = kPutInodeBytes;
    reservation.not_below = not_below({&inode});
    change.reserve_allocate(reservation, kPieceExtents);
    Result<client::Txn> txn = co_await store_.begin(reservation, context.cancellation);
    if (failed_with(txn, Errc::no_space) && reservation.data_blocks > 1) {
      budget = reservation.data_blocks / 2;  // all that there is shall be used
      continue;
    }
    if (!txn.has_value()) co_return std::unexpected(txn.error());

    std::uint64_t left = reservation.data_blocks;
    std::size_t extents = kPieceExtents;
    block = change.covered_end();
    for (const Gap& gap : gaps) {
      const std::uint64_t reached = change.allocate(*txn, gap.first, gap.end, left, extents);
      if (reached == gap.end) continue;
      block = reached;
      break;
    }
    const bool last = block >= end;
    inode.ctime = now();
    Touch touch = Touch::meta;
    if (last && !keep_size && offset + length > inode.size) {
      inode.size = offset + length;
      inode.mtime = inode.ctime;
      ++inode.data_version;
      touch = Touch::data;
    }
    change.store(*txn, inode);
    put_inode(*txn, ino, inode, touch);
    if (last) see(context, txn->number());
  }
  co_return Result<void>();
}

Task<Result<void>> FileSystem::Impl::punch(const Context& context, Hold& hold, Ino ino,
                                           Inode inode, std::uint64_t offset,
                                           std::uint64_t length) {
  const std::uint64_t end = offset + length;
  const std::uint64_t last_end = blocks_of(end);
  std::uint64_t block = offset / kBlockSize;
  // Partial blocks keep the bytes outside of the hole. Behind the end of the file there are
  // none.
  const bool head = offset % kBlockSize != 0;
  const bool tail = end % kBlockSize != 0 && end < inode.size;
  const std::uint64_t whole_first = block + (head ? 1 : 0);
  const std::uint64_t whole_end = last_end - (tail ? 1 : 0);
  while (block < last_end) {
    DataChange change(store_, fresh_, ino);
    SCOUTFS_CO_CHECK(co_await change.load(hold.locks(), block, last_end, blocks_of(inode.size),
                                          DataChange::kWindowExtents));
    const std::uint64_t covered = change.covered_end();
    std::string first_block, last_block;
    const bool has_head = head && block < whole_first && change.is_written(block);
    const bool has_tail = tail && covered == last_end && change.is_written(last_end - 1) &&
                          !(has_head && last_end - 1 == block);
    if (has_head) {
      SCOUTFS_CO_TRY(first_block, co_await change.read_block(hold.locks(), block));
      const std::uint64_t from = offset % kBlockSize;
      const std::uint64_t to = last_end - 1 == block && tail ? end % kBlockSize : kBlockSize;
      std::fill(first_block.begin() + static_cast<std::ptrdiff_t>(from),
                first_block.begin() + static_cast<std::ptrdiff_t>(to), '\0');
    }
    if (has_tail) {
      SCOUTFS_CO_TRY(last_block, co_await change.read_block(hold.locks(), last_end - 1));
      std::fill_n(last_block.begin(), end % kBlockSize, '\0');
    }
    client::Reservation reservation;
    reservation.purpose = client::Reservation::Purpose::frees_space;
    reservation.item_bytes = kPutInodeBytes;
    reservation.not_below = not_below({&inode});
    change.reserve_punch(reservation);
    if (has_head) change.reserve_write(reservation, block, block + 1);
    if (has_tail) change.reserve_write(reservation, last_end - 1, last_end);
    SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));

    if (has_head) change.write(txn, block, std::move(first_block));
    if (has_tail) change.write(txn, last_end - 1, std::move(last_block));
    const std::uint64_t from = std::max(block, whole_first);
    const std::uint64_t to = std::min(covered, whole_end);
    if (from < to) change.punch(txn, from, to);
    change.store(txn, inode);
    inode.mtime = inode.ctime = now();
    ++inode.data_version;
    put_inode(txn, ino, inode, Touch::data);
    block = covered;
    if (block >= last_end) see(context, txn.number());
  }
  co_return Result<void>();
}

}  // namespace scoutfs::fs
