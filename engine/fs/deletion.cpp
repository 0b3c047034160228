// Deletion of unlinked inodes.
//
// An inode that loses its last link goes at once if nobody has it open and it is small.
// Otherwise an orphan item is put in the same transaction: the intent to delete it, good until
// its last item is gone. The last closer deletes it, on whichever node that is; what a dead
// node leaves is found by the orphan scan, which every node runs. An unlinked inode cannot be
// opened anew by a node that does not have it open, so once the open set was empty under the
// write lock it stays empty.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using lock::Mode;

namespace {

constexpr std::size_t kAtOnceItems = 64;
constexpr std::size_t kDeleteItems = 256;  // in one transaction
constexpr std::size_t kDeleteWorkers = 4;
constexpr std::size_t kToDeleteMax = 65536;  // the orphan scan finds what is beyond
constexpr std::size_t kOrphanPage = 256;

}  // namespace

Task<Result<FileSystem::Impl::Removal>> FileSystem::Impl::plan_removal(
    const client::Locks& locks, Ino ino) {
  Removal removal;
  removal.elsewhere = store_.is_open_elsewhere(locks, ino);
  if (removal.elsewhere || store_.is_open(ino)) co_return removal;
  SCOUTFS_CO_TRY(removal.items,
                 co_await store_.scan(locks, format::inode_range(ino), kAtOnceItems));
  removal.at_once = removal.items.size() < kAtOnceItems;
  removal.item_bytes = kEraseInodeBytes;
  for (const lsm::Item& item : removal.items) removal.item_bytes += item.key.size();
  co_return removal;
}

void FileSystem::Impl::apply_removal(client::Txn& txn, Ino ino, Inode& inode,
                                     const Removal& removal) {
  if (removal.at_once) {
    erase_items(txn, removal.items, inode);
    erase_inode(txn, ino, inode);
    return;
  }
  inode.nlink = 0;
  put_inode(txn, ino, inode, Touch::meta);
  txn.put(format::orphan_key(ino), std::string());
}

void FileSystem::Impl::settle_unlinked(const client::Locks& locks, Ino ino,
                                       const Removal& removal) {
  if (removal.at_once) return;
  if (removal.elsewhere) store_.delete_on_last_close(locks, ino);
  if (store_.is_open(ino)) {
    unlinked_open_.insert(ino);
  } else if (!removal.elsewhere) {
    delete_later(ino);
  }
}

void FileSystem::Impl::erase_items(client::Txn& txn, const std::vector<lsm::Item>& items,
                                   Inode& inode) {
  for (const lsm::Item& item : items) {
    txn.erase(item.key);
    const Result<format::ParsedKey> key = format::parse_key(item.key);
    if (!key.has_value()) continue;
    if (key->type == format::ItemType::xattr && key->part == 0) --inode.xattr_count;
    if (key->type != format::ItemType::extent) continue;
    const Result<format::ExtentValue> extent = format::decode_extent(item.value);
    // Blocks named by an item that cannot be read are lost rather than given out twice.
    if (!extent.has_value()) continue;
    if (extent->flags == format::kExtentOffline) {
      inode.offline_blocks -= extent->count;
      continue;
    }
    if (extent->flags == 0) inode.online_blocks -= extent->count;
    const Extent blocks{extent->start, extent->count};
    fresh_.remove(txn.number(), blocks);
    txn.free(blocks);
  }
}

void FileSystem::Impl::delete_later(Ino ino) {
  if (stopping_ || to_delete_.size() >= kToDeleteMax) return;
  if (!deleting_.insert(ino).second) return;
  to_delete_.push_back(ino);
  if (delete_workers_ >= kDeleteWorkers) return;
  ++delete_workers_;
  scope_.spawn(delete_worker());
}

