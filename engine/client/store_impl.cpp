#include "engine/client/store_impl.hpp"

#include <algorithm>
#include <cstring>

#include "engine/base/hash.hpp"
#include "engine/format/volume.hpp"

namespace scoutfs::client {

// ---- Locks and Txn, the handles that operations hold ----

Locks::Locks(Locks&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)), held_(std::exchange(other.held_, {})) {}

Locks& Locks::operator=(Locks&& other) noexcept {
  release();
  store_ = std::exchange(other.store_, nullptr);
  held_ = std::exchange(other.held_, {});
  return *this;
}

void Locks::release() {
  for (Held& held : held_) store_->locks_.release(*held.entry);
  held_.clear();
}

bool Locks::covers(Ino ino, lock::Mode mode) const {
  const lock::LockId id = lock::lock_of(ino);
  return std::any_of(held_.begin(), held_.end(), [&](const Held& held) {
    return held.entry->id == id && lock::allows(held.mode, mode);
  });
}

Seq Txn::seq() const {
  return store_->transactions_.open().seq;
}
TxnNo Txn::number() const {
  return store_->transactions_.open().number;
}
void Txn::put(std::string key, std::string value) {
  store_->change(std::move(key), lsm::Entry(std::move(value)));
}
void Txn::erase(std::string key) {
  store_->change(std::move(key), std::nullopt);
}
Extent Txn::allocate(std::uint64_t count, BlockNo hint) {
  return store_->transactions_.allocate(count, hint);
}
void Txn::free(Extent extent) {
  store_->transactions_.free(extent);
}
void Txn::write(Extent where, std::string bytes) {
  store_->transactions_.data().write(number(), where, std::move(bytes));
}

// ---- Life ----

StoreImpl::StoreImpl(Env env, LeaderSession::Identity identity, LeaderFinder& finder,
                     lsm::SegmentCache& segments, StoreOptions options)
    : env_(env),
      segments_(segments),
      fsid_(identity.fsid),
      session_(env, identity, finder, *this),
      lease_(env, session_, options.lease_interval_ns, options.answer_time_ns),
      transactions_(env, session_, options.transactions,
                    {.on_recorded =
                         [this](TransactionState& txn, const session::CommitAnswer& answer) {
                           items_.on_recorded(txn, answer);
                         },
                     .on_failed =
                         [this](Error error) {
                           const bool fenced = error.code == Errc::fenced;
                           fail(fenced ? Errc::fenced : Errc::io_error,
                                fmt::format("the device failed: {}", to_string(error.code)));
                         }}),
      locks_(env, session_, *this, options.locks_max),
      items_(session_, locks_, transactions_, segments, options.item_cache_bytes),
      jobs_done_(env.scheduler),
      jobs_(env.scheduler) {}

StoreImpl::~StoreImpl() = default;

void StoreImpl::set_revoke_listener(RevokeListener* listener) {
  locks_.set_listener(listener);
  if (listener == nullptr) return lease_.set_on_renewed({});
  lease_.set_on_renewed([listener](TimeNs end_ns) { listener->on_lease(end_ns); });
}

Task<bool> StoreImpl::commit_for_lock(TxnNo txn) {
  const Result<void> recorded = co_await transactions_.commit_up_to(txn);
  co_return recorded.has_value();
}

void StoreImpl::start() {
  session_.start();
  lease_.start();
  transactions_.start();
}

Task<Result<void>> StoreImpl::stop() {
  Result<void> committed = co_await sync(nullptr);
  if (!failed_) {
    while (jobs_running_ > 0) co_await jobs_done_.wait();
    session::Farewell goodbye;
    leaving_ = true;
    const Result<session::Empty> farewell =
        co_await session_.call<session::Empty>(std::move(goodbye));
    // A farewell whose answer was lost has done its work: the leader does not know us any more.
    const bool gone = failed_with(farewell, Errc::fenced);
    if (!farewell.has_value() && !gone && committed.has_value()) {
      committed = std::unexpected(farewell.error());
    }
  }
  co_await abandon();
  co_return committed;
}

Task<void> StoreImpl::abandon() {
  transactions_.fail(Errc::stopping);
  locks_.fail(Errc::stopping);
  co_await lease_.stop();
  co_await session_.stop();
  co_await transactions_.stop();
  co_await locks_.stop();
  co_await jobs_.drain();
}

