// Names: rename.
//
// A directory that moves between directories takes the rename lock first and for the whole
// operation: while one node has it nobody else changes any directory's parent, so the ancestors
// of the destination, read one by one, stay what they were. Then come the locks of what
// changes.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using format::Dirent;
using lock::Mode;

struct FileSystem::Impl::Rename {
  Ino from_dir, to_dir;
  Dirent from, to;  // the entry that moves, and where to
  Inode from_parent, to_parent;
  Inode moved;
  std::optional<Dirent> victim_entry;
  Inode victim;
  bool victim_unlinked = false;  // it loses its last link
  Removal removal;

  bool between() const { return from_dir != to_dir; }
  bool directory() const { return from.type == format::kTypeDirectory; }
};

namespace {

constexpr std::size_t kDepthMax = 1u << 20;  // directories above one another

}  // namespace

Task<Result<bool>> FileSystem::Impl::is_below(const Context& context, Ino dir, Ino ancestor) {
  for (std::size_t depth = 0; depth < kDepthMax; ++depth) {
    if (dir == ancestor) co_return true;
    if (dir == kRootIno) co_return false;
    Hold hold(store_, inodes_);
    hold.want(dir, Mode::read);
    SCOUTFS_CO_CHECK(co_await hold.acquire(context.cancellation));
    SCOUTFS_CO_TRY(const std::optional<Inode> inode, co_await find_inode(hold.locks(), dir));
    // Gone or no directory: the rename will find that out as well.
    if (!inode.has_value() || !inode->is_directory()) co_return false;
    dir = inode->parent;
  }
  co_return fail(Errc::corrupt);
}

Task<Result<void>> FileSystem::Impl::rename(Context context, Ino from_dir, std::string from,
                                            Ino to_dir, std::string to, RenameFlags flags) {
  SCOUTFS_CO_CHECK(check_name(from));
  SCOUTFS_CO_CHECK(check_name(to));
  client::Locks rename_lock;
  Mutex::Guard rename_turn;  // given up before the lock
  Ino checked;  // the directory whose place above or beside the destination is known
  bool below = false;
  Ino source = guesses_.find(from_dir, from);
  Ino victim = guesses_.find(to_dir, to);
  Hold hold(store_, inodes_);
  for (;;) {
    hold.want(from_dir, Mode::write);
    hold.want(to_dir, Mode::write);
    hold.want(source, Mode::write);
    hold.want(victim, Mode::write);
    SCOUTFS_CO_CHECK(co_await hold.acquire(context.cancellation));
    Rename op;
    op.from_dir = from_dir;
    op.to_dir = to_dir;
    SCOUTFS_CO_TRY(op.from_parent, co_await live_directory(context, hold.locks(), from_dir));
    SCOUTFS_CO_TRY(op.to_parent, co_await live_directory(context, hold.locks(), to_dir));
    SCOUTFS_CO_TRY(std::optional<Dirent> entry,
                   co_await find_entry(hold.locks(), from_dir, from));
    if (!entry.has_value()) co_return refuse(context, Errc::not_found);
    SCOUTFS_CO_TRY(op.victim_entry, co_await find_entry(hold.locks(), to_dir, to));
    if (op.victim_entry.has_value() && flags == RenameFlags::no_replace) {
      co_return refuse(context, Errc::exists);
    }
    op.from = *std::move(entry);
    source = op.from.ino;
    victim = op.victim_entry.has_value() ? op.victim_entry->ino : Ino{};
    if (op.directory() && op.between()) {
      if (checked != source) {
        hold.release();
        if (rename_lock.empty()) {
          std::vector<client::LockWant> wants;
          wants.push_back({lock::kRenameLock, Mode::write});
          SCOUTFS_CO_TRY(rename_lock,
                         co_await store_.lock(std::move(wants), context.cancellation));
          rename_turn = co_await rename_mutex_.lock();
        }
        SCOUTFS_CO_TRY(below, co_await is_below(context, to_dir, source));
        checked = source;
        continue;
      }
      if (below) co_return refuse(context, Errc::invalid);
    }
    bool held = hold.try_add(source, Mode::write);
    if (held && victim.value != 0) held = hold.try_add(victim, Mode::write);
    if (!held) {
      co_await hold.back_off();
      continue;
    }
    if (victim == source) {
      // Two names of one inode: nothing happens, as POSIX has it.
      see(context);
      co_return Result<void>();
    }
    op.to.name = std::move(to);
    co_return co_await apply_rename(context, hold, op);
  }
}