Task<void> FileSystem::Impl::delete_worker() {
  while (!to_delete_.empty() && !stopping_) {
    const Ino ino = to_delete_.front();
    to_delete_.pop_front();
    const Result<void> done = co_await delete_inode(ino);
    deleting_.erase(ino);
    if (!done.has_value() && !stopping_) {
      store_.env().log.warn("inode {}: deletion put off: {}", ino.value,
                            to_string(done.error().code));
    }
  }
  --delete_workers_;
}

Task<Result<void>> FileSystem::Impl::delete_inode(Ino ino) {
  for (;;) {
    SCOUTFS_CO_TRY(const bool more, co_await delete_step(ino));
    if (!more) co_return Result<void>();
    co_await Yield(store_.env().scheduler);
  }
}

// One transaction of a deletion. Returns false when there is nothing left to do.
Task<Result<bool>> FileSystem::Impl::delete_step(Ino ino) {
  Hold hold(store_, inodes_);
  hold.want(ino, Mode::write);
  SCOUTFS_CO_CHECK(co_await hold.acquire(&stop_request_));
  SCOUTFS_CO_TRY(std::optional<Inode> inode, co_await find_inode(hold.locks(), ino));
  client::Reservation reservation;
  reservation.purpose = client::Reservation::Purpose::frees_space;
  if (!inode.has_value()) {
    reservation.item_bytes = kOrphanKeyBytes;
    SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, &stop_request_));
    txn.erase(format::orphan_key(ino));
    co_return false;
  }
  if (inode->nlink != 0 || store_.is_open(ino)) co_return false;
  if (store_.is_open_elsewhere(hold.locks(), ino)) {
    store_.delete_on_last_close(hold.locks(), ino);
    co_return false;
  }
  // The inode item is the first of its range, and the last to go.
  KeyRange range = format::inode_range(ino);
  range.first = format::inode_key(ino) + '\0';
  SCOUTFS_CO_TRY(const std::vector<lsm::Item> items,
                 co_await store_.scan(hold.locks(), std::move(range), kDeleteItems));
  const bool last = items.size() < kDeleteItems;
  reservation.item_bytes = last ? kEraseInodeBytes : kPutInodeBytes;
  for (const lsm::Item& item : items) reservation.item_bytes += item.key.size();
  reservation.not_below = not_below({&*inode});
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, &stop_request_));
  erase_items(txn, items, *inode);
  if (last) {
    erase_inode(txn, ino, *inode);
  } else {
    put_inode(txn, ino, *inode, Touch::meta);
  }
  co_return !last;
}

Task<void> FileSystem::Impl::scan_orphans() {
  while (!stopping_) {
    // Nodes that started together do not scan together: 8 to 12 seconds.
    const TimeNs delay = options_.orphan_scan_ns * 4 / 5 +
                         store_.env().random.below(options_.orphan_scan_ns * 2 / 5 + 1);
    co_await Sleep(store_.env().scheduler, delay, &stop_request_);
    if (stopping_) break;
    const Result<void> scanned = co_await scan_orphans_once();
    if (!scanned.has_value() && !stopping_) {
      store_.env().log.warn("orphan scan: {}", to_string(scanned.error().code));
    }
  }
}

Task<Result<void>> FileSystem::Impl::scan_orphans_once() {
  Ino next;
  for (;;) {
    KeyRange range = format::orphan_range(next, Ino{~std::uint64_t{0}});
    SCOUTFS_CO_TRY(const std::vector<std::string> keys,
                   co_await store_.scan_recorded(std::move(range), kOrphanPage));
    for (std::size_t i = 0; i < keys.size(); ++i) {
      SCOUTFS_CO_TRY(const format::ParsedKey key, format::parse_key(keys[i]));
      const Ino ino = key.ino;
      next = ino.next();
      if (stopping_) co_return Result<void>();
      if (store_.is_open(ino) || !deleting_.insert(ino).second) continue;
      const Result<void> done = co_await delete_inode(ino);
      deleting_.erase(ino);
      if (!done.has_value()) co_return done;
    }
    if (keys.size() < kOrphanPage) co_return Result<void>();
  }
}

}  // namespace scoutfs::fs
