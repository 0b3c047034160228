// Store: what fs/ builds a filesystem on: items under cluster locks, transactions, data blocks.
//
// The rules of use (DESIGN 6 and 15):
//   1. An operation takes its locks in one call, in lock order; then its node-local inode
//   mutexes.
//   2. It reads and validates through get() and scan(); these may suspend.
//   3. It calls begin(), the last thing that may suspend, and then makes all of its changes
//      through the Txn without suspending. They are in one transaction, whole or not at all.
//   4. It never asks for a stronger mode of a lock it holds: release, lock again, revalidate.
//   5. Nothing waits for user memory, offline data or a kernel notification while it holds a
//   lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/scheduler.hpp"
#include "engine/async/task.hpp"
#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "engine/env/env.hpp"
#include "engine/lock/lock.hpp"
#include "engine/lsm/item.hpp"

namespace scoutfs::client {

class LockEntry;  // the lock cache's state of one lock
class StoreImpl;

// Who asks for a lock. A page reader is a read for whose answer the kernel keeps pages of its
// cache locked: dropping the cache waits for it, so it must not wait for the lock to come back.
enum class Caller : std::uint8_t { any, page_reader };

struct LockWant {
  lock::LockId id;
  lock::Mode mode = lock::Mode::read;
  Caller caller = Caller::any;
};

// Held locks; gives them up when destroyed. While it is held, no other node changes what it
// covers (read) or sees it (write).
class Locks {
 public:
  Locks() = default;
  Locks(Locks&&) noexcept;
  Locks& operator=(Locks&&) noexcept;
  ~Locks() { release(); }
  void release();
  bool empty() const { return held_.empty(); }
  bool covers(Ino ino, lock::Mode mode) const;

 private:
  friend class StoreImpl;
  struct Held {
    std::shared_ptr<LockEntry> entry;
    lock::Mode mode;
  };
  StoreImpl* store_ = nullptr;
  std::vector<Held> held_;
};

// What begin() makes sure of, as upper bounds.
struct Reservation {
  std::uint64_t item_bytes = 0;   // keys and values that will be put or erased
  std::uint64_t data_blocks = 0;  // that will be allocated
  // The transaction's seq is at least this: the largest meta_seq or data_seq of the inodes that
  // the operation changes (rule 11). A stored seq that equals the transaction's was set by it.
  // 0: none.
  Seq not_below;
  // Deletions and truncates may use the space that is kept back for them.
  enum class Purpose : std::uint8_t { normal, frees_space } purpose = Purpose::normal;
};

// The open transaction, from begin() to the caller's next suspension. Changes take effect at
// once on this node and are recorded together.
class Txn {
 public:
  Seq seq() const;
  TxnNo number() const;
  // Requires: a held write lock covers the key, or it is an index or orphan key.
  void put(std::string key, std::string value);
  void erase(std::string key);

  // Takes up to `count` blocks in one extent, as near behind `hint` as can be had; at least
  // one. Requires: within the reservation.
  Extent allocate(std::uint64_t count, BlockNo hint = {});
  // Gives back blocks that a file no longer refers to. Reusable once this transaction is
  // recorded.
  void free(Extent extent);
  // Starts writing data blocks of this transaction: bytes.size() is where.count * kBlockSize.
  // The commit waits for it; reads see it at once. Blocks allocated in this same transaction
  // may be written again.
  void write(Extent where, std::string bytes);

 private:
  friend class StoreImpl;
  explicit Txn(StoreImpl& store) : store_(&store) {}
  StoreImpl* store_;
};

struct InoRange {
  Ino first;
  std::uint64_t count = 0;
};

struct Space {
  std::uint64_t total_blocks = 0;
  std::uint64_t free_blocks = 0;       // what users can still allocate
  std::uint64_t inode_high_water = 0;  // inode numbers are given out below it
};

// The upper end of an index walk (rule 11).
struct Bound {
  Seq last;                               // entries with seq <= last are complete
  std::vector<std::string> not_answered;  // nodes that hold the bound down, for the operator
};

class Store {
 public:
  virtual ~Store() = default;

  virtual Env& env() = 0;

