#include "sim/node_life.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace scoutfs::sim {

namespace {

std::string_view to_string(NodeLife::State state) {
  switch (state) {
    case NodeLife::State::starting:
      return "starting";
    case NodeLife::State::serving:
      return "serving";
    case NodeLife::State::leaving:
      return "leaving";
    case NodeLife::State::left:
      return "left";
    case NodeLife::State::not_left:
      return "failed to leave";
    case NodeLife::State::refused:
      return "failed to start";
  }
  return "unknown";
}

MountOptions options_of(Cluster& cluster, unsigned node, Life number) {
  MountOptions options = cluster.plan().mount;
  options.listen = NetworkWorld::address_of(node, kNodePort);
  // A configured slot is found by the address.
  if (cluster.plan().slot_mode != SlotMode::configured) options.slot = cluster.slot_of(node);
  options.name = fmt::format("node{}", node);
  options.host = cluster.host_of(node, number);
  return options;
}

}  // namespace

Task<Result<bool>> SimFencing::confirm_dead(Incarnation victim, HostId host) {
  co_await Sleep(scheduler_, kMillisecond);
  co_return cluster_.confirm_dead(node_, victim, host);
}

Task<Result<void>> SimFencing::register_term(Term term, Incarnation) {
  co_await Sleep(scheduler_, kMillisecond);
  if (!cluster_.register_term(term)) co_return fail(Errc::fenced);
  co_return Result<void>{};
}

Task<Result<bool>> SimFencing::fence(Term term, Incarnation victim, HostId host) {
  if (level() != FenceLevel::storage) {
    co_return co_await confirm_dead(victim, std::move(host));
  }
  cluster_.fence_asked(victim);
  const TimeNs delay_ns = random_.between(1, cluster_.plan().fence_delay_ns);
  co_await Sleep(scheduler_, delay_ns);
  const SharedDisk::Done done(scheduler_);
  switch (cluster_.fence(term, victim, host, done)) {
    case Cluster::Fence::older_term:
      co_return fail(Errc::fenced);
    case Cluster::Fence::unknown:
      co_return false;
    case Cluster::Fence::begun:
      break;
  }
  const Result<void> fenced = co_await done.wait();
  if (!fenced.has_value()) co_return std::unexpected(fenced.error());
  co_return true;
}

namespace {
// Closed in good order when the server ends.
class ServerDevice final : public BlockDevice {
 public:
  ServerDevice(SharedDisk& disk, std::shared_ptr<DiskPath> path, Scheduler& scheduler,
               const Clock& clock, Log& log)
      : disk_(disk),
        path_(std::move(path)),
        link_(disk, path_, scheduler),
        device_(scheduler, clock, log, link_, {}) {}
  ~ServerDevice() override { disk_.close_path(path_); }
  std::uint64_t block_count() const override { return device_.block_count(); }
  [[clang::coro_wrapper]] Task<Result<void>> read(BlockNo first,
                                                  std::span<std::byte> out) override {
    return device_.read(first, out);
  }
  [[clang::coro_wrapper]] Task<Result<void>> write(BlockNo first,
                                                   std::span<const std::byte> data,
                                                   Durability durability) override {
    return device_.write(first, data, durability);
  }
  [[clang::coro_wrapper]] Task<Result<void>> flush() override { return device_.flush(); }

 private:
  SharedDisk& disk_;
  std::shared_ptr<DiskPath> path_;
  SimDevice link_;
  LastingDevice device_;
};
}  // namespace

Task<Result<std::unique_ptr<BlockDevice>>> SimStorage::open(Incarnation who) {
  co_await Sleep(scheduler_, kMillisecond);
  SCOUTFS_CO_TRY(std::shared_ptr<DiskPath> path, cluster_.leadership().open(node_, life_, who));
  co_return std::make_unique<ServerDevice>(cluster_.disk(), std::move(path), scheduler_, clock_,
                                           log_);
}

void SimLog::write(LogLevel, std::string_view message) {
  world_.trace().line(world_.now_ns(), node_, "log: {}", message);
}

