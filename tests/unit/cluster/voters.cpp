#include "tests/unit/cluster/voters.hpp"

#include <algorithm>

#include "engine/cluster/peer_messages.hpp"

namespace scoutfs::testing {

namespace {
constexpr TimeNs kHeartbeat = 100 * kMillisecond;
constexpr TimeNs kLease = 500 * kMillisecond;
}  // namespace

Voter::Voter(Voters& voters, unsigned node, std::uint64_t process)
    : voters_(voters),
      node_(node),
      process_(process),
      scheduler_(voters.clocks[node]),
      random_(voters.options.seed, sim::Stream::node, process),
      path_(voters.disk.open_path(node)),
      device_(voters.disk, path_, scheduler_),
      network_(voters.network.attach(node, scheduler_)),
      fencing_(voters.table, voters.options.level, scheduler_),
      log_(fmt::format("node{}", node)),
      actor_(node, scheduler_, voters.clocks[node]) {
  voters.world.add(actor_);
  scope_.spawn(live(this));
}

Voter::~Voter() {
  voters_.disk.drop_path(path_);
  network_->detach();
  voters_.world.remove(actor_);
  scheduler_.kill();
  elector_.reset();
  keeper_.reset();
}

bool Voter::may_serve() const {
  if (!serving_.has_value()) return false;
  const Incarnation self = format::leader_incarnation(keeper_->block().who, *serving_);
  return !voters_.table.fenced.contains(self);
}

void Voter::reached(Milestone milestone, Term term) {
  ++voters_.milestones;
  const format::QuorumBlock block = voters_.block_of(node_);
  const std::string who = fmt::format("node{} term {}", node_, term.number);
  if (milestone == Milestone::voted && block.voted != term) {
    voters_.wrong.push_back(who + ": voted, but its block does not say so");
  }
  if (milestone == Milestone::elected && block.elect != term) {
    voters_.wrong.push_back(who + ": elected, but its block does not say so");
  }
  if (milestone == Milestone::stopped && block.stop != block.elect) {
    voters_.wrong.push_back(who + ": stopped, but its block does not say so");
  }
  const Incarnation server = format::leader_incarnation(block.who, term);
  // Who was overtaken while it stood still finds out when it opens the storage.
  const bool leads =
      milestone == Milestone::leaders_fenced && !voters_.table.fenced.contains(server);
  if (leads && !voters_.terms.insert(term).second) {
    voters_.wrong.push_back(who + ": a term that was led before");
  }
  if (leads && *voters_.terms.rbegin() != term) {
    voters_.wrong.push_back(who + ": leads after a newer term was led");
  }
  if (voters_.on_milestone) voters_.on_milestone(node_, milestone);
}

void Voter::leave() {
  leaving_ = true;
  leave_.wake_all();
}

Task<void> Voter::live(Voter* self) {
  const Env env{.scheduler = self->scheduler_,
                .clock = self->voters_.clocks[self->node_],
                .random = self->random_,
                .device = self->device_,
                .network = *self->network_,
                .fencing = self->fencing_,
                .log = self->log_,
                .milestones = self};
  const Address listen = sim::NetworkWorld::address_of(self->node_, 7000);
  SCOUTFS_ASSERT(self->network_->listen(listen).has_value());
  self->keeper_ = std::make_unique<cluster::SlotKeeper>(
      env, self->voters_.superblock,
      cluster::SlotOptions{
          .slot = static_cast<std::uint16_t>(self->node_),
          .listen = listen,
          .name = fmt::format("node{}", self->node_),
          .host = {.machine = "m", .boot = "b", .process = self->process_, .process_start = 1},
          .rid = Rid{self->random_.id()},
          .heartbeat_ns = kHeartbeat,
          .silence_ns = 2 * kLease});
  self->elector_ = std::make_unique<cluster::Elector>(
      env, self->voters_.superblock, *self->keeper_, listen,
      cluster::ElectorOptions{.heartbeat_ns = kHeartbeat, .lease_ns = kLease});
  while (true) {
    const Result<void> claimed =
        co_await self->keeper_->claim(static_cast<std::uint16_t>(self->node_));
    if (claimed.has_value()) break;
    co_await Sleep(self->scheduler_, kHeartbeat);
  }
  self->keeper_->start_beating([](std::string) {});
  self->elector_->start();
  self->scope_.spawn(accept(self));
  self->leading_.spawn(lead(self));
  while (!self->leaving_) co_await self->leave_.wait();
  self->cancellation_.request();
  self->elector_->changed().wake_all();
  co_await self->leading_.drain();
  co_await self->elector_->stop();
  co_await self->keeper_->stop();
  const Result<void> left = co_await self->keeper_->leave();
  SCOUTFS_MAYBE(left.has_value());
  self->left_ = true;
}

Task<void> Voter::lead(Voter* self) {
  while (!self->leaving_) {
    const std::optional<Term> term = co_await self->elector_->win(&self->cancellation_);
    if (!term.has_value()) co_return;
    self->serving_ = term;
    self->elector_->set_serving();
    while (self->elector_->leads(*term) && !self->leaving_) {
      co_await self->elector_->changed().wait();
    }
    // A server takes its time to end.
    co_await Sleep(self->scheduler_, self->random_.below(20 * kMillisecond));
    // It has ended. STOP comes after that, and others act on it as soon as it is on the disk,
    // which may be before we hear that it is.
    self->serving_.reset();
    const bool leads = self->elector_->leads(*term);
    self->elector_->give_up("it leaves");
    using Ending = cluster::Elector::Ending;
    const bool resigns = leads && self->ending_ == Ending::stopped;
    const Ending ending = resigns ? Ending::resigned : self->ending_;
    const Result<void> stopped = co_await self->elector_->stopped(ending, 0);
    SCOUTFS_MAYBE(stopped.has_value());
  }
}

Task<void> Voter::accept(Voter* self) {
  while (true) {
    Result<std::unique_ptr<Connection>> connection = co_await self->network_->accept();
    if (!connection.has_value()) co_return;
    self->scope_.spawn(serve(self, std::move(*connection)));
  }
}

Task<void> Voter::serve(Voter* self, std::unique_ptr<Connection> connection) {
  Result<std::string> first = co_await connection->receive();
  if (!first.has_value() || !cluster::is_peer_hello(*first)) co_return;
  co_await self->elector_->serve(std::move(connection), std::move(*first));
}

// ---- Voters ----

Voters::Voters(VotersOptions wanted)
    : options(std::move(wanted)),
      disk(world.events(), world.trace(), world.board(),
           sim::SimRandom(options.seed, sim::Stream::disk), options.disk),
      network(world.events(), world.trace(), sim::SimRandom(options.seed, sim::Stream::network),
              options.network) {
  superblock.fsid = Fsid{77};
  superblock.slots_version = 1;
  for (unsigned node = 0; node < options.nodes; ++node) {
    if (options.configured) {
      superblock.slots.push_back({.slot = static_cast<std::uint8_t>(node),
                                  .address = sim::NetworkWorld::address_of(node, 7000)});
    }
    clocks.emplace_back(world.events(),
                        sim::ClockShape{.start_ns = (node + 1) * 1000 * kSecond,
                                        .drift_ppm = 100 * static_cast<int>(node),
                                        .wall_start_ns = 0});
  }
  lives.resize(options.nodes);
}

Voters::~Voters() {
  lives.clear();
  world.events().clear();
}

void Voters::start(unsigned node) {
  lives[node] = std::make_unique<Voter>(*this, node, next_process_++);
}

void Voters::kill(unsigned node) {
  table.dead_processes.insert(lives[node]->process());
  lives[node].reset();
}

format::QuorumBlock Voters::block_of(unsigned node) const {
  format::QuorumBlock newest;
  for (std::uint64_t copy = 0; copy < 2; ++copy) {
    const auto slot = static_cast<std::uint16_t>(node);
    const sim::BlockRef& bytes =
        disk.durable_image().block(format::quorum_block_at(slot, copy).value);
    if (bytes == nullptr) continue;
    const std::string_view image{reinterpret_cast<const char*>(bytes->data()), kBlockSize};
    const auto block = format::decode_quorum_block(image, superblock.fsid, slot);
    if (block.has_value() && block->write_number > newest.write_number) newest = *block;
  }
  return newest;
}

std::optional<unsigned> Voters::leader() const {
  std::optional<unsigned> found;
  for (unsigned node = 0; node < options.nodes; ++node) {
    if (lives[node] != nullptr && lives[node]->may_serve()) found = node;
  }
  return found;
}

void Voters::look() {
  std::size_t leaders = 0;
  for (unsigned node = 0; node < options.nodes; ++node) {
    if (lives[node] == nullptr || !lives[node]->may_serve()) continue;
    ++leaders;
    const Term term = lives[node]->term();
    if (wrong.empty() && block_of(node).stop >= term) {
      wrong.push_back(fmt::format("node{} serves term {}, which its block says it has stopped",
                                  node, term.number));
    }
  }
  if (leaders > 1 && wrong.empty()) {
    wrong.push_back(fmt::format("{} leaders that the storage lets write", leaders));
  }
}

void Voters::run_for(TimeNs duration_ns) {
  const TimeNs end = world.now_ns() + duration_ns;
  world.events().at(end, [] {});
  while (world.now_ns() < end && world.step()) {
    look();
    for (auto& life : lives) {
      if (life == nullptr || !life->left()) continue;
      table.dead_processes.insert(life->process());
      life.reset();
    }
  }
}

TimeNs Voters::until_led() {
  const TimeNs began = world.now_ns();
  while (!leader().has_value()) {
    if (world.now_ns() > began + 60 * kSecond) return kForever;
    run_for(kMillisecond);
  }
  return world.now_ns() - began;
}

}  // namespace scoutfs::testing
