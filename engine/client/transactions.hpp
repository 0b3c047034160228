// Transactions: the open one, the frozen ones on their way to the leader, and the commit
// itself.
//
// Operations put their changes into the open transaction in one synchronous step each. A commit
// freezes it between two events, and a new one opens at once; operations never wait for the
// disk. Then, for each frozen transaction (DESIGN 15, rule 7): wait for its data blocks, write
// its items as level-0 segments, flush, send the Commit in order, and when the answer is there
// its items become clean cache. Until then its memtable lies over the cache and over every
// segment list (rule 1).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/client/data_writer.hpp"
#include "engine/client/leader_session.hpp"
#include "engine/client/space_pool.hpp"
#include "engine/client/store.hpp"
#include "engine/lsm/memtable.hpp"
#include "engine/lsm/segment.hpp"
#include "engine/lsm/segment_writer.hpp"

namespace scoutfs::client {

struct TransactionState {
  TxnNo number;
  Seq seq;  // 0: none yet
  lsm::Memtable items;
  ExtentSet used;        // granted space that files refer to after it
  ExtentSet freed;       // space of earlier transactions that files refer to no longer
  TimeNs opened_ns = 0;  // first change

  std::vector<lsm::SegmentInfo> segments;
  bool segments_built = false;
  bool sent = false;

  bool dirty() const { return !items.empty() || !used.empty() || !freed.empty(); }
};

class Transactions {
 public:
  struct Options {
    TimeNs commit_interval_ns = kSecond;
    std::uint64_t commit_bytes_max = 0;
    std::uint64_t dirty_bytes_max = 0;
    std::uint64_t grant_blocks = 0;
    std::uint64_t segment_size_max = 0;
    Fsid fsid;
  };
  struct Hooks {
    // The transaction is recorded: its items become clean, its segments readable.
    std::function<void(TransactionState&, const session::CommitAnswer&)> on_recorded;
    std::function<void(Error)> on_failed;
  };

  Transactions(Env env, LeaderSession& session, Options options, Hooks hooks);

  void start();
  Task<void> stop();
  void fail(Errc code);

  // See Store::begin.
  Task<Result<void>> begin(Reservation reservation, Cancellation* cancellation);
  TransactionState& open() { return *open_; }
  const TransactionState& open() const { return *open_; }
  // Newest first.
  const std::deque<std::shared_ptr<TransactionState>>& frozen() const { return frozen_; }
  TxnNo recorded() const { return recorded_; }
  Seq recorded_seq() const { return recorded_seq_; }  // of the newest recorded transaction

  Extent allocate(std::uint64_t count, BlockNo hint);
  void free(Extent extent);
  DataWriter& data() { return data_; }

  // Everything up to `txn` is recorded when it returns. Errors: interrupted, that of the
  // store's failure.
  Task<Result<void>> commit_up_to(TxnNo txn, Cancellation* cancellation = nullptr);
  // Gives back every seq under which nothing was changed: idle, it would only hold the index
  // up.
  void drop_unused_seqs();
  // The newest transaction with changes.
  TxnNo newest() const;

  void on_commit_wanted(Seq up_to);
  void on_declared(const session::DeclareAnswer& answer);
  std::vector<Seq> open_seqs() const;
  TxnNo oldest_unrecorded() const { return recorded_.next(); }
  // The leader asks for what is not needed.
  void return_space();

  std::uint64_t dirty_bytes() const;
  std::uint64_t pool_blocks() const { return pool_.blocks(); }

 private:
  void freeze();
  Task<void> commit(std::shared_ptr<TransactionState> txn);
  Task<Result<void>> write_out(TransactionState& txn);
  Task<Result<void>> build_segments(TransactionState& txn,
                                    std::vector<lsm::SegmentImage>& images);
  Task<Result<lsm::SegmentRef>> place_segment(std::uint64_t blocks);
  Task<void> commit_by_age();
  Task<Result<void>> ensure_seq(Seq not_below);
  Task<Result<void>> ensure_space(Reservation reservation);
  Task<Result<bool>> request_space(session::SpaceRequest::Purpose purpose, std::uint64_t blocks,
                                   std::uint64_t contiguous);
  std::uint64_t segment_need(std::uint64_t extra_bytes) const;
  void drop_seq(Seq seq);
  // An operation ended before it used the seq that was asked back while it was fetched.
  void give_back_unused_seq();
  void take_spare(Seq seq);
  void settle_limbo();

  Env env_;
  LeaderSession& session_;
  Options options_;
  Hooks hooks_;
  SpacePool pool_;
  DataWriter data_;
  std::vector<Extent> limbo_;  // freed, and still being written

  std::shared_ptr<TransactionState> open_;
  std::deque<std::shared_ptr<TransactionState>> frozen_;
  TxnNo recorded_;
  Seq recorded_seq_;
  TxnNo sent_;
  Seq spare_;                   // granted and not used yet
  TimeNs unused_since_ns_ = 0;  // since when seqs are held that nobody uses; 0: since never
  Seq commit_wanted_;           // the leader wants seqs up to here to close
  bool seq_asked_ = false;
  bool stopping_ = false;
  std::optional<Errc> failed_;
  Mutex seq_mutex_;
  Mutex space_mutex_;
  WaitQueue progress_;  // something was recorded, or failed
  WaitQueue age_wake_;
  Cancellation cancellation_;
  TaskScope scope_;
};

}  // namespace scoutfs::client