NodeLife::NodeLife(Cluster& cluster, unsigned node, Life number, const NodeClock& clock,
                   std::shared_ptr<DiskPath> path)
    : cluster_(cluster),
      node_(node),
      number_(number),
      clock_(clock),
      scheduler_(clock),
      random_(cluster.plan().seed, Stream::node, number),
      follower_random_(cluster.plan().seed, Stream::follower, number),
      path_(std::move(path)),
      log_(cluster.world(), node),
      link_(cluster.disk(), path_, scheduler_),
      device_(scheduler_, clock, log_, link_, {}),
      network_(cluster.network().attach(node, scheduler_)),
      fencing_(cluster, node, scheduler_),
      storage_(cluster, node, number, scheduler_, clock, log_),
      actor_(node, scheduler_, clock),
      kernel_(scheduler_, cluster.plan().seed, number,
              [this](lock::LockId id) { return mount_->admit_page_readers(id); }) {
  const Env env{.scheduler = scheduler_,
                .clock = clock,
                .random = random_,
                .device = device_,
                .network = *network_,
                .fencing = fencing_,
                .log = log_,
                .storage = &storage_,
                .milestones = this};
  mount_ = std::make_unique<Mount>(env, options_of(cluster, node, number));
  mount_->set_revoke_listener(&kernel_);
  mount_->set_on_failed([this](std::string why) {
    cluster_.judge().failing(number_);
    cluster_.history().cut();
    failed_ = true;
    why_ = std::move(why);
  });
  cluster_.world().add(actor_);
}

NodeLife::~NodeLife() {
  cluster_.disk().drop_path(path_);
  for (const std::shared_ptr<DiskPath>& server : cluster_.leadership().paths_of(number_)) {
    cluster_.disk().close_path(server);
  }
  network_->detach();
  cluster_.world().remove(actor_);
  scheduler_.kill();
  mount_.reset();
}

void NodeLife::reached(Milestone milestone, Term term) {
  cluster_.reached(node_, mount_->status().slot, number_, mount_->who(), milestone, term);
}

std::string NodeLife::describe() const {
  const MountStatus status = mount_->status();
  return fmt::format("node{} (life {}, {}{}) waits for: {}", node_, number_, to_string(state_),
                     status.leader ? ", leader" : "",
                     status.waits_for.empty() ? "nothing" : status.waits_for);
}

void NodeLife::ask_to_leave() {
  leaving_ = true;
  leave_.wake_all();
}

Task<void> NodeLife::live(NodeLife* self) {
  const Result<void> started = co_await self->mount_->start(nullptr);
  if (!started.has_value()) {
    self->start_error_ = started.error().code;
    self->why_ = self->mount_->failure();
    self->state_ = State::refused;
    co_return;
  }
  self->state_ = State::serving;
  self->cluster_.note_progress();
  self->cluster_.world().board().ran("start");
  World& world = self->cluster_.world();
  if (Observer* observer = world.trace().observer())
    observer->life_serves(world.now_ns(), self->node_);
  for (unsigned i = 0; i < self->cluster_.plan().workers; ++i) {
    const bool decided = self->cluster_.plan().decided.has_value();
    self->workers_.spawn(decided ? repeat(self, i) : work(self, i));
  }
  self->followers_.spawn(follow(self, format::IndexType::meta_seq));
  self->followers_.spawn(follow(self, format::IndexType::data_seq));
  while (!self->leaving_) co_await self->leave_.wait();
  co_await self->workers_.drain();
  co_await self->followers_.drain();
  self->state_ = State::leaving;
  const Result<void> unmounted = co_await self->mount_->unmount();
  self->state_ = unmounted.has_value() ? State::left : State::not_left;
  if (unmounted.has_value()) co_return;
  self->why_ = to_string(unmounted.error().code);
  self->gave_up_ = unmounted.error().code == Errc::timed_out;
}

void NodeLife::close(Ino ino) {
  cluster_.judge().closed(number_, ino);
  mount_->fs().close(ino);
}