void StoreImpl::fail(Errc code, std::string why) {
  if (failed_) return;
  failed_ = true;
  env_.log.error("{}; this mount answers errors from now on", why);
  session_.fail(code);
  lease_.fail(code);
  transactions_.fail(code);
  locks_.fail(code);
  if (on_failed_) on_failed_(code, std::move(why));
}

std::string StoreImpl::waits_for() const {
  std::string leader = session_.waits_for();
  if (!leader.empty()) return leader;
  const std::optional<lock::LockId> lock_id = locks_.waited_for();
  if (lock_id.has_value()) return "lock " + to_string(*lock_id);
  return lease_.waited_for() ? "the next lease" : std::string{};
}

void StoreImpl::check_invariants() const {
  locks_.check_invariants();
}

// ---- Store ----

Task<Result<Locks>> StoreImpl::lock(std::vector<LockWant> wants, Cancellation* cancellation) {
  std::sort(wants.begin(), wants.end(), [](const LockWant& a, const LockWant& b) {
    return a.id != b.id ? a.id < b.id : a.mode > b.mode;
  });
  Locks locks;
  locks.store_ = this;
  locks.held_.reserve(wants.size());
  const LockWant* previous = nullptr;
  for (const LockWant& want : wants) {
    // The strongest mode of a lock comes first.
    if (previous != nullptr && previous->id == want.id) continue;
    previous = &want;
    SCOUTFS_CO_TRY(std::shared_ptr<LockEntry> entry,
                   co_await locks_.acquire(want, cancellation));
    locks.held_.push_back({.entry = std::move(entry), .mode = want.mode});
  }
  co_return locks;
}

std::shared_ptr<LockEntry> StoreImpl::entry_for(const Locks& locks,
                                                std::string_view key) const {
  Reader in(key);
  SCOUTFS_ASSERT(static_cast<format::Zone>(in.get<std::uint8_t>()) == format::Zone::fs);
  const lock::LockId id = lock::lock_of(Ino{in.get_big<std::uint64_t>()});
  const auto held =
      std::find_if(locks.held_.begin(), locks.held_.end(),
                   [id](const Locks::Held& candidate) { return candidate.entry->id == id; });
  SCOUTFS_ASSERT(held != locks.held_.end());
  return held->entry;
}

Task<Result<lsm::Entry>> StoreImpl::get(const Locks& locks, std::string_view key) {
  std::shared_ptr<LockEntry> entry = entry_for(locks, key);
  co_return co_await items_.get(std::move(entry), key);
}

Task<Result<std::vector<lsm::Item>>> StoreImpl::scan(const Locks& locks, KeyRange range,
                                                     std::size_t limit) {
  std::shared_ptr<LockEntry> entry = entry_for(locks, range.first);
  co_return co_await items_.scan(std::move(entry), std::move(range), limit);
}

Task<Result<Txn>> StoreImpl::begin(Reservation reservation, Cancellation* cancellation) {
  SCOUTFS_CO_CHECK(co_await transactions_.begin(reservation, cancellation));
  co_return Txn(*this);
}

void StoreImpl::change(std::string key, lsm::Entry entry) {
  if (static_cast<format::Zone>(key[0]) == format::Zone::fs) {
    Reader in(std::string_view(key).substr(1));
    const Ino ino{in.get_big<std::uint64_t>()};
    const auto held = locks_.find(lock::lock_of(ino));
    SCOUTFS_ASSERT(held != nullptr);
    SCOUTFS_ASSERT(held->mode == lock::Mode::write);
    SCOUTFS_ASSERT(held->users > 0);
    held->dirty_txn = transactions_.open().number;
    const auto type = static_cast<format::ItemType>(in.get<std::uint8_t>());
    if (type == format::ItemType::inode && locks_.listener() != nullptr) {
      locks_.listener()->on_inode_changed(ino);
    }
  }
  transactions_.open().items.set(std::move(key), std::move(entry));
}

Task<Result<void>> StoreImpl::read(Extent where, std::span<std::byte> out) {
  SCOUTFS_ASSERT(out.size() == where.count * kBlockSize);
  DataWriter& data = transactions_.data();
  std::uint64_t i = 0;
  while (i < where.count) {
    const BlockNo block{where.start.value + i};
    if (data.read(block, out.subspan(i * kBlockSize, kBlockSize))) {
      ++i;
      continue;
    }
    std::uint64_t run = 1;
    while (i + run < where.count && !data.busy(BlockNo{block.value + run})) ++run;
    SCOUTFS_CO_CHECK(
        co_await env_.device.read(block, out.subspan(i * kBlockSize, run * kBlockSize)));
    i += run;
  }
  co_return Result<void>{};
}

