#include "engine/fs/hold.hpp"

#include <algorithm>

namespace scoutfs::fs {

namespace {

SharedMutex::Mode mutex_mode(lock::Mode mode) {
  return mode == lock::Mode::write ? SharedMutex::Mode::exclusive : SharedMutex::Mode::shared;
}

}  // namespace

Task<Result<void>> Hold::acquire(Cancellation* cancellation) {
  SCOUTFS_ASSERT(refs_.empty());
  SCOUTFS_ASSERT(locks_.empty());
  std::vector<client::LockWant> locks;
  locks.reserve(wants_.size());
  for (const Want& want : wants_) {
    locks.push_back({lock::lock_of(want.ino), want.mode, want.caller});
  }
  SCOUTFS_CO_TRY(locks_, co_await store_.lock(std::move(locks), cancellation));
  // Of equal inodes the stronger mode comes first; the others are dropped.
  std::ranges::sort(wants_, [](const Want& a, const Want& b) {
    return a.ino != b.ino ? a.ino < b.ino : a.mode > b.mode;
  });
  const auto repeated = std::ranges::unique(wants_, {}, &Want::ino);
  wants_.erase(repeated.begin(), repeated.end());
  refs_.reserve(wants_.size() + 2);
  for (std::size_t i = 0; i < wants_.size(); ++i) {
    const Want want = wants_[i];
    std::optional<InodeTable::Ref> ref = inodes_.try_lock(want.ino, mutex_mode(want.mode));
    if (ref.has_value()) {
      refs_.push_back(*std::move(ref));
    } else {
      InodeTable::Ref waited = co_await inodes_.lock(want.ino, mutex_mode(want.mode));
      refs_.push_back(std::move(waited));
    }
  }
  wants_.clear();
  co_return Result<void>();
}

bool Hold::try_add(Ino ino, lock::Mode mode) {
  for (const InodeTable::Ref& ref : refs_) {
    if (ref.ino() != ino) continue;
    return mode == lock::Mode::read || ref.mode() == SharedMutex::Mode::exclusive;
  }
  if (!locks_.covers(ino, mode)) return false;
  std::optional<InodeTable::Ref> ref = inodes_.try_lock(ino, mutex_mode(mode));
  if (!ref.has_value()) return false;
  refs_.push_back(*std::move(ref));
  return true;
}

void Hold::release() {
  refs_.clear();
  locks_.release();
}

Task<void> Hold::back_off() {
  release();
  co_await Yield(store_.env().scheduler);
}

}  // namespace scoutfs::fs