void NodeLife::close_one(unsigned worker, Handles& handles, std::size_t index) {
  const Handle handle = handles[index];
  handles.erase(handles.begin() + static_cast<std::ptrdiff_t>(index));
  cluster_.judge().closed(number_, handle.ino);
  cluster_.workloads().closed(caller(worker), handle);
  mount_->fs().close(handle.ino);
}

Task<void> NodeLife::call_one(NodeLife* self, Operation op,
                              std::shared_ptr<std::optional<Outcome>> answer) {
  *answer = co_await self->judged(std::move(op));
}

Task<Outcome> NodeLife::judged(Operation op) {
  Judge::Call call(cluster_.judge(), number_, node_, op, &clock_);
  fs::Context context;
  context.uid = op.uid;
  context.gid = op.gid;
  context.witness = &call;
  const std::uint64_t seen = cluster_.history().called(node_, op);
  Outcome outcome = co_await run_operation(mount_->fs(), context, op);
  call.finish(outcome);
  cluster_.history().answered(seen, outcome);
  cluster_.note_progress();
  co_return outcome;
}

DecidedOperation NodeLife::next_decision(unsigned worker) {
  DecidedOperation decided;
  decided.node = node_;
  decided.ordinal = cluster_.workloads().next_ordinal(node_);
  decided.worker = worker;
  decided.at_ns = scheduler_.now_ns();
  return decided;
}

Task<Outcome> NodeLife::call_decided(DecidedOperation& decided) {
  WorkloadMix& workloads = cluster_.workloads();
  workloads.record(decided);
  WorkloadCall call = workloads.begin(caller(decided.worker), decided, decided.op);
  Outcome outcome = co_await judged(decided.op);
  workloads.answered(call, decided, outcome);
  decided.found = found_by(decided.op, outcome);
  co_return outcome;
}

Task<void> NodeLife::one_operation(DecidedOperation& decided, Handles& handles) {
  cluster_.workloads().draw(caller(decided.worker), handles, decided);
  const Outcome outcome = co_await call_decided(decided);
  if (opens(decided.op) && outcome.attributes.has_value()) {
    handles.push_back({.ino = outcome.attributes->ino,
                       .opened_by = decided.ordinal,
                       .workload = decided.workload});
  }
}

Task<void> NodeLife::lay_out(unsigned worker) {
  WorkloadMix& workloads = cluster_.workloads();
  const bool does_it = node_ == 0 && worker == 0;
  if (does_it) workloads.start_over();
  while (wanted() && !workloads.laid_out()) {
    bool failed = !does_it;
    if (does_it) {
      DecidedOperation decided = next_decision(worker);
      workloads.draw_set_up(decided);
      const Outcome outcome = co_await call_decided(decided);
      workloads.record(decided);
      workloads.note_set_up(decided.op, outcome);
      failed = outcome.error.has_value();
    }
    if (failed) co_await Sleep(scheduler_, kMillisecond);
  }
}

Task<void> NodeLife::work(NodeLife* self, unsigned worker) {
  WorkloadMix& workloads = self->cluster_.workloads();
  Handles handles;
  if (!workloads.laid_out()) co_await self->lay_out(worker);
  while (self->wanted() && workloads.take()) {
    DecidedOperation decided = self->next_decision(worker);
    co_await self->one_operation(decided, handles);
    const bool full = handles.size() > 3;
    if (!handles.empty() && (full || workloads.random().chance(1, 8))) {
      const auto index = static_cast<std::size_t>(workloads.random().below(handles.size()));
      decided.closes = handles[index].opened_by;
      self->close_one(worker, handles, index);
    }
    decided.think_ns = workloads.random().below(2 * self->cluster_.plan().think_ns);
    workloads.record(decided);
    co_await Sleep(self->scheduler_, decided.think_ns);
  }
  while (!handles.empty()) self->close_one(worker, handles, handles.size() - 1);
}

