#include "sim/cluster.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "engine/env/steady_device.hpp"
#include "sim/node_life.hpp"
#include "sim/offline.hpp"

namespace scoutfs::sim {

namespace {

// Why a start may fail although nothing is wrong: somebody is not there yet.
bool may_try_again(Errc error) {
  return error == Errc::busy || error == Errc::disconnected || error == Errc::timed_out;
}

// The members that an image records.
std::map<Rid, format::Member> members_of(const Image& image, OracleBoard& board) {
  std::map<Rid, format::Member> members;
  Offline offline(image);
  const auto visit = [&members](std::string_view key_bytes, std::string_view value) {
    const Result<format::ParsedServerKey> key = format::parse_server_key(key_bytes);
    if (!key.has_value() || key->type != format::ServerItem::member) return;
    const Result<format::Member> member = format::decode_member(value);
    if (member.has_value()) members[key->rid] = *member;
  };
  const Result<void> visited = offline.visit_server_items(visit);
  if (!visited.has_value()) {
    board.fail("image", fmt::format("the server tree of a legal image cannot be read: {}",
                                    to_string(visited.error().code)));
  }
  return members;
}

// Of a small run all of it is looked at.
History::Options history_options(const Plan& plan) {
  constexpr std::uint64_t kSmall = 64;  // operations
  History::Options options;
  options.falsifies = plan.canary_unjudged;
  if (plan.operations <= kSmall || plan.canary_unjudged) options.one_in = 1;
  return options;
}

}  // namespace

Cluster::Cluster(const Plan& plan, World& world)
    : plan_(plan),
      world_(world),
      ledger_(world.events()),
      disk_(world.events(), world.trace(), world.board(), SimRandom(plan.seed, Stream::disk),
            plan.disk),
      leadership_(world, disk_),
      network_(world.events(), world.trace(), SimRandom(plan.seed, Stream::network),
               plan.network),
      judge_(world.events(), world.trace(), world.board(), plan.format.root_mode),
      workloads_(plan_, world.board()),
      history_(world.board(), SimRandom(plan.seed, Stream::windows), history_options(plan)) {
  for (unsigned i = 0; i < plan_.nodes; ++i) {
    clocks_.emplace_back(world_.events(), plan_.clocks[i]);
    followers_.emplace_back(world_.board(), i, format::IndexType::meta_seq);
    followers_.emplace_back(world_.board(), i, format::IndexType::data_seq);
  }
  lives_.resize(plan_.nodes);
  moves_.resize(plan_.nodes);
  judge_.set_disk_failed([this](Life life) { return errors_of(life).any(); });
  workloads_.set_whole([this](Life life) { return whole(life); });
  if (plan_.canary) judge_.falsify_after(plan_.operations / 2);
  judge_.set_was_full([this](TimeNs since_ns) { return full_ns_ >= since_ns; });
  network_.set_on_voter_sent([this](unsigned from, unsigned to, std::string_view message) {
    leadership_.sent(from, to, message);
  });
  // Only what lies before the space region says that a death was recorded.
  disk_.set_on_durable([this](BlockNo block) {
    if (block < superblock_.space.start) resolve_confirmed();
  });
  disk_.set_on_fenced([this] { resolve_confirmed(); });
  disk_.set_on_failed([this](unsigned node, Errc error) {
    if (error == Errc::io_error) ledger_.seen({Symptom::Kind::disk_error, node, 0});
    if (error == Errc::disconnected) ledger_.seen({Symptom::Kind::disk_lost, node, 0});
  });
  network_.set_on_lost([this](unsigned node, unsigned other) {
    if (node != other) ledger_.seen(Symptom::connection(node, other));
  });
}

Cluster::~Cluster() {
  lives_.clear();
  world_.events().clear();
}

IndexFollower& Cluster::follower(unsigned node, format::IndexType index) {
  return followers_[2 * node + (index == format::IndexType::data_seq ? 1 : 0)];
}

HostId Cluster::host_of(unsigned node, Life life) const {
  return {.machine = fmt::format("host{}", node),
          .boot = fmt::format("boot{}", node),
          .process = life,
          .process_start = life};
}

namespace {
Task<void> format_task(Env env, FormatOptions options,
                       std::optional<format::Superblock>* made) {
  Result<format::Superblock> superblock = co_await format_volume(env, std::move(options));
  if (superblock.has_value()) made->emplace(*std::move(superblock));
}
}  // namespace

bool Cluster::format() {
  Scheduler scheduler(clocks_[0]);
  SimRandom random(plan_.seed, Stream::node, 0);
  ImageDevice device{Image(plan_.disk.block_count)};
  const std::unique_ptr<NodeNetwork> network = network_.attach(0, scheduler);
  SimFencing fencing(*this, 0, scheduler);
  SimLog log(world_, 0);
  const Env env{.scheduler = scheduler,
                .clock = clocks_[0],
                .random = random,
                .device = device,
                .network = *network,
                .fencing = fencing,
                .log = log};
  TaskScope scope(scheduler);
  std::optional<format::Superblock> made;
  scope.spawn(format_task(env, plan_.format, &made));
  scheduler.run();
  world_.board().ran("format");
  if (!made.has_value()) {
    world_.board().fail("format", "the volume cannot be made");
    return false;
  }
  superblock_ = *std::move(made);
  leadership_.set_fsid(superblock_.fsid);
  judge_.set_total_blocks(superblock_.space.count);
  disk_.load(device.image());
  return true;
}

void Cluster::start(unsigned node) {
  SCOUTFS_ASSERT(lives_[node] == nullptr);
  const Life number = next_life_++;
  const std::shared_ptr<DiskPath> path = disk_.open_path(node);
  past_[number] = {.node = node, .path = path, .rid = {}};
  world_.trace().event(world_.now_ns(), node, EventKind::node, number);
  world_.trace().line(world_.now_ns(), node, "life {} begins", number);
  if (Observer* observer = world_.trace().observer())
    observer->life_begins(world_.now_ns(), node, number);
  lives_[node] = std::make_unique<NodeLife>(*this, node, number, clocks_[node], path);
  lives_[node]->begin();
}

void Cluster::start_after(unsigned node, TimeNs delay_ns) {
  world_.events().after(delay_ns, [this, node] {
    if (lives_[node] == nullptr) start(node);
  });
}

void Cluster::end(unsigned node, bool left) {
  // Coming and going without getting in is none.
  const bool refused = lives_[node]->state() == NodeLife::State::refused;
  const Life number = lives_[node]->number();
  world_.trace().event(world_.now_ns(), node, EventKind::node, mix(number, left ? 1 : 0));
  world_.trace().line(world_.now_ns(), node, "life {} {}", number, left ? "leaves" : "dies");
  if (Observer* observer = world_.trace().observer()) {
    observer->life_ends(world_.now_ns(), node, refused ? "refused" : left ? "leaves" : "dies");
  }
  Past& past = past_.at(number);
  past.rid = lives_[node]->mount().status().rid;
  past.dead = true;
  past.left = left;
  const NodeLife::State state = lives_[node]->state();
  past.leaving = state == NodeLife::State::leaving || state == NodeLife::State::not_left;
  past.resolved = left;
  lives_[node].reset();
  leadership_.died(number);
  if (left) {
    constexpr unsigned kSlotsEach = 2;  // of 15, for up to five nodes
    if (plan_.slot_mode == SlotMode::moving) moves_[node] = (moves_[node] + 1) % kSlotsEach;
    judge_.left(number);
    ledger_.seen({Symptom::Kind::left, number, 0});
  } else {
    judge_.died(number);
    history_.died(node);
    ++deaths_;
  }
  if (!refused) note_progress();
}

void Cluster::kill(unsigned node) {
  if (lives_[node] != nullptr) end(node, false);
}

void Cluster::ask_to_leave(unsigned node) {
  if (lives_[node] != nullptr) lives_[node]->ask_to_leave();
}

// That are open: the mount's and its server's.
std::vector<std::shared_ptr<DiskPath>> Cluster::paths_of(unsigned node) const {
  const Life life = lives_[node]->number();
  std::vector<std::shared_ptr<DiskPath>> paths{past_.at(life).path};
  for (const std::shared_ptr<DiskPath>& server : leadership_.paths_of(life)) {
    if (!SharedDisk::dropped(*server)) paths.push_back(server);
  }
  return paths;
}

void Cluster::pause(unsigned node, TimeNs lasts_ns) {
  if (lives_[node] == nullptr) return;
  const TimeNs until_ns = world_.now_ns() + lasts_ns;
  lives_[node]->actor().pause_until(until_ns);
  for (const std::shared_ptr<DiskPath>& path : paths_of(node)) disk_.hold_path(path, until_ns);
  disturbed_ = true;
}

// Why a mount may go out of service without the disk's fault: it was silent and has been
// fenced.
bool Cluster::may_fail(const NodeLife& life) const {
  return disturbed_ && plan_.fence_level == FenceLevel::storage && life.fenced();
}

bool Cluster::whole(Life life) const {
  const auto found = past_.find(life);
  if (found == past_.end() || judge_.is_over(life)) return false;
  const Past& past = found->second;
  if (past.dead) return past.left && !failing_.contains(life);
  return !lives_[past.node]->failed();
}

void Cluster::end_failed(unsigned node) {
  NodeLife& life = *lives_[node];
  const Life number = life.number();
  switch (plan_.mount.on_fence) {
    case OnFence::eio:
      return life.ask_to_leave();
    case OnFence::exit:
      return end(node, false);
    case OnFence::freeze:
      break;
  }
  // Nobody comes back from it; after a while somebody ends the process.
  world_.events().after(kSecond, [this, node, number] {
    if (lives_[node] == nullptr || lives_[node]->number() != number) return;
    end(node, false);
    if (comes_back_ns_ != kForever) start_after(node, comes_back_ns_);
  });
}

void Cluster::lose_disk(unsigned node, TimeNs lasts_ns) {
  if (lives_[node] == nullptr) return;
  for (const std::shared_ptr<DiskPath>& path : paths_of(node)) disk_.lose_path(path, lasts_ns);
}

void Cluster::power_cut(CutMode mode) {
  SCOUTFS_ASSERT(!any_alive());
  disk_.power_cut(mode);
  note_progress();
}

bool Cluster::disk_gave_reason(Life life) const {
  const DiskErrors::Counts& errors = errors_of(life);
  return errors.flushes > 0 || errors.reads >= SteadyDevice::kReadAttempts ||
         errors.writes >= SteadyDevice::kWriteAttempts;
}

void Cluster::reap(TimeNs comes_back_ns) {
  comes_back_ns_ = comes_back_ns;
  if (Observer* observer = world_.trace().observer())
    observer->leads(world_.now_ns(), leader());
  for (unsigned node = 0; node < plan_.nodes; ++node) {
    NodeLife* life = lives_[node].get();
    if (life == nullptr) continue;
    OracleBoard& board = world_.board();
    const bool has_reason = disk_gave_reason(life->number());
    const bool out_of_service = life->failed();
    if (out_of_service) board.ran("mount");
    if (out_of_service && !has_reason && !may_fail(*life)) {
      board.fail("mount", fmt::format("node{} (life {}) went out of service: {}", node,
                                      life->number(), life->why()));
    }
    if (out_of_service && life->state() == NodeLife::State::serving &&
        failing_.insert(life->number()).second) {
      // It answers nothing but errors: its operator starts it anew.
      ++out_of_service_;
      end_failed(node);
      if (lives_[node] == nullptr) {
        if (comes_back_ns != kForever) start_after(node, comes_back_ns);
        continue;
      }
    }
    switch (life->state()) {
      case NodeLife::State::starting:
      case NodeLife::State::serving:
      case NodeLife::State::leaving:
        continue;
      case NodeLife::State::refused:
        ++rare_["start-refused"];
        world_.trace().line(world_.now_ns(), node, "life {} is refused: {}", life->number(),
                            life->why());
        if (!may_try_again(life->start_error()) && !has_reason && !may_fail(*life)) {
          board.fail("start", fmt::format("node{} (life {}): {}: {}", node, life->number(),
                                          to_string(life->start_error()), life->why()));
        }
        break;
      case NodeLife::State::not_left:
        if (has_reason || may_fail(*life) || (disturbed_ && life->gave_up())) break;
        board.fail("unmount",
                   fmt::format("node{} (life {}): {}", node, life->number(), life->why()));
        break;
      case NodeLife::State::left:
        break;
    }
    board.ran(life->state() == NodeLife::State::refused ? "start" : "unmount");
    end(node, life->state() == NodeLife::State::left);
    if (comes_back_ns != kForever) start_after(node, comes_back_ns);
  }
}

std::optional<unsigned> Cluster::leader() const {
  for (unsigned node = 0; node < plan_.nodes; ++node) {
    if (lives_[node] != nullptr && lives_[node]->mount().leads()) return node;
  }
  return std::nullopt;
}

void Cluster::look_at_space() {
  const std::optional<unsigned> node = leader();
  if (node.has_value() && lives_[*node]->mount().full()) full_ns_ = world_.now_ns();
}

bool Cluster::all_serving() const {
  return std::ranges::all_of(lives_, [](const std::unique_ptr<NodeLife>& life) {
    return life != nullptr && life->state() == NodeLife::State::serving && !life->failed();
  });
}

bool Cluster::any_alive() const {
  return std::ranges::any_of(lives_, [](const auto& life) { return life != nullptr; });
}

bool Cluster::anybody_stands_still() const {
  return std::ranges::any_of(lives_, [this](const auto& life) {
    return life != nullptr && life->actor().paused_until_ns() > world_.now_ns();
  });
}

bool Cluster::busy() const {
  return std::ranges::any_of(lives_,
                             [](const auto& life) { return life != nullptr && life->busy(); });
}

// ---- What the storage knows ----

Cluster::Past* Cluster::past_of(Incarnation victim, const HostId& host) {
  const auto found = past_.find(host.process);
  if (found == past_.end()) return nullptr;
  Past& past = found->second;
  if (host != host_of(past.node, found->first)) return nullptr;
  const Rid rid = rid_of(found->first);
  if (rid != victim.rid) {
    world_.board().fail("fence", fmt::format("life {} is asked for as {:x}, it is {:x}",
                                             found->first, victim.rid.value, rid.value));
    return nullptr;
  }
  past.rid = rid;
  return &past;
}

Rid Cluster::rid_of(Life number) const {
  const Past& past = past_.at(number);
  const NodeLife* life = lives_[past.node].get();
  const bool alive = life != nullptr && life->number() == number;
  return alive ? life->rid() : past.rid;
}

void Cluster::arm(Armed what) {
  armed_ = what;
}

void Cluster::reached(unsigned node, std::uint16_t slot, Life life, Incarnation mount,
                      Milestone milestone, Term term) {
  leadership_.reached(node, slot, life, mount, milestone, term);
  if (!armed_.has_value() || armed_->milestone != milestone) return;
  const Armed armed = *armed_;
  armed_.reset();
  world_.events().after(armed.delay_ns, [this, node, life, armed] {
    if (lives_[node] == nullptr || lives_[node]->number() != life) return;
    if (armed.stands_still) return pause(node, armed.lasts_ns);
    kill(node);
    start_after(node, armed.lasts_ns);
  });
}

bool Cluster::register_term(Term term) {
  ++rare_[term < newest_term_ ? "leader-refused" : "leader-registered"];
  if (term < newest_term_) return false;
  newest_term_ = term;
  return true;
}

void Cluster::fence_asked(Incarnation victim) {
  const auto found = std::ranges::find_if(lives_, [victim](const auto& life) {
    return life != nullptr && life->rid() == victim.rid;
  });
  if (!plan_.wakes_when_fenced || found == lives_.end()) return;
  const auto node = static_cast<unsigned>(found - lives_.begin());
  ++rare_["woken-when-fenced"];
  lives_[node]->actor().pause_until(world_.now_ns());
  for (unsigned other = 0; other < plan_.nodes; ++other) {
    network_.unblock(node, other);
    network_.unblock(other, node);
  }
}

Cluster::Fence Cluster::fence(Term term, Incarnation victim, const HostId& host,
                              const SharedDisk::Done& done) {
  if (term < newest_term_) return Fence::older_term;
  if (const std::shared_ptr<DiskPath> server = leadership_.path_of(victim)) {
    ++rare_["server-fence"];
    disk_.fence(server, done);
    return Fence::begun;
  }
  const bool mounts = std::ranges::any_of(
      past_, [this, victim](const auto& entry) { return rid_of(entry.first) == victim.rid; });
  if (!mounts) {
    // A server that has not opened the device.
    leadership_.fenced_unseen(victim, plan_.fencing_forgets ? Leadership::Memory::forgets
                                                            : Leadership::Memory::remembers);
    world_.events().after(kMillisecond, [done] { done.set(Result<void>{}); });
    return Fence::begun;
  }
  Past* past = past_of(victim, host);
  if (past == nullptr) return Fence::unknown;
  ++rare_["fence"];
  ledger_.seen(
      {past->dead ? Symptom::Kind::death_known : Symptom::Kind::fenced, host.process, 0});
  disk_.fence(past->path, done);
  return Fence::begun;
}

bool Cluster::confirm_dead(unsigned asking, Incarnation victim, const HostId& host) {
  if (plan_.fence_level == FenceLevel::none) return false;
  Past* past = past_of(victim, host);
  if (past == nullptr) return false;
  const Symptom death{Symptom::Kind::death_known, host.process, 0};
  if (SharedDisk::confirmed(*past->path)) {
    ledger_.seen(death);
    return true;
  }
  if (!plan_.fencing_knows_all_hosts && past->node != asking) return false;
  if (!past->dead || !disk_.drained(*past->path)) return false;
  const std::vector<std::shared_ptr<DiskPath>> servers = leadership_.paths_of(host.process);
  for (const std::shared_ptr<DiskPath>& server : servers) {
    if (!SharedDisk::harmless(*server)) return false;
  }
  for (const std::shared_ptr<DiskPath>& server : servers) {
    if (!SharedDisk::confirmed(*server)) disk_.confirm_dead(*server);
  }
  disk_.confirm_dead(*past->path);
  ++rare_["death-confirmed"];
  ledger_.seen(death);
  return true;
}

void Cluster::resolve(Life life, Past& past, const std::map<Rid, format::Member>& members) {
  past.resolved = true;
  judge_.over(life);
  history_.cut();
  const auto member = members.find(past.rid);
  if (member != members.end()) return judge_.resolve(life, member->second.recorded);
  // It is no member any more because it left, or not yet: then it did nothing.
  if (past.leaving || !judge_.has_changed(life)) return judge_.left(life);
  world_.board().fail("crash", fmt::format("life {}: the leader does not know of it", life));
}

void Cluster::resolve_confirmed() {
  const auto waits = [](const auto& entry) {
    return SharedDisk::confirmed(*entry.second.path) && !entry.second.resolved;
  };
  if (std::ranges::none_of(past_, waits)) return;
  const std::map<Rid, format::Member> members =
      members_of(disk_.durable_image(), world_.board());
  for (auto& [life, past] : past_) {
    if (!SharedDisk::confirmed(*past.path) || past.resolved) continue;
    const auto member = members.find(past.rid);
    // Until its death is recorded, messages it had sent may still be taken.
    if (member != members.end() && !member->second.dead) continue;
    resolve(life, past, members);
  }
}

void Cluster::resolve_all(const Image& image) {
  const std::map<Rid, format::Member> members = members_of(image, world_.board());
  for (auto& [life, past] : past_) {
    SCOUTFS_ASSERT(past.dead);
    if (!past.resolved) resolve(life, past, members);
  }
}

}  // namespace scoutfs::sim
