// Attributes and open files: getattr, setattr, open, close, sync, statfs.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using lock::Mode;

Task<Result<Attributes>> FileSystem::Impl::getattr(Context context, Ino ino) {
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(const Inode inode, co_await hold_inode(context, hold, ino, Mode::read));
  see(context);
  co_return Attributes{ino, inode};
}

namespace {

void change_attributes(Inode& inode, const SetAttributes& changes, Timespec now) {
  inode.ctime = now;
  if (changes.uid.has_value()) inode.uid = *changes.uid;
  if (changes.gid.has_value()) inode.gid = *changes.gid;
  if (changes.kill_suid && !inode.is_directory()) {
    inode.mode &= ~kSetUserId;
    // Without group execution the bit means something else (mandatory locking).
    if ((inode.mode & kGroupExecute) != 0) inode.mode &= ~kSetGroupId;
  }
  if (changes.mode.has_value()) {
    inode.mode = (inode.mode & format::kTypeMask) | (*changes.mode & ~format::kTypeMask);
  }
  if (changes.size.has_value()) inode.mtime = now;
  if (changes.atime_now) inode.atime = now;
  if (changes.mtime_now) inode.mtime = now;
  if (changes.atime.has_value()) inode.atime = *changes.atime;
  if (changes.mtime.has_value()) inode.mtime = *changes.mtime;
}

}  // namespace

Task<Result<Attributes>> FileSystem::Impl::setattr(Context context, Ino ino,
                                                   SetAttributes changes) {
  if (changes.size.has_value() && *changes.size > kFileSizeMax) {
    co_return fail(Errc::file_too_large);
  }
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(Inode inode, co_await hold_inode(context, hold, ino, Mode::write));
  if (changes.size.has_value()) {
    if (inode.is_directory()) co_return refuse(context, Errc::is_directory);
    if (!inode.is_regular()) co_return refuse(context, Errc::invalid);
    SCOUTFS_CO_CHECK(co_await finish_truncate(hold, ino, inode));
    change_attributes(inode, changes, now());
    SCOUTFS_CO_CHECK(co_await resize(context, hold, ino, inode, *changes.size));
    co_return Attributes{ino, inode};
  }
  client::Reservation reservation;
  reservation.item_bytes = kPutInodeBytes;
  reservation.not_below = not_below({&inode});
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));
  change_attributes(inode, changes, now());
  put_inode(txn, ino, inode, Touch::meta);
  see(context, txn.number());
  co_return Attributes{ino, inode};
}

Task<Result<Attributes>> FileSystem::Impl::open(Context context, Ino ino) {
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(const Inode inode, co_await hold_inode(context, hold, ino, Mode::read));
  store_.opened(ino);
  see(context);
  co_return Attributes{ino, inode};
}

void FileSystem::Impl::close(Ino ino) {
  store_.closed(ino);
  if (store_.is_open(ino)) return;
  // Of what another node unlinked the store tells the last to close it.
  if (unlinked_open_.erase(ino) > 0) delete_later(ino);
}

Task<Result<void>> FileSystem::Impl::sync(Context context) {
  co_return co_await store_.sync(context.cancellation);
}

Task<Result<void>> FileSystem::Impl::publish(Context context) {
  co_return co_await store_.publish(context.cancellation);
}

// Inodes are made where there is space: an empty file with its name takes about 500 bytes.
constexpr std::uint64_t kFilesPerBlock = kBlockSize / 512;

Task<Result<StatFs>> FileSystem::Impl::statfs(Context) {
  SCOUTFS_CO_TRY(const client::Space space, co_await store_.space());
  StatFs stat;
  stat.total_blocks = space.total_blocks;
  stat.free_blocks = space.free_blocks;
  stat.free_files = space.free_blocks * kFilesPerBlock;
  stat.files = stat.free_files + space.inode_high_water;
  co_return stat;
}

}  // namespace scoutfs::fs