Task<void> NodeLife::follow(NodeLife* self, format::IndexType index) {
  IndexFollower& follower = self->cluster_.follower(self->node_, index);
  SimRandom& random = self->follower_random_;
  while (self->wanted()) {
    const bool from_the_beginning = random.chance(1, 4);
    co_await follower.pass(self->mount_->fs(), random, from_the_beginning);
    const TimeNs pause = random.log_between(kMillisecond, kSecond);
    co_await self->leave_.wait(nullptr, self->scheduler_.now_ns() + pause);
  }
}

bool NodeLife::probed(TimeNs since_ns) {
  if (state_ != State::serving || leaving_) return false;
  if (probe_asked_ns_ != since_ns) {
    probe_asked_ns_ = since_ns;
    workers_.spawn(probe(this, since_ns));
  }
  return probe_done_ns_ == since_ns;
}

Task<void> NodeLife::probe(NodeLife* self, TimeNs since_ns) {
  Operation op;
  op.kind = OpKind::set_mode;
  op.ino = kRootIno;
  op.mode = 0755;
  co_await self->judged_only(op);
  self->probe_done_ns_ = since_ns;
}

Task<void> NodeLife::read_all(NodeLife* self) {
  std::map<Ino, Seq> meta, data;
  RestTree tree{.reader = self->node_, .nodes = {}};
  bool all_read = true;
  std::vector<Ino> waiting{kRootIno};
  while (!waiting.empty()) {
    Operation op;
    op.ino = waiting.back();
    waiting.pop_back();
    op.kind = OpKind::getattr;
    const Outcome found = co_await self->judged(op);
    if (!found.attributes.has_value()) co_return;
    const Ino ino = op.ino;
    const format::Inode inode = found.attributes->inode;
    if (!meta.emplace(ino, inode.meta_seq).second) continue;
    RestTree::Node& node = tree.nodes[ino];
    node.inode = inode;
    if (inode.data_seq) data.emplace(ino, inode.data_seq);
    op.kind = OpKind::ino_path;
    co_await self->judged_only(op);
    op.kind = OpKind::list_xattrs;
    const Outcome attributes = co_await self->judged(op);
    for (const std::string& name : attributes.names) {
      op.kind = OpKind::get_xattr;
      op.name = name;
      co_await self->judged_only(op);
    }
    op.name.clear();
    op.length = std::max<std::uint64_t>(inode.size, 1000);
    op.kind = inode.is_regular() ? OpKind::read : OpKind::readlink;
    if (inode.is_regular() || inode.is_symlink()) {
      Outcome content = co_await self->judged(op);
      all_read = all_read && !content.error.has_value();
      node.content = std::move(content.bytes);
    }
    if (!inode.is_directory()) continue;
    op.kind = OpKind::readdir;
    const Outcome listing = co_await self->judged(op);
    all_read = all_read && !listing.error.has_value();
    for (const fs::DirectoryEntry& entry : listing.entries) {
      if (entry.name == "." || entry.name == "..") continue;
      waiting.push_back(entry.ino);
      node.entries[entry.name] = entry.ino;
    }
  }
  if (all_read) self->cluster_.workloads().check(tree);
  Operation space;
  space.kind = OpKind::statfs;
  co_await self->judged_only(std::move(space));
  co_await self->compare_index(format::IndexType::meta_seq, std::move(meta));
  co_await self->compare_index(format::IndexType::data_seq, std::move(data));
}

Task<void> NodeLife::judged_only(Operation op) {
  const Outcome outcome = co_await judged(std::move(op));
  // The judge has seen it.
  static_cast<void>(outcome);
}

Task<void> NodeLife::compare_index(format::IndexType index, std::map<Ino, Seq> want) {
  IndexFollower& follower = cluster_.follower(node_, index);
  const auto page_size = static_cast<std::size_t>(follower_random_.between(1, 50));
  const std::optional<IndexFollower::Entries> got =
      co_await follower.all(mount_->fs(), page_size);
  if (got.has_value()) follower.compare(*got, want);
}

}  // namespace scoutfs::sim
