#include "engine/mount/mount.hpp"

#include <algorithm>

#include "engine/async/scope.hpp"
#include "engine/client/store_impl.hpp"
#include "engine/cluster/elector.hpp"
#include "engine/cluster/slot_keeper.hpp"
#include "engine/env/steady_device.hpp"
#include "engine/mount/device_watch.hpp"
#include "engine/mount/server_device.hpp"
#include "engine/server/server.hpp"

namespace scoutfs {

using cluster::Elector;
using cluster::SlotKeeper;

namespace {
constexpr TimeNs kReport = 5 * kSecond;  // how often the operator is told again
// How long an unmount tries to reach a leader before it gives up what is not recorded.
constexpr unsigned kUnmountSilences = 10;
constexpr unsigned kLeaseHeartbeats = 5;  // a leader's authority lasts so many heartbeats
constexpr unsigned kHoldOffLeases = 4;    // a leader whose server failed stands aside so long
}  // namespace

class Mount::Impl final : public client::LeaderFinder {
 public:
  Impl(Env env, MountOptions options)
      : watch_(env.device,
               [this](Errc code) {
                 if (code == Errc::fenced) fail(code, "the storage refuses this incarnation");
               }),
        device_(env.scheduler, watch_, env.log,
                [this] { fail(Errc::io_error, "the disk lost what it had cached"); }),
        env_(env.with(device_)),
        options_(std::move(options)),
        changed_(env.scheduler),
        cancellation_(env.scheduler),
        scope_(env.scheduler),
        leading_(env.scheduler) {}

  Task<Result<void>> start(Cancellation* cancellation);
  Task<Result<void>> unmount();
  MountStatus status() const;
  void check_invariants() const;

  Task<std::optional<Address>> find_leader(Cancellation* cancellation) override;

  DeviceWatch watch_;
  SteadyDevice device_;
  Env env_;
  MountOptions options_;
  std::string failure_;
  client::RevokeListener* listener_ = nullptr;
  std::function<void(std::string)> on_failed_;
  format::Superblock superblock_;
  std::unique_ptr<lsm::SegmentCache> segments_;
  std::unique_ptr<SlotKeeper> keeper_;
  std::unique_ptr<Elector> elector_;
  std::unique_ptr<client::StoreImpl> store_;
  std::unique_ptr<fs::FileSystem> fs_;
  // Of the server, while this mount leads: its own way to the disk, under its own incarnation.
  std::unique_ptr<ServerDevice> server_device_;
  std::unique_ptr<lsm::SegmentCache> server_segments_;
  std::shared_ptr<server::Server> server_;
  std::optional<Error> server_error_;
  Rid rid_;
  std::vector<Connection*> nameless_;  // connections on which nothing has arrived yet
  bool stopping_ = false;
  bool failed_ = false;
  bool fenced_ = false;
  std::string waits_for_;
  WaitQueue changed_;
  Cancellation cancellation_;
  TaskScope scope_;
  TaskScope leading_;

