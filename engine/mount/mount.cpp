#include "engine/mount/mount.hpp"

#include <algorithm>

#include "engine/async/scope.hpp"
#include "engine/client/store_impl.hpp"
#include "engine/cluster/slot_keeper.hpp"
#include "engine/env/steady_device.hpp"
#include "engine/mount/fence_watch.hpp"
#include "engine/server/server.hpp"

namespace scoutfs {

using cluster::SlotKeeper;

namespace {
constexpr TimeNs kReport = 5 * kSecond;  // how often the operator is told again
// How long an unmount tries to reach a leader before it gives up what is not recorded.
constexpr unsigned kUnmountSilences = 10;
}  // namespace

class Mount::Impl final : public client::LeaderFinder {
 public:
  Impl(Env env, MountOptions options)
      : watch_(env.device,
               [this] { fail(Errc::fenced, "the storage refuses this incarnation"); }),
        device_(env.scheduler, watch_, env.log,
                [this] { fail(Errc::io_error, "the disk lost what it had cached"); }),
        env_{.scheduler = env.scheduler,
             .clock = env.clock,
             .random = env.random,
             .device = device_,
             .network = env.network,
             .fencing = env.fencing,
             .log = env.log},
        options_(std::move(options)),
        changed_(env.scheduler),
        cancellation_(env.scheduler),
        scope_(env.scheduler) {}

  Task<Result<void>> start(Cancellation* cancellation);
  Task<Result<void>> unmount();
  MountStatus status() const;
  void check_invariants() const;

  Task<std::optional<Address>> find_leader(Cancellation* cancellation) override;

  FenceWatch watch_;
  SteadyDevice device_;
  Env env_;
  MountOptions options_;
  std::string failure_;
  client::RevokeListener* listener_ = nullptr;
  std::function<void(std::string)> on_failed_;
  format::Superblock superblock_;
  std::unique_ptr<lsm::SegmentCache> segments_;
  std::unique_ptr<SlotKeeper> keeper_;
  std::unique_ptr<client::StoreImpl> store_;
  std::unique_ptr<fs::FileSystem> fs_;
  std::shared_ptr<server::Server> server_;
  Rid rid_;
  std::optional<std::uint16_t> leader_slot_;
  bool electing_ = false;
  bool stopping_ = false;
  bool failed_ = false;
  bool fenced_ = false;
  std::string waits_for_;
  WaitQueue changed_;
  Cancellation cancellation_;
  TaskScope scope_;

