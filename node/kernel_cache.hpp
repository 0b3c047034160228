// KernelCache: what the kernel has cached of this mount, and how it lets go of it.
//
// The kernel may keep names, attributes and file pages for as long as this node holds the
// cluster lock that covers them: nothing it keeps may outlive the lock. So every answer that it
// may keep is recorded here at the instant at which the operation took effect, with its locks
// held, before the answer is written; and before a lock is given up, on_revoke() takes the
// record and has the kernel drop what is in it. Why it is so:
// docs/decisions/0005-kernel-caches.md.
//
// Names. A new epoch (FUSE_NOTIFY_INC_EPOCH) makes every cached name of the mount void and
// waits for nothing. A name that is answered late is void as well: the kernel stamps it with
// the epoch in which it asked. One epoch does for all locks whose names are older. Kernels that
// cannot do this (before 6.16) keep no names at all.
//
// Attributes. The kernel discards an answer that it asked for before the attributes were
// dropped, so a late one does no harm. That holds for answers to LOOKUP and GETATTR; the others
// (of CREATE, SETATTR, LINK ...) it takes without a check, so they carry no right to keep them.
// An inode that the kernel does not know yet cannot be told about: as long as it has been named
// in an answer and not forgotten, the notification is repeated.
//
// Pages. They are only read: whatever is opened for writing bypasses the kernel's page cache,
// so no page is ever dirty, and nothing is written without the daemon knowing. Dropping pages
// waits for reads of them. Three things keep that from being a deadlock: helper threads do it;
// ranges for which a read waits here are left out (such pages are empty); and if it takes long
// all the same, reads that wait for the very lock are let in, and what they brought is dropped
// after them.
//
// Sizes. A cached read ends where the kernel believes the file to end, and it discards an
// answer about the size that was under way while pages or attributes were dropped. So a read
// through the page cache that races with two hand-overs of the lock can miss what another node
// has just appended. Nothing a daemon can say mends that; so only files that nobody has changed
// for a while (`settle` times kSettledFactor) are read through the cache, the others past it.
//
// A lock that goes to and fro is not worth the trouble: where it was held for less than
// `settle`, no attributes and names are kept for a while.
//
// The lease. What is held may be given to others when this node's lease is over, so nothing is
// kept past it: names and attributes by their timeouts, pages by being dropped a while before,
// unless the next lease comes in time; from then until it comes no page is read. A daemon that
// stands still cannot do that: LeaseWatchdog does it then.
//
// Changes made on this node: the kernel follows what it asked for itself, except where another
// answer about the same inode is under way, or where the engine changes something on its own
// (access times). on_inode_changed() closes that gap, and pages_changed() does for contents.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/client/store.hpp"
#include "engine/fs/filesystem.hpp"
#include "node/cache_notifier.hpp"
#include "node/lease_watchdog.hpp"

namespace scoutfs::node {

// What the kernel may keep: nothing; attributes and pages; names too.
enum class CacheMode : std::uint8_t { none, attributes, full };
std::string_view to_string(CacheMode mode);  // none, attr, full
std::optional<CacheMode> parse_cache_mode(std::string_view text);

// The mode to use where `wanted` was asked for (nullopt: the most there is) and the kernel can
// void names or not. Errors: unsupported; `why` tells the operator.
Result<CacheMode> choose_cache_mode(std::optional<CacheMode> wanted, bool can_void_names,
                                    std::string& why);

struct CacheCounts {
  std::uint64_t epochs = 0;        // times all names were made void
  std::uint64_t drops = 0;         // notifications about inodes
  std::uint64_t repeats = 0;       // of them repeated, because the inode was not there yet
  std::uint64_t late_readers = 0;  // reads let in while their lock was being given up
  std::uint64_t lapses = 0;        // times everything was dropped because the lease ran out
};

class KernelCache final : public client::RevokeListener {
 public:
  static constexpr TimeNs kSettleDefault = 10 * kMillisecond;
  // For the engine: what an answer may take from the end of its operation to the kernel.
  static constexpr TimeNs kAnswerTime = 20 * kMillisecond;

  KernelCache(EventLoop& loop, TimeNs settle_ns);
  // Requires: close() has completed, or open() was never called.
  ~KernelCache() override;

  // Lets page readers in (Mount::admit_page_readers()). Set before open().
  void set_admit(std::function<std::size_t(lock::LockId)> admit) { admit_ = std::move(admit); }

  // Called before a lock is given up, with the inodes it covers: for what else was read under
  // it.
  void set_on_drop(std::function<void(Ino first, Ino last)> on_drop) {
    on_drop_ = std::move(on_drop);
  }

  // Begins, with the descriptor of a session that has just been mounted and stays open until
  // close(). Errors: those of choose_cache_mode().
  Result<void> open(int fd, std::optional<CacheMode> wanted, std::string& why);
  // From here on the lease is kept by `watchdog` as well, in every mode.
  void guard(std::unique_ptr<LeaseWatchdog> watchdog);
  // The connection is over; no call of the mount is answered any more. Requires: close() has
  // completed.
  void unguard() { watchdog_ = nullptr; }
  // Nothing more may be kept, and everything is dropped, without waiting for it: the node has
  // lost its right to the locks.
  void give_up();
  // Nothing more may be kept, nothing is dropped any more; returns when no notification is
  // under way. Reads that arrive meanwhile must be answered.
  Task<void> close();

  CacheMode mode() const { return mode_; }
  // True if a file that is being opened for reading may be read through the page cache.
  bool caches_pages_of(const fs::Inode& inode) const;
  bool keeps_pages() const { return mode_ != CacheMode::none; }
  const CacheCounts& counts() const { return counts_; }