 private:
  Task<Result<void>> read_volume();
  Task<Result<void>> take_slot(Cancellation* cancellation);
  Task<void> watch();
  Task<Result<void>> claim_first_slot();
  Task<void> follow();
  Task<void> lead();
  Task<void> lead_term(Term term);
  Incarnation leader_incarnation(Term term) const;
  Task<Result<void>> start_server(Term term);
  void end_server(Error error);
  Task<void> accept();
  Task<void> serve(std::unique_ptr<Connection> connection);
  Task<void> refuse(std::unique_ptr<Connection> connection);
  Task<void> give_up_when_alone(TimeNs deadline_ns);
  std::string waits_for_now() const;
  Result<Address> listen();
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

Result<Address> Mount::Impl::listen() {
  Address address = options_.listen;
  if (address.port == 0) {
    // The configured port of this address, if there is exactly one.
    const auto matches = [&](const format::SlotConfig& slot) {
      return slot.address.ip == address.ip && (!options_.slot || *options_.slot == slot.slot);
    };
    if (std::count_if(superblock_.slots.begin(), superblock_.slots.end(), matches) == 1) {
      address.port = std::find_if(superblock_.slots.begin(), superblock_.slots.end(), matches)
                         ->address.port;
    }
  }
  Result<Address> bound = env_.network.listen(address);
  if (!bound.has_value()) {
    const std::string text = to_string(address);
    const std::size_t shown = address.port == 0 ? text.find(':') : text.size();
    failure_ = fmt::format("cannot listen on {}: {}", text.substr(0, shown),
                           bound.error().code == Errc::busy ? "the port is in use"
                                                            : "not an address of this host");
  }
  return bound;
}

Task<Result<void>> Mount::Impl::start(Cancellation* cancellation) {
  SCOUTFS_CO_CHECK(co_await read_volume());
  rid_ = options_.rid.has_value() ? *options_.rid : Rid{env_.random.id()};
  const std::string_view secret(superblock_.secret.data(), superblock_.secret.size());
  env_.network.secure(superblock_.fsid, format::format_hash(), secret);
  const Result<Address> bound = listen();
  if (!bound.has_value()) co_return std::unexpected(bound.error());
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
  elector_ = std::make_unique<Elector>(
      env_, superblock_, *keeper_, *bound,
      cluster::ElectorOptions{.heartbeat_ns = options_.heartbeat_ns,
                              .lease_ns = kLeaseHeartbeats * options_.heartbeat_ns});
  start_store(keeper_->slot(), *bound);
  elector_->start();
  scope_.spawn(accept());
  scope_.spawn(watch());
  scope_.spawn(follow());
  leading_.spawn(lead());
  store_->start();
  while (!store_->session().ready() && !failed_) {
    waits_for_ = waits_for_now();
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
    // Beats tell at once; the blocks tell also those who do not vote.
    const std::optional<Elector::Leader>& heard = elector_->leader();
    if (heard.has_value() && heard->serving && (heard->who.rid != rid_ || server_ != nullptr)) {
      co_return heard->address;
    }
    const Result<cluster::QuorumRegion::Blocks> read = co_await keeper_->observe();
    const format::QuorumBlock* leader = nullptr;
    if (read.has_value()) leader = cluster::leader_of(*read);
    if (leader != nullptr && leader->address.port != 0) {
      const bool newest =
          !elector_->leader().has_value() || leader->elect >= elector_->leader()->term;
      if (newest && (leader->who.rid != rid_ || server_ != nullptr)) co_return leader->address;
    }
    co_await elector_->changed().wait(cancellation,
                                      env_.clock.now_ns() + options_.heartbeat_ns / 2);
  }
  co_return std::nullopt;
}

Task<void> Mount::Impl::follow() {
  Term followed;
  while (!stopping_) {
    const std::optional<Elector::Leader>& leader = elector_->leader();
    if (leader.has_value() && leader->serving && leader->term > followed) {
      followed = leader->term;
      store_->session().leader_changed(leader->term, leader->address);
    }
    co_await elector_->changed().wait(&cancellation_);
  }
}

Task<void> Mount::Impl::watch() {
  TimeNs next_report_ns = env_.clock.now_ns() + kReport;
  while (!stopping_ && !failed_) {
    if (!keeper_->claimed() && superblock_.slots.empty()) {
      const Result<void> claimed = co_await claim_first_slot();
      if (!claimed.has_value()) {
        env_.log.warn("slot 0 cannot be claimed: {}", to_string(claimed.error().code));
      }
    }
    const std::string waits_for = waits_for_now();
    if (waits_for.empty()) {
      next_report_ns = env_.clock.now_ns() + kReport;
    } else if (env_.clock.now_ns() >= next_report_ns) {
      env_.log.warn("waiting for {}", waits_for);
      next_report_ns = env_.clock.now_ns() + kReport;
    }
    co_await Sleep(env_.scheduler, options_.heartbeat_ns / 2, &cancellation_);
  }
}

// Only the very first host claims a slot by itself; the leader gives out the others.
Task<Result<void>> Mount::Impl::claim_first_slot() {
  SCOUTFS_CO_TRY(const cluster::QuorumRegion::Blocks blocks, co_await keeper_->observe());
  const bool anybody = std::any_of(blocks.begin(), blocks.end(), [](const auto& block) {
    return block.has_value() && (!block->ended || block->leads());
  });
  if (anybody || keeper_->claimed() || stopping_) co_return Result<void>{};
  const Result<void> claimed = co_await keeper_->claim(0);
  if (failed_with(claimed, Errc::busy)) co_return Result<void>{};
  co_return claimed;
}

// Who waits for a leader waits for what keeps this node from leading.
std::string Mount::Impl::waits_for_now() const {
  std::string what = store_->waits_for();
  if (!what.empty() && !elector_->waits_for().empty()) what = elector_->waits_for();
  return what;
}

Task<void> Mount::Impl::lead() {
  while (!stopping_ && !failed_) {
    const std::optional<Term> term = co_await elector_->win(&cancellation_);
    if (!term.has_value()) co_return;
    co_await lead_term(*term);
  }
}

Task<void> Mount::Impl::lead_term(Term term) {
  const Result<void> started = co_await start_server(term);
  if (started.has_value() && elector_->leads(term)) {
    env_.log.info("leading, term {}", term.number);
    elector_->set_serving();
  }
  while (started.has_value() && elector_->leads(term) && !server_error_.has_value() &&
         !stopping_ && !failed_) {
    co_await elector_->changed().wait();
  }
  const bool at_will = started.has_value() && elector_->leads(term) && stopping_;
  Result<void> ended = started;
  if (const std::shared_ptr<server::Server> server = std::exchange(server_, nullptr)) {
    ended = co_await server->stop();
  }
  if (!ended.has_value() && elector_->leads(term)) {
    env_.log.error("the server of term {} ended: {}", term.number,
                   to_string(ended.error().code));
  }
  Elector::Ending ending = Elector::Ending::stopped;
  if (at_will && ended.has_value()) ending = Elector::Ending::resigned;
  if (server_device_ != nullptr && server_device_->in_doubt()) {
    ending = Elector::Ending::in_doubt;
  }
  server_segments_ = nullptr;
  server_device_ = nullptr;
  env_.reached(Milestone::server_ended, term);
  const bool wrong = !ended.has_value() && elector_->leads(term);
  elector_->give_up(at_will ? "the node leaves" : "its server ended");
  const TimeNs hold_off_ns = wrong ? kHoldOffLeases * elector_->lease_ns() : 0;
  const Result<void> written = co_await elector_->stopped(ending, hold_off_ns);
  if (!written.has_value()) {
    env_.log.error("the quorum block cannot be written: {}", to_string(written.error().code));
  }
  const bool damaged =
      failed_with(started, Errc::corrupt) || failed_with(started, Errc::unsupported);
  if (damaged) {
    fail(Errc::io_error,
         fmt::format("the server tree cannot be read: {}", to_string(started.error().code)));
  }
}

Incarnation Mount::Impl::leader_incarnation(Term term) const {
  return format::leader_incarnation({.rid = rid_, .epoch = keeper_->epoch()}, term);
}

Task<Result<void>> Mount::Impl::start_server(Term term) {
  server_error_.reset();
  if (env_.storage != nullptr) {
    SCOUTFS_CO_TRY(std::unique_ptr<BlockDevice> device,
                   co_await env_.storage->open(leader_incarnation(term)));
    server_device_ = std::make_unique<ServerDevice>(env_, std::move(device),
                                                    [this](Error error) { end_server(error); });
  }
  SCOUTFS_CO_CHECK(co_await elector_->confirm(term));
  BlockDevice& device = server_device_ != nullptr ? server_device_->device() : env_.device;
  server_segments_ = std::make_unique<lsm::SegmentCache>(
      env_.scheduler, device, superblock_.fsid, options_.segment_cache_bytes);
  // The volume as the last leader left it.
  SCOUTFS_CO_TRY(format::Superblock superblock, co_await lsm::read_superblock(device));
  const server::ServerOptions options{
      .compaction = options_.compaction,
      .heartbeat_ns = options_.heartbeat_ns,
      .silence_ns = options_.silence_ns,
      .lease_ns = options_.lease_ns,
      .fence_after_ns = options_.fence_after_ns,
      .fence_idle_after_ns = options_.fence_idle_after_ns,
      .recovery_grace_ns = options_.recovery_grace_ns,
      .votes_end_ns = [this] { return elector_->votes_end_ns(); }};
  const auto server = std::make_shared<server::Server>(
      env_.with(device), *server_segments_, std::move(superblock), term, rid_, options,
      [this](Error error) { end_server(error); });
  const Result<void> started = co_await server->start();
  if (!started.has_value()) {
    const Result<void> stopped = co_await server->stop();
    SCOUTFS_MAYBE(stopped.has_value());
    co_return started;
  }
  env_.reached(Milestone::server_started, term);
  server_ = server;
  co_return Result<void>{};
}

// It can go on no longer; lead_term() ends it.
void Mount::Impl::end_server(Error error) {
  if (!server_error_.has_value()) server_error_ = error;
  elector_->changed().wake_all();
}

Task<void> Mount::Impl::accept() {
  while (!stopping_) {
    Result<std::unique_ptr<Connection>> connection = co_await env_.network.accept();
    if (!connection.has_value()) co_return;
    scope_.spawn(serve(std::move(*connection)));
  }
}

Task<void> Mount::Impl::serve(std::unique_ptr<Connection> connection) {
  Connection* const nameless = connection.get();
  nameless_.push_back(nameless);
  Result<std::string> first = co_await connection->receive();
  std::erase(nameless_, nameless);
  if (!first.has_value()) co_return;
  const std::shared_ptr<server::Server> server = server_;
  if (cluster::is_peer_hello(*first)) {
    co_await elector_->serve(std::move(connection), std::move(*first));
  } else if (server != nullptr) {
    co_await server->serve(std::move(connection), std::move(*first));
  } else {
    co_await refuse(std::move(connection));
  }
}

Task<void> Mount::Impl::refuse(std::unique_ptr<Connection> connection) {
  session::Refusal refusal;
  refusal.why = session::Refusal::Why::not_leader;
  refusal.format_hash = format::format_hash();
  connection->send(session::encode_setup(refusal));
  // The peer closes when it has read that.
  Connection* const nameless = connection.get();
  nameless_.push_back(nameless);
  const Result<std::string> end = co_await connection->receive();
  SCOUTFS_MAYBE(end.has_value());
  std::erase(nameless_, nameless);
}

void Mount::Impl::fail(Errc code, std::string why) {
  if (code == Errc::fenced) fenced_ = true;
  if (failed_) return;
  failed_ = true;
  failure_ = why;
  if (store_ != nullptr) store_->fail(code, why);
  changed_.wake_all();
  if (elector_ != nullptr) elector_->changed().wake_all();
  if (on_failed_) on_failed_(std::move(why));
}

// ---- Ending ----

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
  if (elector_ != nullptr) {
    // The server first, while the voters still hear from it.
    elector_->changed().wake_all();
    cancellation_.request();
    co_await leading_.drain();
    co_await elector_->stop();
  }
  cancellation_.request();
  env_.network.close_listener();
  for (Connection* const connection : nameless_) connection->close();
  if (keeper_ != nullptr) {
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
  status.voters = elector_->voters();
  client::LeaderSession& session = store_->session();
  status.connected = session.ready() && session.connected();
  status.leader_address = to_string(session.leader());
  if (const auto& leader = elector_->leader(); leader.has_value()) {
    status.leader_slot = leader->slot;
    status.leader_rid = leader->who.rid;
    status.leader_address = to_string(leader->address);
  } else if (const auto* block = cluster::leader_of(keeper_->seen()); block != nullptr) {
    status.leader_slot = block->slot;
    status.leader_rid = block->who.rid;
  }
  for (const auto& block : keeper_->seen()) {
    const bool here = block.has_value() && block->who.rid == status.leader_rid &&
                      block->host.machine == options_.host.machine &&
                      block->host.boot == options_.host.boot;
    if (here) status.leader_process = block->host.process;
  }
  if (status.leader_rid == rid_) status.leader_process = options_.host.process;
  status.term = session.term();
  status.open_seq = store_->open_seq();
  status.last_recorded_seq = store_->transactions().recorded_seq();
  status.dirty_bytes = store_->transactions().dirty_bytes();
  status.unrecorded_transactions = store_->transactions().frozen().size();
  status.locks = store_->lock_cache().size();
  status.waits_for = waits_for_now();
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
Incarnation Mount::who() const {
  if (impl_->keeper_ == nullptr) return {};
  return {.rid = impl_->rid_, .epoch = impl_->keeper_->epoch()};
}
MountStatus Mount::status() const {
  return impl_->status();
}
bool Mount::leads() const {
  return impl_->server_ != nullptr;
}
bool Mount::full() const {
  return leads() && impl_->server_->full();
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
