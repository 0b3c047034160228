// Names: lookup, create, link, readlink, readdir.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using format::Dirent;
using lock::Mode;

Task<Result<Attributes>> FileSystem::Impl::lookup(Context context, Ino dir, std::string name) {
  SCOUTFS_CO_CHECK(check_name(name));
  Hold hold(store_, inodes_);
  Ino target = guesses_.find(dir, name);
  for (;;) {
    hold.want(dir, Mode::read);
    hold.want(target, Mode::read);
    SCOUTFS_CO_CHECK(co_await hold.acquire(context.cancellation));
    SCOUTFS_CO_TRY(const std::optional<Dirent> entry,
                   co_await find_entry(hold.locks(), dir, name));
    if (!entry.has_value()) {
      SCOUTFS_CO_CHECK(co_await live_directory(context, hold.locks(), dir));
      co_return refuse(context, Errc::not_found);
    }
    if (target != entry->ino) {
      target = entry->ino;
      guesses_.set(dir, name, target);
    }
    if (!hold.try_add(target, Mode::read)) {
      co_await hold.back_off();
      continue;
    }
    SCOUTFS_CO_TRY(const Inode inode, co_await target_inode(hold.locks(), target));
    see(context);
    co_return Attributes{target, inode};
  }
}

namespace {

Inode make_inode(const Context& context, const Inode& parent, Ino dir, const NewNode& node,
                 Timespec now) {
  Inode inode;
  inode.mode = node.mode;
  inode.nlink = 1;
  inode.uid = context.uid;
  inode.gid = context.gid;
  inode.rdev = node.rdev;
  inode.atime = inode.mtime = inode.ctime = inode.crtime = now;
  inode.project = parent.project;
  if ((parent.mode & kSetGroupId) != 0) inode.gid = parent.gid;
  if (inode.is_directory()) {
    inode.nlink = 2;
    inode.parent = dir;
    inode.mode |= parent.mode & kSetGroupId;
  }
  if (inode.is_symlink()) inode.size = node.target.size();
  return inode;
}

}  // namespace

Task<Result<Attributes>> FileSystem::Impl::create(Context context, Ino dir, std::string name,
                                                  NewNode node, Open open) {
  SCOUTFS_CO_CHECK(check_name(name));
  if (node.target.size() > kSymlinkMax) co_return fail(Errc::name_too_long);
  const bool directory = (node.mode & format::kTypeMask) == format::kTypeDirectory;
  Ino ino;
  if (directory) {
    SCOUTFS_CO_TRY(ino, co_await pools_.take_directory());
  } else {
    SCOUTFS_CO_TRY(ino, co_await pools_.take_file(dir));
  }
  Hold hold(store_, inodes_);
  hold.want(dir, Mode::write);
  hold.want(ino, Mode::write);
  SCOUTFS_CO_CHECK(co_await hold.acquire(context.cancellation));
  SCOUTFS_CO_TRY(Inode parent, co_await live_directory(context, hold.locks(), dir));
  SCOUTFS_CO_TRY(const std::optional<Dirent> existing,
                 co_await find_entry(hold.locks(), dir, name));
  if (existing.has_value()) {
    pools_.give_back(dir, ino);
    co_return refuse(context, Errc::exists);
  }
  if (directory && parent.nlink >= kLinksMax) co_return refuse(context, Errc::too_many_links);

  client::Reservation reservation;
  reservation.item_bytes =
      2 * kPutInodeBytes + entry_bytes(name.size()) + kInodeKeyBytes + node.target.size();
  reservation.not_below = not_below({&parent});
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));

  Inode inode = make_inode(context, parent, dir, node, now());
  const Dirent entry{ino, parent.next_position++, inode.mode & format::kTypeMask,
                     std::move(name)};
  parent.size += entry.name.size();
  parent.mtime = parent.ctime = inode.ctime;
  if (directory) ++parent.nlink;
  put_inode(txn, dir, parent, Touch::meta);
  put_new_inode(txn, ino, inode);
  put_entry(txn, dir, entry);
  if (inode.is_symlink()) txn.put(format::symlink_key(ino), std::move(node.target));
  if (open == Open::yes) store_.opened(ino);
  see(context, txn.number());
  co_return Attributes{ino, inode};
}

