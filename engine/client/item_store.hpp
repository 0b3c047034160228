// ItemStore: reading items.
//
// What an item is, is decided by the first of these that knows its key: the open transaction,
// the frozen ones from the newest, the clean cache of the lock, this node's own segments that
// are newer than the lock's segment list, and the segments of the list (DESIGN 15, rule 1).
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/client/leader_session.hpp"
#include "engine/client/lock_cache.hpp"
#include "engine/client/transactions.hpp"
#include "engine/lsm/segment_reader.hpp"

namespace scoutfs::client {

class ItemStore {
 public:
  ItemStore(LeaderSession& session, LockCache& locks, Transactions& transactions,
            lsm::SegmentCache& segments, std::uint64_t cache_bytes_max);

  Task<Result<lsm::Entry>> get(std::shared_ptr<LockEntry> entry, std::string_view key);
  Task<Result<std::vector<lsm::Item>>> scan(std::shared_ptr<LockEntry> entry, KeyRange range,
                                            std::size_t limit);
  Task<Result<std::vector<std::string>>> scan_recorded(KeyRange range, std::size_t limit);

  // A transaction of this node is recorded.
  void on_recorded(TransactionState& txn, const session::CommitAnswer& answer);
  // A lock's items left the cache.
  void on_dropped(const LockEntry& entry) { cached_bytes_ -= entry.items.size_bytes(); }

  // The leader wants to free what lists older than `version` name; returns the oldest still in
  // use.
  Version drop_lists(Version version);
  // What a Declare says; 0: no list is in use.
  Version oldest_list() const;
  std::uint64_t cached_bytes() const { return cached_bytes_; }

 private:
  // A segment of this node, recorded at `version`.
  struct Own {
    Version version;
    lsm::Placed placed;
  };

  // nullptr: nothing in memory knows the key.
  const lsm::Entry* find_in_memory(const LockEntry& entry, std::string_view key) const;
  Task<Result<std::shared_ptr<ListUse>>> list_of(std::shared_ptr<LockEntry> entry);
  Task<Result<std::shared_ptr<ListUse>>> fetch_list(KeyRange range);
  std::vector<lsm::Placed> own_newer(Version version, const KeyRange& range) const;
  void scan_known(const LockEntry& entry, const KeyRange& range, std::size_t limit,
                  std::vector<lsm::Item>& out) const;
  void insert(LockEntry& entry, std::string key, lsm::Entry value);
  void shrink();
  void prune();

  LeaderSession& session_;
  LockCache& locks_;
  Transactions& transactions_;
  lsm::SegmentCache& segments_;
  std::uint64_t cache_bytes_max_;
  std::uint64_t cached_bytes_ = 0;
  std::deque<Own> own_;              // newest first
  Version known_;                    // the newest manifest version we have heard of
  std::multiset<Version> fetching_;  // what we had heard of when each request was sent
};

}  // namespace scoutfs::client
