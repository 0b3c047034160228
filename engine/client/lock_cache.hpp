// LockCache: the cluster locks this node holds, and who on it uses them.
//
// A lock stays after its last user, so that the next one needs no message, until another node
// wants it. Then new users wait, those inside finish, what they changed is committed, the
// caches that depend on the lock are dropped, and only then is it given up (DESIGN 7; 15, rules
// 7 and 14). When it comes back, those who waited go in before the next revoke is served.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/client/item_cache.hpp"
#include "engine/client/leader_session.hpp"
#include "engine/client/store.hpp"
#include "engine/lsm/segment.hpp"

namespace scoutfs::client {

// Versions of the segment lists in use, the oldest first. They hold up the freeing of replaced
// segments.
using ListVersions = std::multiset<Version>;

// A segment list in use.
class ListUse {
 public:
  ListUse(std::shared_ptr<ListVersions> in_use, lsm::SegmentList list)
      : list_(std::move(list)),
        in_use_(std::move(in_use)),
        place_(in_use_->insert(list_.version)) {}
  ListUse(const ListUse&) = delete;
  ListUse& operator=(const ListUse&) = delete;
  ~ListUse() { in_use_->erase(place_); }
  const lsm::SegmentList& list() const { return list_; }

 private:
  lsm::SegmentList list_;
  std::shared_ptr<ListVersions> in_use_;
  ListVersions::iterator place_;
};

struct LockWaiterTag;

struct LockWaiter : ListHook<LockWaiterTag> {
  LockWaiter(lock::Mode wanted, Caller who) : mode(wanted), caller(who) {}
  lock::Mode mode;
  Caller caller;
  bool admitted = false;
  WaiterList waiting;
};

struct LruTag;

class LockEntry : public ListHook<LruTag> {
 public:
  LockEntry(Scheduler& scheduler, lock::LockId lock_id)
      : id(lock_id), idle(scheduler), list_fetched(scheduler) {}

  const lock::LockId id;
  lock::Mode mode = lock::Mode::none;
  GrantId grant;
  bool requested = false;
  bool revoking = false;
  lock::Mode revoke_keep = lock::Mode::write;  // while revoking: the mode that may stay
  bool listener_at_work = false;               // while revoking: caches are being dropped
  bool admitted_late = false;                  // ... and somebody was let in meanwhile
  std::uint64_t users = 0;
  List<LockWaiter, LockWaiterTag> waiters;
  WaitQueue idle;

  TxnNo dirty_txn;                  // the newest transaction that changed something under it
  std::vector<Ino> open_elsewhere;  // of the write grant; ascending

  std::shared_ptr<ListUse> list;
  bool list_fetching = false;
  WaitQueue list_fetched;
  ItemCache items;
  // Grows when recorded items move into the cache; a reader that began before must not insert.
  std::uint64_t generation = 0;
};

// What giving a lock up needs of the rest of the store.
class LockOwner {
 public:
  virtual ~LockOwner() = default;
  // Everything up to this transaction is recorded when it returns. False: the store failed.
  virtual Task<bool> commit_for_lock(TxnNo txn) = 0;
  virtual TxnNo recorded() const = 0;
  // Open files of the group, to be told with the release.
  virtual std::vector<Ino> report_open(lock::LockId id) = 0;
  // Its items leave the cache.
  virtual void on_dropped(const LockEntry& entry) = 0;
};

class LockCache {
 public:
  LockCache(Env env, LeaderSession& session, LockOwner& owner, std::size_t locks_max);

  // Errors: interrupted, stopping, fenced.
  Task<Result<std::shared_ptr<LockEntry>>> acquire(const LockWant& want,
                                                   Cancellation* cancellation);
  void release(LockEntry& entry);
  std::shared_ptr<LockEntry> find(lock::LockId id) const;

  void on_revoke(const session::Revoke& revoke);
  std::vector<session::HeldLock> held() const;
  void set_listener(RevokeListener* listener) { listener_ = listener; }
  RevokeListener* listener() const { return listener_; }
  // Lets page readers in that wait for a lock whose listener is at work; returns how many.
  std::size_t admit_page_readers(lock::LockId id);

  // Drops lists older than `version`.
  void drop_lists(Version version);
  const std::shared_ptr<ListVersions>& lists_in_use() const { return lists_in_use_; }

  // Takes clean items out of locks, least recently used first, until at most `bytes_max` are
  // left.
  void shrink(std::uint64_t& cached_bytes, std::uint64_t bytes_max);
  void touch(LockEntry& entry);

  void fail(Errc code);
  Task<void> stop();
  std::size_t size() const { return entries_.size(); }
  // The first lock somebody waits for, and how many wait.
  std::optional<lock::LockId> waited_for() const;
  void check_invariants() const;

 private:
  bool admits(const LockEntry& entry, lock::Mode mode) const;
  void serve(const std::shared_ptr<LockEntry>& entry);
  void admit(LockEntry& entry, LockWaiter& waiter);
  void on_grant(const std::shared_ptr<LockEntry>& entry, session::Answer answer);
  void start_revoke(const std::shared_ptr<LockEntry>& entry, lock::Mode keep);
  Task<void> revoke(std::shared_ptr<LockEntry> entry);
  void trim();

  Env env_;
  LeaderSession& session_;
  LockOwner& owner_;
  std::size_t locks_max_;
  RevokeListener* listener_ = nullptr;
  std::optional<Errc> failed_;
  std::shared_ptr<ListVersions> lists_in_use_ = std::make_shared<ListVersions>();
  std::map<lock::LockId, std::shared_ptr<LockEntry>> entries_;
  List<LockEntry, LruTag> lru_;
  TaskScope scope_;
};

}  // namespace scoutfs::client
