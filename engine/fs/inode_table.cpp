#include "engine/fs/inode_table.hpp"

namespace scoutfs::fs {

void InodeTable::Ref::release() {
  if (table_ == nullptr) return;
  guard_.release();
  SCOUTFS_ASSERT(entry_->users > 0);
  if (--entry_->users == 0) table_->entries_.erase(ino_.value);
  table_ = nullptr;
}

std::optional<InodeTable::Ref> InodeTable::try_lock(Ino ino, SharedMutex::Mode mode) {
  Entry& entry = entry_of(ino);
  Ref ref(*this, entry, ino, mode);
  std::optional<SharedMutex::Guard> guard = entry.mutex.try_lock(mode);
  if (!guard.has_value()) return std::nullopt;
  ref.guard_ = *std::move(guard);
  return ref;
}

Task<InodeTable::Ref> InodeTable::lock(Ino ino, SharedMutex::Mode mode) {
  Entry& entry = entry_of(ino);
  Ref ref(*this, entry, ino, mode);
  ref.guard_ = co_await entry.mutex.lock(mode);
  co_return ref;
}

}  // namespace scoutfs::fs
