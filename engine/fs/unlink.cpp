// Names: unlink and rmdir.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using format::Dirent;
using lock::Mode;

Task<Result<void>> FileSystem::Impl::remove(Context context, Ino dir, std::string name,
                                            Victim kind) {
  SCOUTFS_CO_CHECK(check_name(name));
  const bool directory = kind == Victim::directory;
  Hold hold(store_, inodes_);
  Ino target = guesses_.find(dir, name);
  for (;;) {
    hold.want(dir, Mode::write);
    hold.want(target, Mode::write);
    SCOUTFS_CO_CHECK(co_await hold.acquire(context.cancellation));
    SCOUTFS_CO_TRY(Inode parent, co_await live_directory(context, hold.locks(), dir));
    SCOUTFS_CO_TRY(const std::optional<Dirent> entry,
                   co_await find_entry(hold.locks(), dir, name));
    if (!entry.has_value()) co_return refuse(context, Errc::not_found);
    const bool is_directory = entry->type == format::kTypeDirectory;
    if (directory && !is_directory) co_return refuse(context, Errc::not_directory);
    if (!directory && is_directory) co_return refuse(context, Errc::is_directory);
    target = entry->ino;
    if (!hold.try_add(target, Mode::write)) {
      co_await hold.back_off();
      continue;
    }
    SCOUTFS_CO_TRY(Inode inode, co_await target_inode(hold.locks(), target));
    if (directory && inode.size != 0) co_return refuse(context, Errc::not_empty);

    const bool last = directory || inode.nlink == 1;
    Removal removal;
    if (last) {
      SCOUTFS_CO_TRY(removal, co_await plan_removal(hold.locks(), target));
    }
    client::Reservation reservation;
    reservation.purpose = client::Reservation::Purpose::frees_space;
    reservation.item_bytes =
        2 * kPutInodeBytes + kOrphanKeyBytes + entry_bytes(name.size()) + removal.item_bytes;
    reservation.not_below = not_below({&parent, &inode});
    SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));

    parent.size -= name.size();
    parent.mtime = parent.ctime = inode.ctime = now();
    if (directory) --parent.nlink;
    put_inode(txn, dir, parent, Touch::meta);
    erase_entry(txn, dir, *entry);
    if (last) {
      apply_removal(txn, target, inode, removal);
    } else {
      --inode.nlink;
      put_inode(txn, target, inode, Touch::meta);
    }
    see(context, txn.number());
    if (last) settle_unlinked(hold.locks(), target, removal);
    co_return Result<void>();
  }
}

}  // namespace scoutfs::fs