Task<Result<void>> StoreImpl::sync(Cancellation* cancellation) {
  const TxnNo newest = transactions_.newest();
  co_return co_await transactions_.commit_up_to(newest, cancellation);
}

Task<Result<void>> StoreImpl::publish(Cancellation* cancellation) {
  SCOUTFS_CO_CHECK(co_await sync(cancellation));
  transactions_.drop_unused_seqs();
  // The leader takes messages in order: with this answer it has taken the seqs back.
  const Result<Bound> answered = co_await index_bound(Wait::no, cancellation);
  if (!answered.has_value()) co_return std::unexpected(answered.error());
  co_return Result<void>{};
}

Task<Result<InoRange>> StoreImpl::allocate_inos(std::uint64_t count) {
  const session::InoRequest request{.count = format::kInodeGroup};
  SCOUTFS_ASSERT(count > 0 && count <= format::kInodeGroup);
  const Result<session::InoAnswer> answer = co_await session_.call<session::InoAnswer>(request);
  if (!answer.has_value()) co_return std::unexpected(answer.error());
  // A whole group, so that what two callers get never shares one.
  co_return InoRange{.first = answer->first, .count = answer->count};
}

// ---- Open files ----

void StoreImpl::opened(Ino ino) {
  ++opens_[ino];
}

void StoreImpl::closed(Ino ino) {
  const auto found = opens_.find(ino);
  SCOUTFS_ASSERT(found != opens_.end());
  if (--found->second > 0) return;
  opens_.erase(found);
  if (reported_.erase(ino) > 0) session_.notify(session::CloseInode{.ino = ino});
}

std::vector<Ino> StoreImpl::report_open(lock::LockId id) {
  std::vector<Ino> inos;
  if (id.kind != lock::LockId::Kind::group) return inos;
  const Ino first{id.group * format::kInodeGroup};
  const Ino last{first.value + (format::kInodeGroup - 1)};
  for (auto it = opens_.lower_bound(first); it != opens_.end() && it->first <= last; ++it) {
    inos.push_back(it->first);
    reported_.insert(it->first);
  }
  return inos;
}

bool StoreImpl::is_open_elsewhere(const Locks& locks, Ino ino) {
  SCOUTFS_ASSERT(locks.covers(ino, lock::Mode::write));
  const std::shared_ptr<LockEntry> entry = locks_.find(lock::lock_of(ino));
  return std::binary_search(entry->open_elsewhere.begin(), entry->open_elsewhere.end(), ino);
}

void StoreImpl::delete_on_last_close(const Locks& locks, Ino ino) {
  SCOUTFS_ASSERT(locks.covers(ino, lock::Mode::write));
  session_.notify(
      session::Unlinked{.ino = ino, .grant = locks_.find(lock::lock_of(ino))->grant});
}

void StoreImpl::on_last_closed(const session::LastClosed& closed) {
  // Under the grant that it names nobody can have opened the inode since.
  const std::shared_ptr<LockEntry> entry = locks_.find(lock::lock_of(closed.ino));
  if (entry != nullptr && entry->mode == lock::Mode::write && entry->grant == closed.grant) {
    std::erase(entry->open_elsewhere, closed.ino);
  }
  if (on_last_close_) on_last_close_(closed.ino);
}

// ---- Questions to the leader ----

Task<Result<std::vector<std::string>>> StoreImpl::scan_recorded(KeyRange range,
                                                                std::size_t limit) {
  co_return co_await items_.scan_recorded(std::move(range), limit);
}

Task<Result<Bound>> StoreImpl::index_bound(Wait wait, Cancellation* cancellation) {
  const session::BoundRequest request{.wait = wait == Wait::yes};
  Result<session::BoundAnswer> answer =
      co_await session_.call<session::BoundAnswer>(request, cancellation);
  if (!answer.has_value()) co_return std::unexpected(answer.error());
  co_return Bound{.last = answer->last, .not_answered = std::move(answer->not_answered)};
}