Task<Result<Attributes>> FileSystem::Impl::link(Context context, Ino ino, Ino dir,
                                                std::string name) {
  SCOUTFS_CO_CHECK(check_name(name));
  Hold hold(store_, inodes_);
  hold.want(dir, Mode::write);
  hold.want(ino, Mode::write);
  SCOUTFS_CO_CHECK(co_await hold.acquire(context.cancellation));
  SCOUTFS_CO_TRY(Inode parent, co_await live_directory(context, hold.locks(), dir));
  SCOUTFS_CO_TRY(const std::optional<Inode> found, co_await find_inode(hold.locks(), ino));
  if (!found.has_value()) co_return refuse(context, Errc::not_found);
  Inode inode = *found;
  if (inode.is_directory()) co_return refuse(context, Errc::not_permitted);
  if (inode.nlink == 0) co_return refuse(context, Errc::not_found);
  SCOUTFS_CO_TRY(const std::optional<Dirent> existing,
                 co_await find_entry(hold.locks(), dir, name));
  if (existing.has_value()) co_return refuse(context, Errc::exists);
  if (inode.nlink >= kLinksMax) co_return refuse(context, Errc::too_many_links);

  client::Reservation reservation;
  reservation.item_bytes = 2 * kPutInodeBytes + entry_bytes(name.size());
  reservation.not_below = not_below({&parent, &inode});
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));

  const Dirent entry{ino, parent.next_position++, inode.mode & format::kTypeMask,
                     std::move(name)};
  parent.size += entry.name.size();
  parent.mtime = parent.ctime = inode.ctime = now();
  ++inode.nlink;
  put_inode(txn, dir, parent, Touch::meta);
  put_inode(txn, ino, inode, Touch::meta);
  put_entry(txn, dir, entry);
  see(context, txn.number());
  co_return Attributes{ino, inode};
}

Task<Result<std::string>> FileSystem::Impl::readlink(Context context, Ino ino) {
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(const Inode inode, co_await hold_inode(context, hold, ino, Mode::read));
  if (!inode.is_symlink()) co_return refuse(context, Errc::invalid);
  const std::string key = format::symlink_key(ino);
  SCOUTFS_CO_TRY(lsm::Entry target, co_await store_.get(hold.locks(), key));
  if (!target.has_value()) co_return fail(Errc::corrupt);
  see(context);
  co_return *std::move(target);
}

Task<Result<std::vector<DirectoryEntry>>> FileSystem::Impl::readdir(Context context, Ino dir,
                                                                    std::uint64_t position,
                                                                    std::size_t limit) {
  std::vector<DirectoryEntry> entries;
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(const Inode inode, co_await hold_inode(context, hold, dir, Mode::read));
  if (!inode.is_directory()) co_return refuse(context, Errc::not_directory);
  if (position == 0 && entries.size() < limit) {
    entries.push_back({".", dir, format::kTypeDirectory, 1});
  }
  if (position <= 1 && entries.size() < limit) {
    entries.push_back({"..", inode.parent, format::kTypeDirectory, 2});
  }
  if (entries.size() < limit) {
    KeyRange range = format::type_range(dir, format::ItemType::readdir);
    range.first = format::readdir_key(dir, std::max(position, format::kFirstPosition));
    SCOUTFS_CO_TRY(
        const std::vector<lsm::Item> items,
        co_await store_.scan(hold.locks(), std::move(range), limit - entries.size()));
    entries.reserve(entries.size() + items.size());
    for (const lsm::Item& item : items) {
      SCOUTFS_CO_TRY(Dirent entry, format::decode_dirent(item.value));
      entries.push_back({std::move(entry.name), entry.ino, entry.type, entry.position + 1});
    }
  }
  see(context);
  co_return entries;
}

}  // namespace scoutfs::fs
