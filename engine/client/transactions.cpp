#include "engine/client/transactions.hpp"

#include <algorithm>

namespace scoutfs::client {

using Purpose = session::SpaceRequest::Purpose;

namespace {
constexpr std::size_t kFrozenMax = 4;
// Runs of space that a transaction uses and frees, before its last operation. The leader
// records up to three items for each in one record of its journal, which takes so many and as
// many of one more operation, even where the journal is the smallest.
constexpr std::size_t kSpaceRunsMax = 512;
// Space for segments that only deletions may use (rule 13).
constexpr std::uint64_t kDeleteReserve = 32;  // blocks
constexpr std::uint64_t kSegmentExtentMin =
    8;  // blocks: a run shorter than this holds no segment

// More than the segments of so many bytes of items can take.
std::uint64_t worst_blocks(std::uint64_t item_bytes, std::uint64_t segment_size_max) {
  if (item_bytes == 0) return 0;
  const std::uint64_t blocks = (item_bytes + item_bytes / 8) / kBlockSize + 2;
  const std::uint64_t per_segment =
      std::max<std::uint64_t>(segment_size_max / kBlockSize / 2, 1);
  return blocks + 2 * (blocks / per_segment + 1);
}
}  // namespace

Transactions::Transactions(Env env, LeaderSession& session, Options options, Hooks hooks)
    : env_(env),
      session_(session),
      options_(options),
      hooks_(std::move(hooks)),
      data_(env, [this](Error error) { hooks_.on_failed(error); }),
      open_(std::make_shared<TransactionState>()),
      seq_mutex_(env.scheduler),
      space_mutex_(env.scheduler),
      progress_(env.scheduler),
      age_wake_(env.scheduler),
      cancellation_(env.scheduler),
      scope_(env.scheduler) {
  open_->number = TxnNo{1};
}

void Transactions::start() {
  scope_.spawn(commit_by_age());
}

Task<void> Transactions::stop() {
  stopping_ = true;
  cancellation_.request();
  age_wake_.wake_all();
  co_await scope_.drain();
  co_await data_.stop();
}

void Transactions::fail(Errc code) {
  if (failed_.has_value()) return;
  failed_ = code;
  progress_.wake_all();
  data_.progress().wake_all();
  age_wake_.wake_all();
}

std::uint64_t Transactions::dirty_bytes() const {
  std::uint64_t bytes = open_->items.size_bytes() + data_.pending_bytes();
  for (const auto& txn : frozen_) bytes += txn->items.size_bytes();
  return bytes;
}

TxnNo Transactions::newest() const {
  return open_->dirty() ? open_->number : TxnNo{open_->number.value - 1};
}

// ---- Admission ----

Task<Result<void>> Transactions::begin(Reservation reservation, Cancellation* cancellation) {
  while (true) {
    if (failed_.has_value()) co_return scoutfs::fail(*failed_);
    if (stopping_) co_return scoutfs::fail(Errc::stopping);
    const std::uint64_t bytes = open_->items.size_bytes() + reservation.item_bytes;
    const bool scattered = open_->used.run_count() + open_->freed.run_count() > kSpaceRunsMax;
    const bool full = open_->dirty() && (bytes > options_.commit_bytes_max || scattered);
    if (full && frozen_.size() < kFrozenMax) {
      freeze();
      continue;
    }
    const bool too_much = dirty_bytes() > options_.dirty_bytes_max || scattered ||
                          (open_->dirty() && bytes > 2 * options_.commit_bytes_max);
    if (too_much && !frozen_.empty()) {
      const Wake wake = co_await progress_.wait(cancellation);
      if (wake == Wake::cancelled) co_return scoutfs::fail(Errc::interrupted);
      continue;
    }
    if (too_much && data_.pending_bytes() > options_.dirty_bytes_max / 2) {
      data_.flush();
      const Wake wake = co_await data_.progress().wait(cancellation);
      if (wake == Wake::cancelled) co_return scoutfs::fail(Errc::interrupted);
      continue;
    }
    if (!open_->seq || open_->seq < reservation.not_below) {
      SCOUTFS_CO_CHECK(co_await ensure_seq(reservation.not_below));
      continue;
    }
    const std::uint64_t reserve =
        reservation.purpose == Reservation::Purpose::normal ? kDeleteReserve : 0;
    const bool space =
        pool_.segments.blocks() >= segment_need(reservation.item_bytes) + reserve &&
        pool_.data.blocks() >= reservation.data_blocks;
    if (!space) {
      const Result<void> ensured = co_await ensure_space(reservation);
      if (ensured.has_value()) continue;
      give_back_unused_seq();
      co_return ensured;
    }
    break;
  }
  unused_since_ns_ = 0;
  if (open_->opened_ns == 0) {
    open_->opened_ns = std::max<TimeNs>(env_.clock.now_ns(), 1);
    age_wake_.wake_all();
  }
  co_return Result<void>{};
}

std::uint64_t Transactions::segment_need(std::uint64_t extra_bytes) const {
  std::uint64_t need =
      worst_blocks(open_->items.size_bytes() + extra_bytes, options_.segment_size_max);
  for (const auto& txn : frozen_) {
    if (!txn->segments_built)
      need += worst_blocks(txn->items.size_bytes(), options_.segment_size_max);
  }
  return need;
}

void Transactions::drop_seq(Seq seq) {
  if (seq) session_.notify(session::DropSeq{.seq = seq});
}

void Transactions::give_back_unused_seq() {
  const bool wanted = open_->seq && open_->seq <= commit_wanted_;
  if (wanted && !open_->dirty() && open_->opened_ns == 0) {
    drop_seq(std::exchange(open_->seq, Seq{}));
  }
}

void Transactions::take_spare(Seq seq) {
  // The leader may have asked for it back before it arrived.
  if (seq <= commit_wanted_) return drop_seq(seq);
  if (spare_) drop_seq(std::exchange(spare_, Seq{}));
  spare_ = seq;
}

Task<Result<void>> Transactions::ensure_seq(Seq not_below) {
  Mutex::Guard one_at_a_time = co_await seq_mutex_.lock();
  if (failed_.has_value()) co_return scoutfs::fail(*failed_);
  if (open_->seq && open_->seq >= not_below) co_return Result<void>{};
  if (open_->dirty()) {
    // Its changes carry its older seq; the operation goes into the next transaction (rule 11).
    if (frozen_.size() >= kFrozenMax) {
      co_await progress_.wait();
      co_return Result<void>{};
    }
    freeze();
  }
  drop_seq(std::exchange(open_->seq, Seq{}));
  if (spare_ && spare_ >= not_below) {
    open_->seq = std::exchange(spare_, Seq{});
    co_return Result<void>{};
  }
  drop_seq(std::exchange(spare_, Seq{}));
  const Seq above{not_below ? not_below.value - 1 : 0};
  const session::SeqRequest request{.above = above};
  SCOUTFS_CO_TRY(const session::SeqAnswer answer,
                 co_await session_.call<session::SeqAnswer>(request));
  if (!open_->seq) {
    open_->seq = answer.seq;
    // Asked back already: the committer deals with it after the operation that wants it.
    if (answer.seq <= commit_wanted_) age_wake_.wake_all();
  } else {
    take_spare(answer.seq);
  }
  co_return Result<void>{};
}

Task<Result<bool>> Transactions::request_space(Purpose purpose, std::uint64_t blocks,
                                               std::uint64_t contiguous) {
  const session::SpaceRequest request{
      .purpose = purpose, .blocks = blocks, .contiguous = contiguous};
  SCOUTFS_CO_TRY(const session::SpaceAnswer answer,
                 co_await session_.call<session::SpaceAnswer>(request));
  for (const Extent& extent : answer.extents) {
    ExtentSet& set = purpose == Purpose::data ? pool_.data : pool_.segments;
    const bool added = set.add(extent);
    SCOUTFS_ASSERT(added);
  }
  co_return !answer.extents.empty();
}

Task<Result<void>> Transactions::ensure_space(Reservation reservation) {
  Mutex::Guard one_at_a_time = co_await space_mutex_.lock();
  if (failed_.has_value()) co_return scoutfs::fail(*failed_);
  const std::uint64_t reserve =
      reservation.purpose == Reservation::Purpose::normal ? kDeleteReserve : 0;
  const std::uint64_t need = segment_need(reservation.item_bytes) + reserve;
  bool got = true;
  if (pool_.segments.blocks() < need) {
    const std::uint64_t want =
        std::max(options_.grant_blocks / 4, need - pool_.segments.blocks());
    SCOUTFS_CO_TRY(got, co_await request_space(Purpose::segments, want, kSegmentExtentMin));
  } else if (pool_.data.blocks() < reservation.data_blocks) {
    const std::uint64_t want =
        std::max(options_.grant_blocks, reservation.data_blocks - pool_.data.blocks());
    SCOUTFS_CO_TRY(got, co_await request_space(Purpose::data, want, 1));
  }
  if (got) co_return Result<void>{};
  // Nothing to be had. What this node has freed comes back with its commit, and what it holds
  // for data can hold segments.
  if (pool_.segments.blocks() < need && pool_.data.longest().count >= kSegmentExtentMin) {
    const std::optional<Extent> extent = pool_.data.take(need, BlockNo{}, kSegmentExtentMin);
    if (extent.has_value()) {
      const bool added = pool_.segments.add(*extent);
      SCOUTFS_ASSERT(added);
      co_return Result<void>{};
    }
  }
  const bool freeing =
      !open_->freed.empty() || std::any_of(frozen_.begin(), frozen_.end(),
                                           [](const auto& txn) { return !txn->freed.empty(); });
  if (!freeing) co_return scoutfs::fail(Errc::no_space);
  co_return co_await commit_up_to(newest());
}

// ---- The open transaction ----

Extent Transactions::allocate(std::uint64_t count, BlockNo hint) {
  const std::optional<Extent> extent = pool_.data.take(count, hint);
  SCOUTFS_ASSERT(extent.has_value());
  const bool added = open_->used.add(*extent);
  SCOUTFS_ASSERT(added);
  return *extent;
}

void Transactions::free(Extent extent) {
  // Block by block where it mixes: what this very transaction allocated was never recorded.
  for (std::uint64_t i = 0; i < extent.count;) {
    const BlockNo block{extent.start.value + i};
    const bool own = open_->used.contains({block, 1});
    std::uint64_t run = 1;
    while (i + run < extent.count &&
           open_->used.contains({BlockNo{block.value + run}, 1}) == own) {
      ++run;
    }
    const Extent piece{block, run};
    i += run;
    if (!own) {
      const bool added = open_->freed.add(piece);
      SCOUTFS_ASSERT(added);
      continue;
    }
    const bool removed = open_->used.remove(piece);
    SCOUTFS_ASSERT(removed);
    for (std::uint64_t n = 0; n < piece.count; ++n) {
      data_.discard(BlockNo{piece.start.value + n});
    }
    limbo_.push_back(piece);
  }
  settle_limbo();
}

void Transactions::settle_limbo() {
  std::erase_if(limbo_, [this](const Extent& extent) {
    for (std::uint64_t n = 0; n < extent.count; ++n) {
      if (data_.busy(BlockNo{extent.start.value + n})) return false;
    }
    const bool added = pool_.data.add(extent);
    SCOUTFS_ASSERT(added);
    return true;
  });
}

void Transactions::freeze() {
  SCOUTFS_ASSERT(open_->dirty());
  SCOUTFS_ASSERT(open_->seq);
  const std::shared_ptr<TransactionState> txn = open_;
  open_ = std::make_shared<TransactionState>();
  open_->number = txn->number.next();
  open_->seq = std::exchange(spare_, Seq{});
  frozen_.push_front(txn);
  data_.flush();
  scope_.spawn(commit(txn));
}

// ---- Commit ----

Task<void> Transactions::commit(std::shared_ptr<TransactionState> txn) {
  const Result<void> written = co_await write_out(*txn);
  if (failed_.has_value()) co_return;
  if (!written.has_value()) {
    env_.log.error("writing transaction {} failed: {}", txn->number.value,
                   to_string(written.error().code));
    hooks_.on_failed(written.error());
    co_return;
  }
  while (sent_.next() != txn->number && !failed_.has_value()) co_await progress_.wait();
  if (failed_.has_value()) co_return;
  sent_ = txn->number;
  txn->sent = true;
  progress_.wake_all();
  session::Commit message{.txn = txn->number,
                          .seq = txn->seq,
                          .segments = txn->segments,
                          .used = txn->used.extents(),
                          .freed = txn->freed.extents(),
                          .wants_seq = !spare_ && !seq_asked_};
  const bool asked = message.wants_seq;
  if (asked) seq_asked_ = true;
  const Result<session::CommitAnswer> answer =
      co_await session_.call<session::CommitAnswer>(std::move(message));
  if (asked) seq_asked_ = false;
  if (!answer.has_value() || failed_.has_value()) co_return;
  // Answers come in the order of the requests.
  SCOUTFS_ASSERT(frozen_.back() == txn);
  SCOUTFS_ASSERT(recorded_.next() == txn->number);
  if (answer->next_seq) {
    if (!open_->seq && answer->next_seq > commit_wanted_) {
      open_->seq = answer->next_seq;
    } else {
      take_spare(answer->next_seq);
    }
    if (!open_->dirty()) {
      unused_since_ns_ = std::max<TimeNs>(env_.clock.now_ns(), 1);
      age_wake_.wake_all();
    }
  }
  recorded_ = txn->number;
  if (txn->seq) recorded_seq_ = txn->seq;
  hooks_.on_recorded(*txn, *answer);
  frozen_.pop_back();
  settle_limbo();
  progress_.wake_all();
}

Task<Result<void>> Transactions::write_out(TransactionState& txn) {
  SCOUTFS_CO_CHECK(co_await data_.drain(txn.number));
  std::vector<lsm::SegmentImage> images;
  SCOUTFS_CO_CHECK(co_await build_segments(txn, images));
  for (const lsm::SegmentImage& image : images) {
    const std::string_view bytes = image.bytes;
    SCOUTFS_CO_CHECK(co_await env_.device.write(image.info.ref.where.start, as_bytes(bytes),
                                                Durability::after_flush));
  }
  co_return co_await env_.device.flush();
}

Task<Result<lsm::SegmentRef>> Transactions::place_segment(std::uint64_t blocks) {
  while (true) {
    for (ExtentSet* set : {&pool_.segments, &pool_.data}) {
      const std::optional<Extent> extent = set->take(blocks, BlockNo{}, blocks);
      if (extent.has_value()) co_return lsm::SegmentRef{*extent, env_.random.id()};
    }
    Mutex::Guard one_at_a_time = co_await space_mutex_.lock();
    if (failed_.has_value()) co_return scoutfs::fail(*failed_);
    const std::uint64_t want = std::max(options_.grant_blocks / 4, blocks);
    SCOUTFS_CO_TRY(const bool got, co_await request_space(Purpose::segments, want, blocks));
    if (!got) {
      env_.log.warn("no space for a segment of {} blocks; waiting", blocks);
      co_await Sleep(env_.scheduler, 100 * kMillisecond, &cancellation_);
      if (stopping_) co_return scoutfs::fail(Errc::no_space);
    }
  }
}

Task<Result<void>> Transactions::build_segments(TransactionState& txn,
                                                std::vector<lsm::SegmentImage>& images) {
  auto item = txn.items.map().begin();
  while (item != txn.items.map().end()) {
    const std::uint64_t longest =
        std::max(pool_.segments.longest().count, pool_.data.longest().count) * kBlockSize;
    std::uint64_t size_max = std::min<std::uint64_t>(options_.segment_size_max, longest);
    if (size_max < kSegmentExtentMin * kBlockSize) {
      size_max = std::min<std::uint64_t>(options_.segment_size_max, 64 * kBlockSize);
    }
    lsm::SegmentBuilder builder({.size_max = size_max});
    while (item != txn.items.map().end() && builder.add(item->first, item->second)) ++item;
    const std::uint64_t blocks = builder.finish();
    SCOUTFS_CO_TRY(const lsm::SegmentRef ref, co_await place_segment(blocks));
    images.push_back(std::move(builder).seal(options_.fsid, ref));
    txn.segments.push_back(images.back().info);
  }
  txn.segments_built = true;
  co_return Result<void>{};
}

Task<Result<void>> Transactions::commit_up_to(TxnNo txn, Cancellation* cancellation) {
  if (open_->number <= txn && open_->dirty()) freeze();
  while (recorded_ < txn && !failed_.has_value()) {
    const Wake wake = co_await progress_.wait(cancellation);
    if (wake == Wake::cancelled) co_return scoutfs::fail(Errc::interrupted);
  }
  if (failed_.has_value()) co_return scoutfs::fail(*failed_);
  co_return Result<void>{};
}

Task<void> Transactions::commit_by_age() {
  while (!stopping_ && !failed_.has_value()) {
    const TimeNs now_ns = env_.clock.now_ns();
    const bool wanted = open_->seq && open_->seq <= commit_wanted_;
    const bool old =
        open_->opened_ns != 0 && now_ns >= open_->opened_ns + options_.commit_interval_ns;
    const bool unused =
        unused_since_ns_ != 0 && now_ns >= unused_since_ns_ + options_.commit_interval_ns;
    TimeNs deadline_ns = kForever;
    if (open_->dirty() && (wanted || old)) {
      freeze();
    } else if (open_->opened_ns != 0 && !open_->dirty() && (wanted || old)) {
      open_->opened_ns = 0;
      drop_unused_seqs();
    } else if (open_->opened_ns != 0) {
      deadline_ns = open_->opened_ns + options_.commit_interval_ns;
    } else if (unused) {
      drop_unused_seqs();
    } else if (unused_since_ns_ != 0) {
      deadline_ns = unused_since_ns_ + options_.commit_interval_ns;
    }
    co_await age_wake_.wait(&cancellation_, deadline_ns);
  }
}

void Transactions::drop_unused_seqs() {
  unused_since_ns_ = 0;
  drop_seq(std::exchange(spare_, Seq{}));
  if (!open_->dirty()) drop_seq(std::exchange(open_->seq, Seq{}));
}

void Transactions::on_commit_wanted(Seq up_to) {
  commit_wanted_ = std::max(commit_wanted_, up_to);
  if (spare_ && spare_ <= up_to) drop_seq(std::exchange(spare_, Seq{}));
  if (!open_->seq || open_->seq > up_to) return;
  if (open_->dirty()) {
    freeze();
  } else {
    drop_seq(std::exchange(open_->seq, Seq{}));
  }
}

// ---- Changes of leaders, and space ----

std::vector<Seq> Transactions::open_seqs() const {
  std::vector<Seq> seqs;
  if (open_->seq) seqs.push_back(open_->seq);
  if (spare_) seqs.push_back(spare_);
  for (const auto& txn : frozen_) seqs.push_back(txn->seq);
  return seqs;
}

void Transactions::on_declared(const session::DeclareAnswer& answer) {
  // Space whose grant was answered by a leader that is gone is ours, and we do not know it yet.
  ExtentSet unknown;
  for (const Extent& extent : answer.granted) {
    const bool added = unknown.add(extent);
    SCOUTFS_ASSERT(added);
  }
  const auto strike = [&unknown](const Extent& extent) {
    for (std::uint64_t n = 0; n < extent.count;) {
      // Whole extents nearly always; block by block where only a part is still granted.
      const Extent rest{BlockNo{extent.start.value + n}, extent.count - n};
      if (unknown.remove(rest)) return;
      if (!unknown.remove({rest.start, 1})) SCOUTFS_MAYBE(true);
      ++n;
    }
  };
  for (const Extent& extent : pool_.data.extents()) strike(extent);
  for (const Extent& extent : pool_.segments.extents()) strike(extent);
  for (const Extent& extent : limbo_) strike(extent);
  for (const Extent& extent : open_->used.extents()) strike(extent);
  for (const auto& txn : frozen_) {
    for (const Extent& extent : txn->used.extents()) strike(extent);
    for (const lsm::SegmentInfo& info : txn->segments) strike(info.ref.where);
  }
  for (const Extent& extent : unknown.extents()) {
    const bool added = pool_.data.add(extent);
    SCOUTFS_ASSERT(added);
  }
}

void Transactions::return_space() {
  const std::uint64_t keep = options_.grant_blocks / 8 + kDeleteReserve;
  session::SpaceReturn message;
  for (ExtentSet* set : {&pool_.data, &pool_.segments}) {
    std::uint64_t needed = set == &pool_.data ? keep : keep + segment_need(0);
    while (set->blocks() > needed && message.extents.size() < 64) {
      const std::optional<Extent> extent = set->take(set->blocks() - needed, BlockNo{});
      message.extents.push_back(*extent);
    }
  }
  if (message.extents.empty()) return;
  session_.send(std::move(message), [](const session::Answer&) {});
}

}  // namespace scoutfs::client
