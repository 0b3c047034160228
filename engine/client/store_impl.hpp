// StoreImpl: the Store of a mount, put together from its parts.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "engine/client/item_store.hpp"
#include "engine/client/leader_session.hpp"
#include "engine/client/lease.hpp"
#include "engine/client/lock_cache.hpp"
#include "engine/client/store.hpp"
#include "engine/client/transactions.hpp"

namespace scoutfs::client {

struct StoreOptions {
  Transactions::Options transactions;
  std::uint64_t item_cache_bytes = 0;
  std::size_t locks_max = 0;
  TimeNs lease_interval_ns = 0;  // how often a lease is asked for
  TimeNs answer_time_ns = 0;     // see Lease
};

class StoreImpl final : public Store, private SessionOwner, private LockOwner {
 public:
  StoreImpl(Env env, LeaderSession::Identity identity, LeaderFinder& finder,
            lsm::SegmentCache& segments, StoreOptions options);
  ~StoreImpl() override;

  // Called once, when the store can go on no longer; with why: fenced, or another error.
  void set_on_failed(std::function<void(Errc, std::string)> on_failed) {
    on_failed_ = std::move(on_failed);
  }
  void set_revoke_listener(RevokeListener* listener);
  std::size_t admit_page_readers(lock::LockId id) { return locks_.admit_page_readers(id); }
  void start();
  // Commits everything, says farewell, stops. Errors: what the commit failed with.
  Task<Result<void>> stop();
  // From here on every operation that needs the cluster or the device ends with `code`.
  void fail(Errc code, std::string why);
  // Stops without a word: nothing more is committed.
  Task<void> abandon();

  LeaderSession& session() { return session_; }
  const Transactions& transactions() const { return transactions_; }
  const LockCache& lock_cache() const { return locks_; }
  std::string waits_for() const;
  void check_invariants() const;

  // Store.
  Env& env() override { return env_; }
  Task<Result<Locks>> lock(std::vector<LockWant> wants, Cancellation* cancellation) override;
  Task<Result<lsm::Entry>> get(const Locks& locks, std::string_view key) override;
  Task<Result<std::vector<lsm::Item>>> scan(const Locks& locks, KeyRange range,
                                            std::size_t limit) override;
  Task<Result<Txn>> begin(Reservation reservation, Cancellation* cancellation) override;
  Seq open_seq() const override { return transactions_.open().seq; }
  TxnNo open_txn() const override { return transactions_.open().number; }
  Task<Result<void>> read(Extent where, std::span<std::byte> out) override;
  bool lease_valid() const override { return lease_.valid(); }
  [[clang::coro_wrapper]] Task<Result<void>> wait_for_lease() override { return lease_.wait(); }
  Task<Result<void>> sync(Cancellation* cancellation) override;
  Task<Result<void>> publish(Cancellation* cancellation) override;
  Task<Result<InoRange>> allocate_inos(std::uint64_t count) override;
  void opened(Ino ino) override;
  void closed(Ino ino) override;
  bool is_open(Ino ino) const override { return opens_.contains(ino); }
  bool is_open_elsewhere(const Locks& locks, Ino ino) override;
  void delete_on_last_close(const Locks& locks, Ino ino) override;
  void set_on_last_close(std::function<void(Ino)> on_last_close) override {
    on_last_close_ = std::move(on_last_close);
  }
  Task<Result<std::vector<std::string>>> scan_recorded(KeyRange range,
                                                       std::size_t limit) override;
  Task<Result<Bound>> index_bound(Wait wait, Cancellation* cancellation) override;
  Task<Result<Space>> space() override;

 private:
  friend class Locks;
  friend class Txn;

  // SessionOwner.
  Task<void> before_declare() override;
  session::Declare declare() override;
  void on_declared(const session::DeclareAnswer& answer) override;
  void on_notice(session::LeaderNotice notice) override;
  void on_refused(const session::Refusal& refusal) override;

  void on_last_closed(const session::LastClosed& closed);

  // LockOwner.
  Task<bool> commit_for_lock(TxnNo txn) override;
  TxnNo recorded() const override { return transactions_.recorded(); }
  std::vector<Ino> report_open(lock::LockId id) override;
  void on_dropped(const LockEntry& entry) override { items_.on_dropped(entry); }

  std::shared_ptr<LockEntry> entry_for(const Locks& locks, std::string_view key) const;
  // A change of `key` in the open transaction.
  void change(std::string key, lsm::Entry entry);
  Task<void> run_job(session::JobOffer offer);

  Env env_;
  lsm::SegmentCache& segments_;
  Fsid fsid_;
  std::function<void(Errc, std::string)> on_failed_;
  std::function<void(Ino)> on_last_close_;
  bool failed_ = false;
  bool leaving_ = false;  // the farewell is said
  LeaderSession session_;
  Lease lease_;
  Transactions transactions_;
  LockCache locks_;
  ItemStore items_;
  std::map<Ino, std::uint64_t> opens_;
  std::set<Ino> reported_;  // open inodes whose lock we gave up: the leader knows of them
  std::uint64_t jobs_running_ = 0;
  WaitQueue jobs_done_;
  TaskScope jobs_;
};

}  // namespace scoutfs::client