// The rest of a rename, with everything held that it needs.
Task<Result<void>> FileSystem::Impl::apply_rename(const Context& context, Hold& hold,
                                                  Rename& op) {
  SCOUTFS_CO_TRY(op.moved, co_await target_inode(hold.locks(), op.from.ino));
  const Inode* victim = nullptr;
  if (op.victim_entry.has_value()) {
    SCOUTFS_CO_TRY(op.victim, co_await target_inode(hold.locks(), op.victim_entry->ino));
    victim = &op.victim;
    if (op.directory() && !victim->is_directory()) {
      co_return refuse(context, Errc::not_directory);
    }
    if (!op.directory() && victim->is_directory())
      co_return refuse(context, Errc::is_directory);
    if (victim->is_directory() && victim->size != 0) co_return refuse(context, Errc::not_empty);
    op.victim_unlinked = victim->is_directory() || victim->nlink == 1;
    if (op.victim_unlinked) {
      SCOUTFS_CO_TRY(op.removal, co_await plan_removal(hold.locks(), op.victim_entry->ino));
    }
  } else if (op.directory() && op.between() && op.to_parent.nlink >= kLinksMax) {
    co_return refuse(context, Errc::too_many_links);
  }

  client::Reservation reservation;
  reservation.item_bytes = 4 * kPutInodeBytes + kOrphanKeyBytes + op.removal.item_bytes +
                           entry_bytes(op.from.name.size()) +
                           2 * entry_bytes(op.to.name.size());
  reservation.not_below = not_below({&op.from_parent, &op.to_parent, &op.moved, victim});
  SCOUTFS_CO_TRY(client::Txn txn, co_await store_.begin(reservation, context.cancellation));

  Inode& from_parent = op.from_parent;
  Inode& to_parent = op.between() ? op.to_parent : op.from_parent;
  from_parent.mtime = from_parent.ctime = to_parent.mtime = to_parent.ctime = now();
  op.moved.ctime = op.victim.ctime = from_parent.ctime;
  from_parent.size -= op.from.name.size();
  erase_entry(txn, op.from_dir, op.from);
  if (victim != nullptr) {
    to_parent.size -= op.to.name.size();
    if (victim->is_directory()) --to_parent.nlink;
    erase_entry(txn, op.to_dir, *op.victim_entry);
  }
  to_parent.size += op.to.name.size();
  op.to.ino = op.from.ino;
  op.to.type = op.from.type;
  op.to.position = to_parent.next_position++;
  put_entry(txn, op.to_dir, op.to);
  if (op.directory() && op.between()) {
    --from_parent.nlink;
    ++to_parent.nlink;
    op.moved.parent = op.to_dir;
  }
  put_inode(txn, op.from_dir, from_parent, Touch::meta);
  if (op.between()) put_inode(txn, op.to_dir, to_parent, Touch::meta);
  put_inode(txn, op.from.ino, op.moved, Touch::meta);
  if (op.victim_unlinked) {
    apply_removal(txn, op.victim_entry->ino, op.victim, op.removal);
  } else if (victim != nullptr) {
    --op.victim.nlink;
    put_inode(txn, op.victim_entry->ino, op.victim, Touch::meta);
  }
  guesses_.set(op.to_dir, op.to.name, op.to.ino);
  see(context, txn.number());
  if (op.victim_unlinked) settle_unlinked(hold.locks(), op.victim_entry->ino, op.removal);
  co_return Result<void>();
}

}  // namespace scoutfs::fs
