#include "engine/client/lock_cache.hpp"

#include <algorithm>

namespace scoutfs::client {

using lock::Mode;

LockCache::LockCache(Env env, LeaderSession& session, LockOwner& owner, std::size_t locks_max)
    : env_(env),
      session_(session),
      owner_(owner),
      locks_max_(locks_max),
      scope_(env.scheduler) {}

std::shared_ptr<LockEntry> LockCache::find(lock::LockId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second;
}

void LockCache::touch(LockEntry& entry) {
  static_cast<ListHook<LruTag>&>(entry).unlink();
  lru_.push_back(entry);
}

bool LockCache::admits(const LockEntry& entry, Mode mode) const {
  return !entry.revoking && lock::allows(entry.mode, mode);
}

Task<Result<std::shared_ptr<LockEntry>>> LockCache::acquire(const LockWant& want,
                                                            Cancellation* cancellation) {
  const lock::LockId id = want.id;
  const Mode mode = want.mode;
  SCOUTFS_ASSERT(mode != Mode::none);
  if (failed_.has_value()) co_return scoutfs::fail(*failed_);
  std::shared_ptr<LockEntry>& slot = entries_[id];
  if (slot == nullptr) {
    slot = std::make_shared<LockEntry>(env_.scheduler, id);
    trim();
  }
  const std::shared_ptr<LockEntry> entry = slot;
  touch(*entry);
  if (entry->waiters.empty() && admits(*entry, mode)) {
    ++entry->users;
    co_return entry;
  }
  LockWaiter waiter(mode, want.caller);
  entry->waiters.push_back(waiter);
  serve(entry);
  while (!waiter.admitted && !failed_.has_value()) {
    const Wake wake =
        co_await Suspension(env_.scheduler, &waiter.waiting, kForever, cancellation);
    if (wake == Wake::cancelled && !waiter.admitted) co_return scoutfs::fail(Errc::interrupted);
  }
  if (!waiter.admitted) co_return scoutfs::fail(*failed_);
  co_return entry;
}

void LockCache::serve(const std::shared_ptr<LockEntry>& entry) {
  Mode wanted = Mode::none;
  while (!entry->waiters.empty()) {
    LockWaiter& waiter = entry->waiters.front();
    if (!admits(*entry, waiter.mode)) {
      wanted = waiter.mode;
      break;
    }
    admit(*entry, waiter);
  }
  if (wanted == Mode::none || entry->requested || entry->revoking) return;
  entry->requested = true;
  const session::LockRequest request{.id = entry->id, .mode = wanted};
  session_.send(request,
                [this, entry](session::Answer answer) { on_grant(entry, std::move(answer)); });
}

void LockCache::admit(LockEntry& entry, LockWaiter& waiter) {
  static_cast<ListHook<LockWaiterTag>&>(waiter).unlink();
  waiter.admitted = true;
  ++entry.users;
  if (!waiter.waiting.empty()) env_.scheduler.wake(waiter.waiting.front());
}

void LockCache::on_grant(const std::shared_ptr<LockEntry>& entry, session::Answer answer) {
  auto* grant = std::get_if<session::LockGrant>(&answer);
  SCOUTFS_ASSERT(entry->requested);
  entry->requested = false;
  if (grant == nullptr || grant->id != entry->id) {
    env_.log.error("the leader answered a lock request with something else");
    return;
  }
  entry->mode = grant->mode;
  entry->grant = grant->grant;
  entry->open_elsewhere = std::move(grant->open_elsewhere);
  serve(entry);
  if (entry->users == 0) trim();
}

void LockCache::release(LockEntry& entry) {
  SCOUTFS_ASSERT(entry.users > 0);
  if (--entry.users == 0) entry.idle.wake_all();
}

// ---- Giving up ----

void LockCache::on_revoke(const session::Revoke& revoke) {
  const std::shared_ptr<LockEntry> entry = find(revoke.id);
  // A revoke of an older grant crossed our release of it.
  if (entry == nullptr || entry->mode == Mode::none || entry->grant != revoke.grant) return;
  start_revoke(entry, revoke.keep);
}

void LockCache::start_revoke(const std::shared_ptr<LockEntry>& entry, Mode keep) {
  if (keep >= entry->mode) return;
  entry->revoke_keep = entry->revoking ? std::min(entry->revoke_keep, keep) : keep;
  if (entry->revoking) return;
  entry->revoking = true;
  scope_.spawn(revoke(entry));
}

Task<void> LockCache::revoke(std::shared_ptr<LockEntry> entry) {
  Mode keep = Mode::write;
  while (keep != entry->revoke_keep || entry->admitted_late) {
    while (entry->users > 0 && !failed_.has_value()) co_await entry->idle.wait();
    if (failed_.has_value()) co_return;
    if (entry->dirty_txn > owner_.recorded()) {
      const bool recorded = co_await owner_.commit_for_lock(entry->dirty_txn);
      if (!recorded) co_return;
    }
    keep = entry->revoke_keep;
    if (listener_ == nullptr) continue;
    entry->admitted_late = false;
    entry->listener_at_work = true;
    co_await listener_->on_revoke(entry->id, keep);
    entry->listener_at_work = false;
  }
  session::Release release{
      .id = entry->id, .grant = entry->grant, .keep = keep, .open_inodes = {}};
  if (keep == Mode::none) {
    release.open_inodes = owner_.report_open(entry->id);
    owner_.on_dropped(*entry);
    entry->items.clear();
    entry->list = nullptr;
  }
  entry->open_elsewhere.clear();
  entry->mode = keep;
  entry->revoking = false;
  session_.notify(std::move(release));
  serve(entry);
  if (entry->mode == Mode::none && entry->waiters.empty() && !entry->requested) {
    entries_.erase(entry->id);
  }
}

std::size_t LockCache::admit_page_readers(lock::LockId id) {
  const std::shared_ptr<LockEntry> entry = find(id);
  if (entry == nullptr || !entry->listener_at_work) return 0;
  std::size_t admitted = 0;
  List<LockWaiter, LockWaiterTag> others;
  while (!entry->waiters.empty()) {
    LockWaiter& waiter = entry->waiters.front();
    if (waiter.caller == Caller::page_reader && lock::allows(entry->mode, waiter.mode)) {
      admit(*entry, waiter);
      ++admitted;
    } else {
      static_cast<ListHook<LockWaiterTag>&>(waiter).unlink();
      others.push_back(waiter);
    }
  }
  while (!others.empty()) {
    LockWaiter& waiter = others.front();
    static_cast<ListHook<LockWaiterTag>&>(waiter).unlink();
    entry->waiters.push_back(waiter);
  }
  if (admitted > 0) entry->admitted_late = true;
  return admitted;
}

void LockCache::trim() {
  // Idle locks above the limit are given up, the least recently used first.
  if (entries_.size() <= locks_max_) return;
  std::size_t excess = entries_.size() - locks_max_;
  List<LockEntry, LruTag> kept;
  while (excess > 0 && !lru_.empty()) {
    LockEntry& entry = lru_.front();
    static_cast<ListHook<LruTag>&>(entry).unlink();
    kept.push_back(entry);
    --excess;
    const bool idle = entry.users == 0 && entry.waiters.empty() && !entry.requested;
    if (idle && !entry.revoking && entry.mode != Mode::none) {
      start_revoke(entries_.at(entry.id), Mode::none);
    }
  }
  while (!kept.empty()) touch(kept.front());
}

void LockCache::shrink(std::uint64_t& cached_bytes, std::uint64_t bytes_max) {
  std::size_t tries = entries_.size();
  while (cached_bytes > bytes_max && tries > 0 && !lru_.empty()) {
    LockEntry& entry = lru_.front();
    cached_bytes -= entry.items.size_bytes();
    entry.items.clear();
    touch(entry);
    --tries;
  }
}

void LockCache::drop_lists(Version version) {
  for (auto& [id, entry] : entries_) {
    if (entry->list != nullptr && entry->list->list().version < version) entry->list = nullptr;
  }
}

std::vector<session::HeldLock> LockCache::held() const {
  std::vector<session::HeldLock> locks;
  for (const auto& [id, entry] : entries_) {
    if (entry->mode == Mode::none) continue;
    locks.push_back({.id = id, .mode = entry->mode, .grant = entry->grant});
  }
  return locks;
}

std::optional<lock::LockId> LockCache::waited_for() const {
  for (const auto& [id, entry] : entries_) {
    if (!entry->waiters.empty()) return id;
  }
  return std::nullopt;
}

void LockCache::fail(Errc code) {
  failed_ = code;
  for (auto& [id, entry] : entries_) {
    entry->idle.wake_all();
    entry->list_fetched.wake_all();
    while (!entry->waiters.empty()) {
      LockWaiter& waiter = entry->waiters.front();
      static_cast<ListHook<LockWaiterTag>&>(waiter).unlink();
      if (!waiter.waiting.empty()) env_.scheduler.wake(waiter.waiting.front());
    }
  }
}

Task<void> LockCache::stop() {
  co_await scope_.drain();
}

void LockCache::check_invariants() const {
  for (const auto& [id, entry] : entries_) {
    SCOUTFS_ASSERT(entry->id == id);
    if (entry->mode == Mode::none) {
      SCOUTFS_ASSERT(entry->users == 0);
      SCOUTFS_ASSERT(entry->items.size_bytes() == 0);
    }
  }
}

}  // namespace scoutfs::client