  // RevokeListener.
  Task<void> on_revoke(lock::LockId id, lock::Mode keep) override;
  void on_inode_changed(Ino ino) override;
  void on_lease(TimeNs end_ns) override;

  // Before pages are read: returns when what is read may stay cached for a while, or no lease
  // will come. Errors: interrupted.
  Task<Result<void>> wait_to_read(Cancellation* cancellation);
  // Each answer is given between these. False: the lease is over, this must not be answered.
  // An answer with pages is given only as long as they may stay cached.
  enum class Answer : std::uint8_t { pages, other };
  bool begin_answer(Answer answer);
  void end_answer();

  // Contents of a file were changed through this mount: returns when no page is left that was
  // read before. Call before the change is answered.
  Task<void> pages_changed(Ino ino);
  // The same for attributes that the kernel does not know to be changed by what it asked.
  Task<void> attributes_changed(Ino ino);

  // The kernel refers to the inode, once more or `count` times less.
  void looked_up(Ino ino);
  void forgotten(Ino ino, std::uint64_t count);

 private:
  friend class CacheGrant;

  struct Inode {
    std::uint64_t lookups = 0;  // references of the kernel, those in answers under way included
    bool directory = false;
    bool attributes = false;          // may be kept
    std::uint64_t attributes_at = 0;  // when that was last allowed; counts grants
    ByteRanges pages;                 // that may be kept
    std::uint64_t pages_at = 0;
    std::optional<std::uint32_t> place;  // at the watchdog
  };
  // Of an inode group, which is what a lock covers.
  struct Group {
    std::optional<std::uint64_t> names_epoch;  // in which a name was last allowed to be kept
    std::optional<TimeNs> since;               // the first of what may be kept was allowed
    TimeNs quiet_until = 0;                    // nothing is allowed before
  };
  using Reads = std::multimap<Ino, ByteRange>;

  bool granting() const { return notifier_ != nullptr && !closed_; }
  // False: the lock goes to and fro, and until `quiet_until` nothing may be kept under it.
  bool begin_tenure(Group& group);
  void end_tenure(std::uint64_t group);
  void purge_groups();
  bool grant_names(Ino dir);
  void names_moved(Ino dir);
  bool grant_attributes(Ino ino, bool directory);
  void grant_pages(Ino ino, ByteRange pages);

  ByteRanges without_reads(Ino ino, ByteRanges pages) const;
  std::vector<CacheDrop> take(Ino first, Ino last);
  // What was unknown to the kernel and is still referred to.
  std::vector<CacheDrop> still_due(const std::vector<CacheDrop>& drops);
  std::shared_ptr<CacheNotifier::Job> submit(CacheNotifier::Lane lane,
                                             std::vector<CacheDrop> drops);
  Task<void> drop_all(std::vector<CacheDrop> drops);
  // How long from now an answer may be kept, seconds.
  double timeout() const;
  Task<void> follow_lease();
  Task<void> let_go();
  Task<void> drop_attributes(std::set<Ino> inos);
  Task<void> drop_changed();

  EventLoop& loop_;
  TimeNs settle_ns_;
  std::function<std::size_t(lock::LockId)> admit_;
  std::function<void(Ino, Ino)> on_drop_;
  CacheMode mode_ = CacheMode::none;
  int fd_ = -1;
  std::unique_ptr<CacheNotifier> notifier_;
  bool closed_ = false;  // nothing more may be kept
  bool ended_ = false;   // and nothing more is dropped
  std::unique_ptr<LeaseWatchdog> watchdog_;
  TimeNs lease_end_ns_ = 0;
  TimeNs let_go_ns_ = 0;  // no page may stay cached from here on
  WaitQueue renewed_;
  Cancellation following_;  // follow_lease() is to end
  std::uint64_t epoch_ = 1;
  std::uint64_t grants_ = 0;
  std::uint64_t revokes_ = 0;  // begun
  std::map<Ino, Inode> inodes_;
  std::map<std::uint64_t, Group> groups_;  // by number
  std::size_t groups_purged_at_ = 0;
  Reads reads_;            // that lock pages and have not taken effect yet
  std::set<Ino> changed_;  // attributes to be dropped
  bool dropping_changed_ = false;
  CacheCounts counts_;
  TaskScope scope_;
};

// What the kernel may keep of one answer: the operation's witness. Lives in the coroutine that
// answers, until it has answered.
class CacheGrant final : public fs::Witness {
 public:
  explicit CacheGrant(KernelCache& cache) : cache_(cache) {}
  CacheGrant(const CacheGrant&) = delete;
  CacheGrant& operator=(const CacheGrant&) = delete;
  ~CacheGrant() override { end_read(); }

  // Each says what the answer is about; call before the operation begins.
  //
  // A name in the directory, or that there is none.
  void about_name(Ino dir) { dir_ = dir; }
  // An entry moves into the directory, and the kernel takes what it knows of it along.
  void about_move(Ino to_dir) { to_dir_ = to_dir; }
  // Pages: of what is read through the page cache they are locked and empty until the answer.
  enum class Pages : std::uint8_t { locked, not_locked };
  void about_pages(Ino ino, std::uint64_t offset, std::size_t size, Pages how);

  void serialized(TxnNo txn) override;

  // For the answer: how long the kernel may keep it, in seconds.
  double name_timeout() const;
  double attributes_timeout(const fs::Attributes& attributes);

 private:
  void end_read();

  KernelCache& cache_;
  Ino dir_, to_dir_, ino_;
  ByteRange pages_;
  std::optional<KernelCache::Reads::iterator> read_;
  std::optional<std::uint64_t> revokes_;  // when it took effect
  bool keeps_name_ = false;
};

}  // namespace scoutfs::node
