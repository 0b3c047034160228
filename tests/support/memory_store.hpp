// Store in memory: several nodes that share one item map, for tests of fs/.
//
// It is small but strict: it asserts the rules of use of client/store.hpp. Keys are covered by
// held locks, nothing suspends between begin() and the last change, reservations are kept,
// blocks are allocated once and freed once, and recorded data is never written over.
//
// It plays client::StoreImpl, so a program links either it or the real one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/client/store.hpp"
#include "tests/support/run.hpp"

namespace scoutfs::client {

class LockEntry {
 public:
  lock::LockId id;
  std::uint32_t readers = 0;
  std::uint32_t writers = 0;
};

}  // namespace scoutfs::client

namespace scoutfs::testing {

using MemoryStore = client::StoreImpl;

class SmallRandom : public Random {
 public:
  explicit SmallRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;

 private:
  std::uint64_t state_;
};

// What the nodes share.
struct MemoryVolume {
  MemoryVolume(World& of, std::uint64_t blocks, std::uint64_t seed)
      : world(of), random(seed), queue(of.scheduler), scope(of.scheduler), block_count(blocks) {
    free_space[1] = blocks - 1;  // block 0 is nobody's
  }

  World& world;
  SmallRandom random;
  WaitQueue queue;  // lock releases
  TaskScope scope;
  std::vector<MemoryStore*> nodes;

  std::map<std::string, std::string, std::less<>> items;
  std::set<std::string, std::less<>> recorded;  // index and orphan zones
  std::uint64_t last_seq = 0;
  std::uint64_t next_ino = 1024;

  std::uint64_t block_count;
  std::map<std::uint64_t, std::uint64_t> free_space;  // start -> count
  std::set<std::uint64_t> used;
  struct Block {
    std::string bytes;
    const MemoryStore* writer = nullptr;
    TxnNo txn;
  };
  std::map<std::uint64_t, Block> blocks;
  std::set<Ino> unlinked_open;        // whose last closer is to delete them
  std::uint64_t delete_reserve = 64;  // blocks for frees_space

  // Chances, one in so many; 0: never.
  std::uint64_t suspend_one_in = 0;
  std::uint64_t commit_one_in = 0;
  std::uint64_t fragment_one_in = 0;
  std::uint64_t space_errors = 0;  // begin() calls that shall fail with no_space

  MemoryStore* txn_holder = nullptr;  // whose Txn may be used until the next event
  bool chance(std::uint64_t one_in) { return one_in != 0 && random.below(one_in) == 0; }
  std::uint64_t free_blocks() const;
  void give_back(Extent extent);
};

}  // namespace scoutfs::testing

namespace scoutfs::client {

class StoreImpl : public Store {
 public:
  explicit StoreImpl(testing::MemoryVolume& volume);
  ~StoreImpl() override;

  Env& env() override { return *env_; }
  Task<Result<Locks>> lock(std::vector<LockWant> wants, Cancellation* cancellation) override;
  Task<Result<lsm::Entry>> get(const Locks& locks, std::string_view key) override;
  Task<Result<std::vector<lsm::Item>>> scan(const Locks& locks, KeyRange range,
                                            std::size_t limit) override;
  Task<Result<Txn>> begin(Reservation reservation, Cancellation* cancellation) override;
  Seq open_seq() const override { return seq_; }
  TxnNo open_txn() const override { return number_; }
  Task<Result<void>> read(Extent where, std::span<std::byte> out) override;
  bool lease_valid() const override { return true; }
  Task<Result<void>> wait_for_lease() override;
  Task<Result<void>> sync(Cancellation* cancellation) override;
  Task<Result<void>> publish(Cancellation* cancellation) override;
  Task<Result<InoRange>> allocate_inos(std::uint64_t count) override;
  void opened(Ino ino) override { ++open_[ino]; }
  void closed(Ino ino) override;
  bool is_open(Ino ino) const override { return open_.contains(ino); }
  bool is_open_elsewhere(const Locks& locks, Ino ino) override;
  void delete_on_last_close(const Locks& locks, Ino ino) override;
  void set_on_last_close(std::function<void(Ino)> on_last_close) override {
    on_last_close_ = std::move(on_last_close);
  }
  Task<Result<std::vector<std::string>>> scan_recorded(KeyRange range,
                                                       std::size_t limit) override;
  Task<Result<Bound>> index_bound(Wait wait, Cancellation* cancellation) override;
  Task<Result<Space>> space() override;

  // Records the open transaction.
  void commit();
  // Its open files are no longer open, as after the death of the node.
  void forget_open_files() { open_.clear(); }
  std::uint64_t lock_calls() const { return lock_calls_; }

  // For Locks and Txn.
  void release(std::vector<Locks::Held>& held);
  Seq seq() const { return seq_; }
  TxnNo number() const { return number_; }
  void put(std::string key, std::string value);
  void erase(std::string key);
  Extent allocate(std::uint64_t count, BlockNo hint);
  void free(Extent extent);
  void write(Extent where, std::string bytes);
  static lock::LockId id_of(const Locks::Held& held) { return held.entry->id; }

 private:
  struct Environment;
  Task<void> perhaps_suspend();
  static Task<void> end_txn_at_next_event(testing::MemoryVolume* volume, StoreImpl* store,
                                          std::uint64_t turn);
  bool conflicts(lock::LockId id, lock::Mode mode) const;
  void check_covered(const Locks& locks, std::string_view key, lock::Mode mode) const;
  void check_change(const std::string& key, std::size_t value_size);
  std::optional<Extent> take(std::uint64_t count, BlockNo hint);

  testing::MemoryVolume& volume_;
  std::unique_ptr<Environment> environment_;
  Env* env_ = nullptr;
  std::map<lock::LockId, std::shared_ptr<LockEntry>> locks_;
  std::set<lock::LockId> dirty_;
  std::map<Ino, std::uint64_t> open_;
  std::function<void(Ino)> on_last_close_;
  Seq seq_;
  TxnNo number_{1};
  bool used_ = false;       // the open transaction has changes
  std::uint64_t turn_ = 0;  // begin() calls
  Reservation left_;
  std::vector<std::pair<std::string, bool>> unrecorded_;  // blind keys: put or erased
  std::vector<Extent> freed_;
  std::uint64_t lock_calls_ = 0;
};

}  // namespace scoutfs::client