Task<Result<Space>> StoreImpl::space() {
  const session::SpaceInfoRequest request;
  const Result<session::SpaceInfoAnswer> answer =
      co_await session_.call<session::SpaceInfoAnswer>(request);
  if (!answer.has_value()) co_return std::unexpected(answer.error());
  co_return Space{.total_blocks = answer->total_blocks,
                  .free_blocks = answer->free_blocks + transactions_.pool_blocks(),
                  .inode_high_water = answer->next_ino.value};
}

// ---- The session's side ----

Task<void> StoreImpl::before_declare() {
  // A new leader abandons every job that is not running; so none may be.
  while (jobs_running_ > 0) co_await jobs_done_.wait();
}

session::Declare StoreImpl::declare() {
  return {.locks = locks_.held(),
          .open_seqs = transactions_.open_seqs(),
          .next_txn = transactions_.oldest_unrecorded(),
          .oldest_list = items_.oldest_list(),
          .open_inodes = std::vector<Ino>(reported_.begin(), reported_.end())};
}

void StoreImpl::on_declared(const session::DeclareAnswer& answer) {
  transactions_.on_declared(answer);
}

void StoreImpl::on_notice(session::LeaderNotice notice) {
  if (auto* revoke = std::get_if<session::Revoke>(&notice)) {
    locks_.on_revoke(*revoke);
  } else if (auto* wanted = std::get_if<session::CommitWanted>(&notice)) {
    transactions_.on_commit_wanted(wanted->up_to);
  } else if (auto* offer = std::get_if<session::JobOffer>(&notice)) {
    // What was on its way when the farewell was said is abandoned with it, and its space may be
    // somebody else's already.
    if (leaving_) return;
    ++jobs_running_;
    jobs_.spawn(run_job(std::move(*offer)));
  } else if (auto* beat = std::get_if<session::Heartbeat>(&notice)) {
    session::HeartbeatAnswer answer;
    if (beat->drop_below) answer.oldest_list = items_.drop_lists(beat->drop_below);
    session_.notify(answer);
    if (beat->return_space) transactions_.return_space();
  } else if (const auto* closed = std::get_if<session::LastClosed>(&notice)) {
    on_last_closed(*closed);
  }
}

void StoreImpl::on_refused(const session::Refusal& refusal) {
  using Why = session::Refusal::Why;
  switch (refusal.why) {
    case Why::wrong_volume:
      return fail(Errc::wrong_volume, "the leader serves another volume");
    case Why::wrong_format:
      return fail(Errc::unsupported,
                  fmt::format("the leader's format hash is {:016x}, ours is {:016x}",
                              refusal.format_hash, format::format_hash()));
    case Why::no_slot:
      return fail(Errc::busy, "all slots are taken");
    default:
      if (leaving_) return;
      return fail(Errc::fenced, "this incarnation was declared dead");
  }
}

namespace {

// Space for a job's outputs, as the leader granted it.
class JobSpace final : public lsm::OutputSpace {
 public:
  JobSpace(const session::JobOffer& offer, Fsid fsid) : offer_(offer), fsid_(fsid) {
    for (const Extent& extent : offer.space) {
      const bool added = space_.add(extent);
      SCOUTFS_MAYBE(added);
    }
  }
  Result<lsm::SegmentRef> allocate(std::uint64_t blocks) override {
    const std::optional<Extent> extent = space_.take(blocks, BlockNo{}, blocks);
    if (!extent.has_value()) return fail(Errc::no_space);
    // The same job gives the same bytes on every node.
    const std::uint64_t id = mix(fsid_.value, offer_.job.id.value, ++count_) | 1;
    return lsm::SegmentRef{*extent, id};
  }

 private:
  const session::JobOffer& offer_;
  Fsid fsid_;
  ExtentSet space_;
  std::uint64_t count_ = 0;
};

}  // namespace

Task<void> StoreImpl::run_job(session::JobOffer offer) {
  JobSpace space(offer, fsid_);
  Result<std::vector<lsm::SegmentInfo>> outputs =
      co_await lsm::run_job(segments_, env_.device, fsid_, offer.job, space);
  session::JobResult result{.job = offer.job.id, .done = outputs.has_value(), .outputs = {}};
  if (outputs.has_value()) {
    result.outputs = std::move(*outputs);
  } else {
    env_.log.warn("compaction {} failed: {}", offer.job.id.value,
                  to_string(outputs.error().code));
  }
  // Sent before the job counts as done, so that a declaration never overtakes it.
  session_.send(std::move(result), [](const session::Answer&) {});
  --jobs_running_;
  jobs_done_.wake_all();
}

}  // namespace scoutfs::client