 private:
  Task<Result<void>> read_volume();
  Task<Result<void>> take_slot(Cancellation* cancellation);
  Task<void> lead();
  Task<Result<void>> lead_once();
  Task<void> accept();
  Task<void> serve(std::unique_ptr<Connection> connection);
  Task<void> stop_serving();
  Task<void> give_up_when_alone(TimeNs deadline_ns);
  void start_store(std::uint16_t slot, Address address);
  // From here on the mount answers errors. `code`: fenced or io_error.
  void fail(Errc code, std::string why);
};

// ---- Starting ----

Task<Result<void>> Mount::Impl::read_volume() {
  Result<format::Superblock> superblock = co_await lsm::read_superblock(env_.device);
  if (!superblock.has_value()) {
    failure_ = superblock.error().code == Errc::corrupt
                   ? "this is no scoutfs volume, or both of its superblocks are damaged"
                   : std::string(to_string(superblock.error().code));
    co_return std::unexpected(superblock.error());
  }
  superblock_ = std::move(*superblock);
  if (superblock_.cluster != options_.cluster) {
    failure_ =
        fmt::format("the volume belongs to cluster '{}', not '{}': mount it with cluster={}",
                    superblock_.cluster, options_.cluster, superblock_.cluster);
    co_return scoutfs::fail(Errc::wrong_volume);
  }
  if (env_.device.block_count() < superblock_.device_blocks) {
    failure_ = fmt::format("the device has {} blocks, the volume {}: it was shrunk",
                           env_.device.block_count(), superblock_.device_blocks);
    co_return scoutfs::fail(Errc::no_space);
  }
  segments_ = std::make_unique<lsm::SegmentCache>(env_.scheduler, env_.device, superblock_.fsid,
                                                  options_.segment_cache_bytes);
  co_return Result<void>{};
}

Task<Result<void>> Mount::Impl::take_slot(Cancellation* cancellation) {
  SCOUTFS_CO_TRY(const std::uint16_t slot, co_await keeper_->choose(cancellation, failure_));
  if (slot == format::kNoSlot) co_return Result<void>{};
  Result<void> claimed = co_await keeper_->claim(slot);
  if (failed_with(claimed, Errc::busy)) {
    failure_ = fmt::format("another mount took slot {} at the same time; try again", slot);
  }
  co_return claimed;
}

void Mount::Impl::start_store(std::uint16_t slot, Address address) {
  client::LeaderSession::Identity identity{.fsid = superblock_.fsid,
                                           .who = {.rid = rid_, .epoch = keeper_->epoch()},
                                           .slot = slot,
                                           .address = address,
                                           .name = options_.name,
                                           .host = options_.host,
                                           .heartbeat_ns = options_.heartbeat_ns,
                                           .silence_ns = options_.silence_ns};
  client::StoreOptions store{.transactions = {.commit_interval_ns = options_.commit_interval_ns,
                                              .commit_bytes_max = options_.commit_bytes_max,
                                              .dirty_bytes_max = options_.dirty_bytes_max,
                                              .grant_blocks = options_.grant_blocks,
                                              .segment_size_max = options_.segment_size_max,
                                              .fsid = superblock_.fsid},
                             .item_cache_bytes = options_.item_cache_bytes,
                             .locks_max = options_.locks_max,
                             .lease_interval_ns = options_.heartbeat_ns,
                             .answer_time_ns = options_.answer_time_ns};
  store_ = std::make_unique<client::StoreImpl>(env_, identity, *this, *segments_, store);
  store_->set_revoke_listener(listener_);
  store_->set_on_failed([this](Errc code, std::string why) { fail(code, std::move(why)); });
  fs::Options fs = options_.fs;
  fs.freeze_when_fenced = options_.on_fence == OnFence::freeze;
  fs_ = std::make_unique<fs::FileSystem>(*store_, fs);
}

Task<Result<void>> Mount::Impl::start(Cancellation* cancellation) {
  SCOUTFS_CO_CHECK(co_await read_volume());
  rid_ = options_.rid.has_value() ? *options_.rid : Rid{env_.random.id()};
  const std::string_view secret(superblock_.secret.data(), superblock_.secret.size());
  env_.network.secure(superblock_.fsid, format::format_hash(), secret);
  Address listen = options_.listen;
  if (listen.port == 0) {
    // The configured port of this address, if there is exactly one.
    const auto matches = [&](const format::SlotConfig& slot) {
      return slot.address.ip == listen.ip && (!options_.slot || *options_.slot == slot.slot);
    };
    if (std::count_if(superblock_.slots.begin(), superblock_.slots.end(), matches) == 1) {
      listen.port = std::find_if(superblock_.slots.begin(), superblock_.slots.end(), matches)
                        ->address.port;
    }
  }
  const Result<Address> bound = env_.network.listen(listen);
  if (!bound.has_value()) {
    const std::string address = to_string(listen);
    const std::size_t shown = listen.port == 0 ? address.find(':') : address.size();
    failure_ = fmt::format("cannot listen on {}: {}", address.substr(0, shown),
                           bound.error().code == Errc::busy ? "the port is in use"
                                                            : "not an address of this host");
    co_return std::unexpected(bound.error());
  }
  keeper_ =
      std::make_unique<SlotKeeper>(env_, superblock_,
                                   cluster::SlotOptions{.slot = options_.slot,
                                                        .listen = *bound,
                                                        .name = options_.name,
                                                        .host = options_.host,
                                                        .rid = rid_,
                                                        .heartbeat_ns = options_.heartbeat_ns,
                                                        .silence_ns = options_.silence_ns});
  const Result<void> slot = co_await take_slot(cancellation);
  if (!slot.has_value()) {
    env_.network.close_listener();
    co_return slot;
  }
  keeper_->start_beating([this](std::string why) { fail(Errc::io_error, std::move(why)); });
  start_store(keeper_->slot(), *bound);
  scope_.spawn(accept());
  scope_.spawn(lead());
  store_->start();
  while (!store_->session().ready() && !failed_) {
    waits_for_ = store_->waits_for();
    const Wake wake = co_await changed_.wait(cancellation, env_.clock.now_ns() + kSecond / 20);
    if (wake != Wake::cancelled) continue;
    failure_ =
        "interrupted while waiting for " + (waits_for_.empty() ? "a leader" : waits_for_);
    const Result<void> stopped = co_await unmount();
    SCOUTFS_MAYBE(stopped.has_value());
    co_return scoutfs::fail(Errc::interrupted);
  }
  if (failed_) {
    const Result<void> stopped = co_await unmount();
    SCOUTFS_MAYBE(stopped.has_value());
    co_return scoutfs::fail(Errc::busy);
  }
  // A slot that the leader gave us is ours from here on.
  const std::uint16_t given = store_->session().slot();
  if (!keeper_->claimed() && given != format::kNoSlot) {
    const Result<void> claimed = co_await keeper_->claim(given);
    if (!claimed.has_value()) {
      env_.log.warn("slot {} could not be claimed: {}", given, to_string(claimed.error().code));
    }
  }
  fs_->start();
  co_return Result<void>{};
}

// ---- Leading ----

Task<std::optional<Address>> Mount::Impl::find_leader(Cancellation* cancellation) {
  while (!cancellation->requested()) {
    Result<SlotKeeper::View> view = co_await keeper_->look();
    if (view.has_value() && view->leader.has_value() && view->leader->address.port != 0) {
      const bool ours = view->leader->who.rid == rid_;
      leader_slot_ = view->leader->slot;
      if (!ours || server_ != nullptr) co_return view->leader->address;
    }
    co_await Sleep(env_.scheduler, options_.heartbeat_ns / 2, cancellation);
  }
  co_return std::nullopt;
}

Task<void> Mount::Impl::lead() {
  TimeNs next_report_ns = env_.clock.now_ns() + kReport;
  while (!stopping_ && !failed_) {
    const bool connected = store_->session().ready() && store_->session().connected();
    if (server_ == nullptr && !connected) {
      const Result<void> done = co_await lead_once();
      if (!done.has_value()) {
        env_.log.warn("looking for a leader failed: {}", to_string(done.error().code));
      }
    }
    const std::string waits_for = store_->waits_for();
    if (waits_for.empty()) {
      next_report_ns = env_.clock.now_ns() + kReport;
    } else if (env_.clock.now_ns() >= next_report_ns) {
      env_.log.warn("waiting for {}", waits_for);
      next_report_ns = env_.clock.now_ns() + kReport;
    }
    co_await Sleep(env_.scheduler, options_.heartbeat_ns / 2, &cancellation_);
  }
}

Task<Result<void>> Mount::Impl::lead_once() {
  SCOUTFS_CO_TRY(SlotKeeper::View view, co_await keeper_->look());
  if (!keeper_->claimed()) {
    // Only the very first host claims a slot by itself; the leader gives out the others.
    if (view.anybody || view.leader.has_value() || !superblock_.slots.empty()) {
      co_return Result<void>{};
    }
    const Result<void> claimed = co_await keeper_->claim(0);
    if (failed_with(claimed, Errc::busy)) co_return Result<void>{};
    SCOUTFS_CO_CHECK(claimed);
    SCOUTFS_CO_TRY(view, co_await keeper_->look());
  }
  if (!view.may_lead || stopping_) co_return Result<void>{};
  SCOUTFS_CO_TRY(const std::optional<Term> term, co_await keeper_->elect());
  if (!term.has_value()) {
    // Another one stood as well; who tries again first is left to chance.
    co_await Sleep(env_.scheduler, env_.random.below(2 * options_.heartbeat_ns),
                   &cancellation_);
    co_return Result<void>{};
  }
  const Incarnation leader{.rid = rid_, .epoch = keeper_->epoch()};
  SCOUTFS_CO_CHECK(co_await env_.fencing.register_term(*term, leader));
  // The volume as the last leader left it.
  SCOUTFS_CO_TRY(format::Superblock superblock, co_await lsm::read_superblock(env_.device));
  const server::ServerOptions options{.compaction = options_.compaction,
                                      .heartbeat_ns = options_.heartbeat_ns,
                                      .silence_ns = options_.silence_ns,
                                      .lease_ns = options_.lease_ns,
                                      .fence_after_ns = options_.fence_after_ns,
                                      .fence_idle_after_ns = options_.fence_idle_after_ns,
                                      .recovery_grace_ns = options_.recovery_grace_ns};
  const auto server = std::make_shared<server::Server>(
      env_, *segments_, std::move(superblock), *term, rid_, options, [this](Error error) {
        fail(Errc::io_error,
             fmt::format("the server's device failed: {}", to_string(error.code)));
      });
  const Result<void> started = co_await server->start();
  if (!started.has_value()) {
    const Result<void> stopped = co_await server->stop();
    SCOUTFS_MAYBE(stopped.has_value());
    SCOUTFS_CO_CHECK(co_await keeper_->stop_leading());
    fail(Errc::io_error,
         fmt::format("the server tree cannot be read: {}", to_string(started.error().code)));
    co_return started;
  }
  server_ = server;
  env_.log.info("leading, term {}", term->number);
  co_return Result<void>{};
}

Task<void> Mount::Impl::accept() {
  while (!stopping_) {
    Result<std::unique_ptr<Connection>> connection = co_await env_.network.accept();
    if (!connection.has_value()) co_return;
    scope_.spawn(serve(std::move(*connection)));
  }
}

Task<void> Mount::Impl::serve(std::unique_ptr<Connection> connection) {
  const std::shared_ptr<server::Server> server = server_;
  if (server != nullptr) {
    co_await server->serve(std::move(connection));
    co_return;
  }
  const Result<std::string> greeting = co_await connection->receive();
  if (!greeting.has_value()) co_return;
  session::Refusal refusal;
  refusal.why = session::Refusal::Why::not_leader;
  refusal.format_hash = format::format_hash();
  connection->send(session::encode_setup(refusal));
  const Result<std::string> end = co_await connection->receive();
  SCOUTFS_MAYBE(end.has_value());
}

void Mount::Impl::fail(Errc code, std::string why) {
  if (code == Errc::fenced) fenced_ = true;
  if (failed_) return;
  failed_ = true;
  failure_ = why;
  if (store_ != nullptr) store_->fail(code, why);
  changed_.wake_all();
  if (on_failed_) on_failed_(std::move(why));
}

// ---- Ending ----

Task<void> Mount::Impl::stop_serving() {
  if (server_ == nullptr) co_return;
  const std::shared_ptr<server::Server> server = std::exchange(server_, nullptr);
  const Result<void> stopped = co_await server->stop();
  if (!stopped.has_value()) {
    env_.log.error("the last checkpoint failed: {}", to_string(stopped.error().code));
  }
  const Result<void> written = co_await keeper_->stop_leading();
  if (!written.has_value()) {
    env_.log.error("the quorum block cannot be written: {}", to_string(written.error().code));
  }
}

Task<void> Mount::Impl::give_up_when_alone(TimeNs deadline_ns) {
  while (!cancellation_.requested()) {
    if (env_.clock.now_ns() >= deadline_ns) {
      env_.log.error("no leader to be reached; what was not recorded is lost");
      store_->session().fail(Errc::timed_out);
      co_return;
    }
    const bool connected = store_->session().ready() && store_->session().connected();
    if (connected) deadline_ns = env_.clock.now_ns() + kUnmountSilences * options_.silence_ns;
    co_await Sleep(env_.scheduler, options_.heartbeat_ns, &cancellation_);
  }
}

Task<Result<void>> Mount::Impl::unmount() {
  Result<void> result;
  if (store_ != nullptr) {
    co_await fs_->stop();
    scope_.spawn(
        give_up_when_alone(env_.clock.now_ns() + kUnmountSilences * options_.silence_ns));
    if (store_->session().term().number == 0) {
      co_await store_->abandon();  // it never joined
    } else {
      result = co_await store_->stop();
    }
  }
  stopping_ = true;
  cancellation_.request();
  env_.network.close_listener();
  if (keeper_ != nullptr) {
    co_await stop_serving();
    co_await keeper_->stop();
    const Result<void> left = co_await keeper_->leave();
    if (result.has_value()) result = left;
  }
  co_await scope_.drain();
  co_return result;
}

MountStatus Mount::Impl::status() const {
  MountStatus status;
  status.rid = rid_;
  status.waits_for = waits_for_;
  status.fence_level = env_.fencing.level();
  status.fenced = fenced_;
  if (store_ == nullptr) return status;
  status.lease_valid = store_->lease_valid();
  status.slot = keeper_->claimed() ? keeper_->slot() : format::kNoSlot;
  status.leader = server_ != nullptr;
  client::LeaderSession& session = store_->session();
  status.connected = session.ready() && session.connected();
  status.leader_slot = leader_slot_;
  status.leader_address = to_string(session.leader());
  status.term = session.term();
  status.open_seq = store_->open_seq();
  status.last_recorded_seq = store_->transactions().recorded_seq();
  status.dirty_bytes = store_->transactions().dirty_bytes();
  status.unrecorded_transactions = store_->transactions().frozen().size();
  status.locks = store_->lock_cache().size();
  status.waits_for = store_->waits_for();
  if (server_ == nullptr) return status;
  const server::Server::Status led = server_->status();
  for (const auto& member : led.members) {
    status.members.push_back({.rid = member.member.who.rid,
                              .slot = member.member.slot,
                              .name = member.member.name,
                              .address = to_string(member.member.address),
                              .connected = member.connected,
                              .lost = !member.connected,
                              .oldest_open_seq = member.oldest_open_seq,
                              .standing = member.standing,
                              .waited_for = member.waited_for});
  }
  status.segments = led.segments;
  status.level0_segments = led.level0_segments;
  status.compaction_debt_blocks = led.debt_blocks;
  status.free_blocks = led.free_blocks;
  status.reserved_blocks = led.reserved_blocks;
  status.replaced_blocks = led.replaced_blocks;
  if (!led.waits_for.empty()) status.waits_for = led.waits_for;
  return status;
}

void Mount::Impl::check_invariants() const {
  if (store_ != nullptr) store_->check_invariants();
  if (fs_ != nullptr) fs_->check_invariants();
  if (server_ != nullptr) server_->check_invariants();
}

// ---- Mount ----

Mount::Mount(Env env, MountOptions options)
    : impl_(std::make_unique<Impl>(env, std::move(options))) {}
Mount::~Mount() = default;

Task<Result<void>> Mount::start(Cancellation* cancellation) {
  co_return co_await impl_->start(cancellation);
}
const std::string& Mount::failure() const {
  return impl_->failure_;
}
fs::FileSystem& Mount::fs() {
  return *impl_->fs_;
}
client::Store& Mount::store() {
  return *impl_->store_;
}
const format::Superblock& Mount::superblock() const {
  return impl_->superblock_;
}
MountStatus Mount::status() const {
  return impl_->status();
}
void Mount::set_revoke_listener(client::RevokeListener* listener) {
  impl_->listener_ = listener;
}
std::size_t Mount::admit_page_readers(lock::LockId id) {
  return impl_->store_->admit_page_readers(id);
}
void Mount::set_on_failed(std::function<void(std::string)> callback) {
  impl_->on_failed_ = std::move(callback);
}
Task<Result<void>> Mount::unmount() {
  co_return co_await impl_->unmount();
}
void Mount::check_invariants() const {
  impl_->check_invariants();
}

}  // namespace scoutfs
