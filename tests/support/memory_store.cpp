#include "tests/support/memory_store.hpp"

#include <algorithm>
#include <cstring>

#include "engine/format/keys.hpp"

namespace scoutfs::testing {

std::uint64_t SmallRandom::next() {
  // SplitMix64 (Steele, Lea and Flood, 2014).
  state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::uint64_t MemoryVolume::free_blocks() const {
  std::uint64_t sum = 0;
  for (const auto& [start, count] : free_space) sum += count;
  return sum;
}

void MemoryVolume::give_back(Extent extent) {
  for (std::uint64_t i = 0; i < extent.count; ++i) blocks.erase(extent.start.value + i);
  auto at = free_space.emplace(extent.start.value, extent.count).first;
  if (at != free_space.begin()) {
    const auto previous = std::prev(at);
    SCOUTFS_ASSERT(previous->first + previous->second <= at->first);
    if (previous->first + previous->second == at->first) {
      previous->second += at->second;
      free_space.erase(at);
      at = previous;
    }
  }
  const auto next = std::next(at);
  if (next != free_space.end() && at->first + at->second == next->first) {
    at->second += next->second;
    free_space.erase(next);
  }
}

namespace {

class NoDevice : public BlockDevice {
 public:
  std::uint64_t block_count() const override { return 0; }
  Task<Result<void>> read(BlockNo, std::span<std::byte>) override {
    co_return fail(Errc::io_error);
  }
  Task<Result<void>> write(BlockNo, std::span<const std::byte>, Durability) override {
    co_return fail(Errc::io_error);
  }
  Task<Result<void>> flush() override { co_return fail(Errc::io_error); }
};

class NoNetwork : public Network {
 public:
  void secure(Fsid, std::uint64_t, std::string_view) override {}
  Result<Address> listen(Address) override { return fail(Errc::invalid); }
  Task<Result<std::unique_ptr<Connection>>> accept() override {
    co_return fail(Errc::stopping);
  }
  void close_listener() override {}
  Task<Result<std::unique_ptr<Connection>>> connect(Address) override {
    co_return fail(Errc::disconnected);
  }
};

class NoFencing : public Fencing {
 public:
  FenceLevel level() const override { return FenceLevel::none; }
  Task<Result<bool>> confirm_dead(Incarnation, HostId) override { co_return false; }
};

class NoLog : public Log {
 public:
  void write(LogLevel, std::string_view) override {}
  bool enabled(LogLevel) const override { return false; }
};

bool blind(std::string_view key) {
  return key[0] != static_cast<char>(format::Zone::fs);
}

}  // namespace
}  // namespace scoutfs::testing

namespace scoutfs::client {

using lock::Mode;
using testing::MemoryVolume;

// --- Locks and Txn, as StoreImpl defines them ---

Locks::Locks(Locks&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)), held_(std::move(other.held_)) {
  other.held_.clear();
}
Locks& Locks::operator=(Locks&& other) noexcept {
  release();
  store_ = std::exchange(other.store_, nullptr);
  held_ = std::move(other.held_);
  other.held_.clear();
  return *this;
}
void Locks::release() {
  if (store_ != nullptr) std::exchange(store_, nullptr)->release(held_);
  held_.clear();
}
bool Locks::covers(Ino ino, Mode mode) const {
  return std::ranges::any_of(held_, [&](const Held& held) {
    return StoreImpl::id_of(held) == lock::lock_of(ino) && lock::allows(held.mode, mode);
  });
}

Seq Txn::seq() const {
  return store_->seq();
}
TxnNo Txn::number() const {
  return store_->number();
}
void Txn::put(std::string key, std::string value) {
  store_->put(std::move(key), std::move(value));
}
void Txn::erase(std::string key) {
  store_->erase(std::move(key));
}
Extent Txn::allocate(std::uint64_t count, BlockNo hint) {
  return store_->allocate(count, hint);
}
void Txn::free(Extent extent) {
  store_->free(extent);
}
void Txn::write(Extent where, std::string bytes) {
  store_->write(where, std::move(bytes));
}

// --- the store ---

struct StoreImpl::Environment {
  explicit Environment(MemoryVolume& volume)
      : random(volume.random.next()),
        env{volume.world.scheduler, volume.world.clock, random, device, network, fencing, log} {
  }
  testing::SmallRandom random;
  testing::NoDevice device;
  testing::NoNetwork network;
  testing::NoFencing fencing;
  testing::NoLog log;
  Env env;
};

StoreImpl::StoreImpl(MemoryVolume& volume)
    : volume_(volume), environment_(std::make_unique<Environment>(volume)) {
  env_ = &environment_->env;
  volume.nodes.push_back(this);
}

StoreImpl::~StoreImpl() {
  std::erase(volume_.nodes, this);
}

Task<void> StoreImpl::perhaps_suspend() {
  volume_.txn_holder = nullptr;
  while (volume_.chance(volume_.suspend_one_in)) co_await Yield(volume_.world.scheduler);
}

bool StoreImpl::conflicts(lock::LockId id, Mode mode) const {
  for (const StoreImpl* node : volume_.nodes) {
    if (node == this) continue;
    const auto found = node->locks_.find(id);
    if (found == node->locks_.end()) continue;
    if (found->second->writers > 0) return true;
    if (mode == Mode::write && found->second->readers > 0) return true;
  }
  return false;
}

Task<Result<Locks>> StoreImpl::lock(std::vector<LockWant> wants, Cancellation* cancellation) {
  ++lock_calls_;
  co_await perhaps_suspend();
  std::map<lock::LockId, Mode> merged;
  for (const LockWant& want : wants) {
    Mode& mode = merged[want.id];
    mode = std::max(mode, want.mode);
  }
  Locks locks;
  locks.store_ = this;
  for (const auto [id, mode] : merged) {
    while (conflicts(id, mode)) {
      const Wake wake = co_await volume_.queue.wait(cancellation);
      if (wake == Wake::cancelled) co_return fail(Errc::interrupted);
    }
    // A lock changes hands only when what was done under it is recorded.
    for (StoreImpl* node : volume_.nodes) {
      if (node != this && node->dirty_.contains(id)) node->commit();
    }
    std::shared_ptr<LockEntry>& entry = locks_[id];
    if (entry == nullptr) {
      entry = std::make_shared<LockEntry>();
      entry->id = id;
    }
    ++(mode == Mode::write ? entry->writers : entry->readers);
    locks.held_.push_back({entry, mode});
    co_await perhaps_suspend();
  }
  co_return locks;
}

void StoreImpl::release(std::vector<Locks::Held>& held) {
  for (Locks::Held& one : held) {
    --(one.mode == Mode::write ? one.entry->writers : one.entry->readers);
  }
  volume_.queue.wake_all();
}

void StoreImpl::check_covered(const Locks& locks, std::string_view key, Mode mode) const {
  const Result<format::ParsedKey> parsed = format::parse_key(key);
  SCOUTFS_ASSERT(parsed.has_value());
  SCOUTFS_ASSERT(parsed->zone == format::Zone::fs);
  SCOUTFS_ASSERT(locks.covers(parsed->ino, mode));
}

Task<Result<lsm::Entry>> StoreImpl::get(const Locks& locks, std::string_view key) {
  check_covered(locks, key, Mode::read);
  co_await perhaps_suspend();
  const auto found = volume_.items.find(key);
  if (found == volume_.items.end()) co_return lsm::Entry();
  co_return lsm::Entry(found->second);
}

Task<Result<std::vector<lsm::Item>>> StoreImpl::scan(const Locks& locks, KeyRange range,
                                                     std::size_t limit) {
  SCOUTFS_ASSERT(limit > 0);
  SCOUTFS_ASSERT(range.first <= range.last);
  // The zone and the inode number of both ends.
  SCOUTFS_ASSERT(range.first.size() >= 9);
  SCOUTFS_ASSERT(range.first.substr(0, 9) == range.last.substr(0, 9));
  check_covered(locks, range.first.substr(0, 9) + '\x10', Mode::read);
  co_await perhaps_suspend();
  std::vector<lsm::Item> items;
  for (auto at = volume_.items.lower_bound(range.first);
       at != volume_.items.end() && at->first <= range.last && items.size() < limit; ++at) {
    items.push_back({at->first, at->second});
  }
  co_return items;
}

Task<void> StoreImpl::end_txn_at_next_event(MemoryVolume* volume, StoreImpl* store,
                                            std::uint64_t turn) {
  if (volume->txn_holder == store && store->turn_ == turn) volume->txn_holder = nullptr;
  co_return;
}

Task<Result<Txn>> StoreImpl::begin(Reservation reservation, Cancellation* cancellation) {
  co_await perhaps_suspend();
  if (cancellation != nullptr && cancellation->requested()) co_return fail(Errc::interrupted);
  const bool frees = reservation.purpose == Reservation::Purpose::frees_space;
  const std::uint64_t kept = frees ? 0 : volume_.delete_reserve;
  if (reservation.data_blocks > 0 && reservation.data_blocks + kept > volume_.free_blocks()) {
    for (StoreImpl* node : volume_.nodes) node->commit();  // freed blocks come back
    if (reservation.data_blocks + kept > volume_.free_blocks()) co_return fail(Errc::no_space);
  }
  if (volume_.space_errors > 0) {
    --volume_.space_errors;
    co_return fail(Errc::no_space);
  }
  if (volume_.chance(volume_.commit_one_in)) commit();
  if (seq_.value != 0 && seq_ <= reservation.not_below) {
    used_ = true;
    commit();
  }
  if (seq_.value == 0) seq_ = Seq{++volume_.last_seq};
  SCOUTFS_ASSERT(seq_ > reservation.not_below);
  left_ = reservation;
  used_ = true;
  volume_.txn_holder = this;
  volume_.scope.spawn(end_txn_at_next_event(&volume_, this, ++turn_));
  co_return Txn(*this);
}

void StoreImpl::commit() {
  if (!used_) return;
  for (const auto& [key, present] : unrecorded_) {
    if (present) {
      volume_.recorded.insert(key);
    } else {
      volume_.recorded.erase(key);
    }
  }
  unrecorded_.clear();
  for (const Extent extent : freed_) volume_.give_back(extent);
  freed_.clear();
  dirty_.clear();
  seq_ = Seq{};
  number_ = number_.next();
  used_ = false;
}

void StoreImpl::check_change(const std::string& key, std::size_t value_size) {
  SCOUTFS_ASSERT(volume_.txn_holder == this);
  const Result<format::ParsedKey> parsed = format::parse_key(key);
  SCOUTFS_ASSERT(parsed.has_value());
  SCOUTFS_ASSERT(left_.item_bytes >= key.size() + value_size);
  left_.item_bytes -= key.size() + value_size;
  if (parsed->zone != format::Zone::fs) return;
  const auto found = locks_.find(lock::lock_of(parsed->ino));
  SCOUTFS_ASSERT(found != locks_.end());
  SCOUTFS_ASSERT(found->second->writers > 0);
  dirty_.insert(found->first);
}

void StoreImpl::put(std::string key, std::string value) {
  check_change(key, value.size());
  if (testing::blind(key)) unrecorded_.emplace_back(key, true);
  volume_.items.insert_or_assign(std::move(key), std::move(value));
}

void StoreImpl::erase(std::string key) {
  check_change(key, 0);
  if (testing::blind(key)) unrecorded_.emplace_back(key, false);
  volume_.items.erase(key);
}

std::optional<Extent> StoreImpl::take(std::uint64_t count, BlockNo hint) {
  auto& space = volume_.free_space;
  auto at = space.find(hint.value);
  if (at == space.end()) {
    at = std::ranges::find_if(space, [count](const auto& run) { return run.second >= count; });
  }
  if (at == space.end()) at = space.begin();
  if (at == space.end()) return std::nullopt;
  const Extent got{BlockNo{at->first}, std::min(count, at->second)};
  const std::uint64_t left = at->second - got.count;
  space.erase(at);
  if (left > 0) space.emplace(got.end().value, left);
  return got;
}

Extent StoreImpl::allocate(std::uint64_t count, BlockNo hint) {
  SCOUTFS_ASSERT(volume_.txn_holder == this);
  SCOUTFS_ASSERT(count > 0);
  if (volume_.chance(volume_.fragment_one_in)) {
    count = 1 + volume_.random.below(count);
    hint = BlockNo{};
  }
  const std::optional<Extent> got = take(count, hint);
  SCOUTFS_ASSERT(got.has_value());
  SCOUTFS_ASSERT(left_.data_blocks >= got->count);
  left_.data_blocks -= got->count;
  for (std::uint64_t i = 0; i < got->count; ++i) {
    SCOUTFS_ASSERT(volume_.used.insert(got->start.value + i).second);
  }
  return *got;
}

void StoreImpl::free(Extent extent) {
  SCOUTFS_ASSERT(volume_.txn_holder == this);
  for (std::uint64_t i = 0; i < extent.count; ++i) {
    SCOUTFS_ASSERT(volume_.used.erase(extent.start.value + i) == 1);
  }
  freed_.push_back(extent);
}

void StoreImpl::write(Extent where, std::string bytes) {
  SCOUTFS_ASSERT(volume_.txn_holder == this);
  SCOUTFS_ASSERT(bytes.size() == where.count * kBlockSize);
  for (std::uint64_t i = 0; i < where.count; ++i) {
    SCOUTFS_ASSERT(volume_.used.contains(where.start.value + i));
    MemoryVolume::Block& block = volume_.blocks[where.start.value + i];
    if (block.writer != nullptr) {
      SCOUTFS_ASSERT(block.writer == this);
      SCOUTFS_ASSERT(block.txn == number_);
    }
    block = {bytes.substr(i * kBlockSize, kBlockSize), this, number_};
  }
}

Task<Result<void>> StoreImpl::read(Extent where, std::span<std::byte> out) {
  co_await perhaps_suspend();
  SCOUTFS_ASSERT(out.size() == where.count * kBlockSize);
  for (std::uint64_t i = 0; i < where.count; ++i) {
    const auto found = volume_.blocks.find(where.start.value + i);
    const std::string bytes =
        found == volume_.blocks.end() ? std::string(kBlockSize, '?') : found->second.bytes;
    std::memcpy(out.data() + i * kBlockSize, bytes.data(), kBlockSize);
  }
  co_return Result<void>();
}

Task<Result<void>> StoreImpl::wait_for_lease() {
  co_return Result<void>{};
}

Task<Result<void>> StoreImpl::sync(Cancellation*) {
  co_await perhaps_suspend();
  commit();
  co_return Result<void>();
}

Task<Result<void>> StoreImpl::publish(Cancellation* cancellation) {
  co_return co_await sync(cancellation);
}

Task<Result<InoRange>> StoreImpl::allocate_inos(std::uint64_t count) {
  co_await perhaps_suspend();
  SCOUTFS_ASSERT(count >= 1);
  SCOUTFS_ASSERT(count <= format::kInodeGroup);
  std::uint64_t& next = volume_.next_ino;
  const std::uint64_t left = format::kInodeGroup - next % format::kInodeGroup;
  if (left < count) next += left;
  const InoRange range{Ino{next}, count};
  next += count;
  co_return range;
}

void StoreImpl::closed(Ino ino) {
  const auto found = open_.find(ino);
  SCOUTFS_ASSERT(found != open_.end());
  if (--found->second > 0) return;
  open_.erase(found);
  const bool open = std::ranges::any_of(
      volume_.nodes, [ino](const StoreImpl* node) { return node->open_.contains(ino); });
  if (open || volume_.unlinked_open.erase(ino) == 0) return;
  if (on_last_close_) on_last_close_(ino);
}

void StoreImpl::delete_on_last_close(const Locks&, Ino ino) {
  // Whoever had it open may have closed it since the caller asked.
  const bool open = std::ranges::any_of(
      volume_.nodes, [ino](const StoreImpl* node) { return node->open_.contains(ino); });
  if (open) {
    volume_.unlinked_open.insert(ino);
  } else if (on_last_close_) {
    on_last_close_(ino);
  }
}

bool StoreImpl::is_open_elsewhere(const Locks& locks, Ino ino) {
  SCOUTFS_ASSERT(locks.covers(ino, Mode::write));
  return std::ranges::any_of(volume_.nodes, [&](const StoreImpl* node) {
    return node != this && node->open_.contains(ino);
  });
}

Task<Result<std::vector<std::string>>> StoreImpl::scan_recorded(KeyRange range,
                                                                std::size_t limit) {
  co_await perhaps_suspend();
  std::vector<std::string> keys;
  for (auto at = volume_.recorded.lower_bound(range.first);
       at != volume_.recorded.end() && *at <= range.last && keys.size() < limit; ++at) {
    keys.push_back(*at);
  }
  co_return keys;
}

Task<Result<Bound>> StoreImpl::index_bound(Wait wait, Cancellation*) {
  co_await perhaps_suspend();
  Bound bound;
  bound.last = Seq{volume_.last_seq};
  for (StoreImpl* node : volume_.nodes) {
    if (wait == Wait::yes) node->commit();
    if (node->seq_.value != 0) bound.last = std::min(bound.last, Seq{node->seq_.value - 1});
  }
  co_return bound;
}

Task<Result<Space>> StoreImpl::space() {
  co_await perhaps_suspend();
  Space space;
  space.total_blocks = volume_.block_count;
  space.free_blocks = volume_.free_blocks();
  space.inode_high_water = volume_.next_ino;
  co_return space;
}

}  // namespace scoutfs::client