  // Takes all of `wants`, sorted and merged by the call. Waits for other holders.
  // Errors: interrupted (the cancellation), stopping, fenced.
  virtual Task<Result<Locks>> lock(std::vector<LockWant> wants, Cancellation* cancellation) = 0;

  // Errors: those of the device; corrupt; stopping.
  virtual Task<Result<lsm::Entry>> get(const Locks& locks, std::string_view key) = 0;
  // The first items of the range, at most `limit` (> 0), in key order. Fewer means no more.
  virtual Task<Result<std::vector<lsm::Item>>> scan(const Locks& locks, KeyRange range,
                                                    std::size_t limit) = 0;

  // Errors: no_space, interrupted, stopping, fenced, disconnected.
  virtual Task<Result<Txn>> begin(Reservation reservation, Cancellation* cancellation) = 0;
  // The seq and number of the transaction that is open now; it may be frozen at any suspension.
  virtual Seq open_seq() const = 0;
  virtual TxnNo open_txn() const = 0;

  // Reads data blocks; sees what write() has started. Verification is the caller's.
  virtual Task<Result<void>> read(Extent where, std::span<std::byte> out) = 0;

  // True while nobody else can have been given what this node holds: an operation may be
  // answered. Otherwise wait_for_lease() returns when it may; then all that was read under
  // locks which were held at the time is right. Errors: fenced, stopping, those of the device.
  virtual bool lease_valid() const = 0;
  virtual Task<Result<void>> wait_for_lease() = 0;

  // Everything applied before the call is recorded when it returns. Errors: interrupted, what
  // the store failed with.
  virtual Task<Result<void>> sync(Cancellation* cancellation) = 0;
  // The same, and the leader knows that this node holds no seq that it does not use: an index
  // walk without a barrier sees what was applied, as far as other nodes' older transactions let
  // it. Errors: as sync().
  virtual Task<Result<void>> publish(Cancellation* cancellation) = 0;

  // Inode numbers nobody had before, `count` (1 to 1024) of them, not crossing a group's
  // border.
  virtual Task<Result<InoRange>> allocate_inos(std::uint64_t count) = 0;

  // Open files, so that unlinked ones live on (rule 14). Call opened() under the inode's lock.
  virtual void opened(Ino ino) = 0;
  // Pairs with opened().
  virtual void closed(Ino ino) = 0;
  virtual bool is_open(Ino ino) const = 0;
  // True if a node other than this one has it open. Requires: `locks` holds its write lock.
  virtual bool is_open_elsewhere(const Locks& locks, Ino ino) = 0;
  // Has the last node to close it delete it; lost if that node, or the leader, dies first.
  // Requires: as is_open_elsewhere(), which was true, and the inode has no link.
  virtual void delete_on_last_close(const Locks& locks, Ino ino) = 0;
  // Called when this node was the last to close such an inode. Null: nobody is told.
  virtual void set_on_last_close(std::function<void(Ino)> on_last_close) = 0;

  // The recorded state of the index and orphan zones, without a lock. Keys only, at most
  // `limit`.
  virtual Task<Result<std::vector<std::string>>> scan_recorded(KeyRange range,
                                                               std::size_t limit) = 0;
  // How far an index walk may go. Wait::yes has nodes with older open transactions commit
  // first.
  enum class Wait : std::uint8_t { no, yes };
  virtual Task<Result<Bound>> index_bound(Wait wait, Cancellation* cancellation) = 0;

  virtual Task<Result<Space>> space() = 0;
};

// What must be dropped before a lock is given up or the lease is over: the kernel's caches.
class RevokeListener {
 public:
  virtual ~RevokeListener() = default;
  // Called with no user left on the lock; `keep` is the mode that stays: read (after write) or
  // none. While it runs, it may let waiting page readers in (Mount::admit_page_readers()): they
  // use the lock once more, and then it is called again for what they have brought into the
  // cache.
  virtual Task<void> on_revoke(lock::LockId id, lock::Mode keep) = 0;
  // The open transaction changes attributes of the inode. Called from inside the change: it
  // must not call back.
  virtual void on_inode_changed(Ino ino) = 0;
  // The lease was renewed: what is held stays so until then, by this node's clock.
  virtual void on_lease(TimeNs /*end_ns*/) {}
};

}  // namespace scoutfs::client
