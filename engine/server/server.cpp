#include "engine/server/server.hpp"

#include <algorithm>

#include "engine/env/drift.hpp"

namespace scoutfs::server {

using session::Answer;

namespace {
// Lock grants of different leaders must differ: the term is in the high bits.
constexpr unsigned kGrantBits = 40;
}  // namespace

Server::Server(Env env, lsm::SegmentCache& cache, format::Superblock superblock, Term term,
               Rid self, ServerOptions options, std::function<void(Error)> on_failed)
    : env_(env),
      term_(term),
      self_(self),
      options_(std::move(options)),
      on_failed_(std::move(on_failed)),
      slot_limit_(superblock.slots.empty() ? format::kSlotsMax : 0),
      fsid_(superblock.fsid),
      tree_(env.scheduler, env.device, cache, superblock),
      state_(std::make_unique<ServerState>(superblock)),
      locks_(GrantId{(term.number << kGrantBits) + 1}),
      picker_(options_.compaction),
      authority_(env,
                 {.interval_ns = options_.heartbeat_ns,
                  .lease_ns = options_.lease_ns,
                  .votes_end_ns = options_.votes_end_ns},
                 [this] { follow_authority(); }),
      membership_(env.scheduler),
      changed_(env.scheduler),
      compact_wake_(env.scheduler),
      cancellation_(env.scheduler),
      background_(env.scheduler),
      handlers_(env.scheduler) {}

Server::~Server() = default;

Task<Result<void>> Server::start() {
  SCOUTFS_ASSERT(options_.lease_ns <= kLeaseMax);
  ServerState* state = state_.get();
  lsm::Visit visit = [state](std::string_view key, std::string_view value) {
    return state->load(key, value);
  };
  SCOUTFS_CO_CHECK(co_await tree_.load(visit));
  SCOUTFS_CO_CHECK(state_->finish_load());
  tree_opened_ = true;
  SCOUTFS_CO_CHECK(co_await tree_.open(term_, self_));
  locks_.pause();
  started_ns_ = env_.clock.now_ns();
  for (const auto& [rid, member] : state_->members()) {
    Session& session = sessions_[rid];
    session.rid = rid;
    session.lost_ns = started_ns_;
    // What earlier leaders promised is over by then.
    session.lease_until_ns = started_ns_ + counted_long(kLeaseMax);
  }
  authority_.start();
  background_.spawn(recover());
  background_.spawn(watch_lost());
  background_.spawn(beat());
  background_.spawn(compact());
  co_return Result<void>{};
}

Task<Result<void>> Server::stop() {
  stopping_ = true;
  cancellation_.request();
  changed_.wake_all();
  compact_wake_.wake_all();
  for (auto& [rid, session] : sessions_) {
    if (session.channel != nullptr) session.channel->detach();
  }
  co_await authority_.stop();
  co_await background_.drain();
  co_await handlers_.drain();
  // A tree that could not be read was never opened; one that failed still ends its tasks.
  Result<void> closed;
  if (tree_opened_) closed = co_await tree_.close();
  if (failed_) co_return fail(Errc::io_error);
  co_return closed;
}

void Server::fail_server(Error error, std::string_view why) {
  if (failed_) return;
  failed_ = true;
  env_.log.error("leader: {} ({}); no longer serving", why, to_string(error.code));
  for (auto& [rid, session] : sessions_) {
    if (session.channel != nullptr) session.channel->detach();
  }
  changed_.wake_all();
  on_failed_(error);
}

// ---- Messages ----

void Server::answer(Rid to, RequestId id, Answer reply) {
  const auto found = sessions_.find(to);
  if (failed_ || found == sessions_.end() || found->second.channel == nullptr) return;
  session::LeaderMessage message{.id = id, .body = std::move(reply)};
  found->second.channel->send(encode(message));
}

void Server::notify(Rid to, session::LeaderNotice notice) {
  const auto found = sessions_.find(to);
  if (failed_ || found == sessions_.end() || found->second.channel == nullptr) return;
  session::LeaderMessage message{.id = {}, .body = std::move(notice)};
  found->second.channel->send(encode(message));
}

void Server::deliver(const lock::LockTable::Output& output) {
  // Grants first: a revoke may be of a grant that is just being given.
  for (const auto& grant : output.grants) {
    session::LockGrant reply{
        .id = grant.id, .mode = grant.mode, .grant = grant.grant, .open_elsewhere = {}};
    if (grant.mode == lock::Mode::write)
      reply.open_elsewhere = open_elsewhere(grant.id, grant.to);
    answer(grant.to, grant.request, std::move(reply));
  }
  for (const auto& revoke : output.revokes) {
    notify(revoke.to,
           session::Revoke{.id = revoke.id, .grant = revoke.grant, .keep = revoke.keep});
  }
}

std::vector<Ino> Server::open_elsewhere(lock::LockId id, Rid except) const {
  std::vector<Ino> inos;
  if (id.kind != lock::LockId::Kind::group) return inos;
  const Ino first{id.group * format::kInodeGroup};
  const Ino last{first.value + (format::kInodeGroup - 1)};
  for (const auto& [rid, session] : sessions_) {
    if (rid == except) continue;
    for (auto it = session.open_inodes.lower_bound(first);
         it != session.open_inodes.end() && it->first <= last; ++it) {
      inos.push_back(it->first);
    }
  }
  std::sort(inos.begin(), inos.end());
  inos.erase(std::unique(inos.begin(), inos.end()), inos.end());
  return inos;
}

void Server::violation(Rid rid, std::string_view what) {
  const auto found = sessions_.find(rid);
  env_.log.error("member {:x} broke the protocol: {}; disconnected", rid.value, what);
  if (found != sessions_.end() && found->second.channel != nullptr) {
    found->second.channel->detach();
  }
}

void Server::on_message(Rid rid, std::string bytes) {
  const auto found = sessions_.find(rid);
  // No message of the dead is accepted, however it got here (rule 2).
  if (found == sessions_.end() || failed_ || !serves(rid)) return;
  Result<session::MemberMessage> message = session::decode_member_message(bytes);
  if (!message.has_value()) return violation(rid, "a message that does not decode");
  if (auto* request = std::get_if<session::Request>(&message->body)) {
    const bool declares = std::holds_alternative<session::Declare>(*request);
    if (declares == found->second.declared) return violation(rid, "a request out of place");
    on_request(found->second, message->id, std::move(*request));
  } else {
    if (!found->second.declared) return violation(rid, "a notice before its declaration");
    on_notice(found->second, std::move(std::get<session::MemberNotice>(message->body)));
  }
}

void Server::on_request(Session& session, RequestId id, session::Request request) {
  const Rid rid = session.rid;
  if (auto* held = std::get_if<session::Declare>(&request)) {
    // In this very step: later messages build on it.
    declare(session, id, *held);
  } else if (auto* lock_request = std::get_if<session::LockRequest>(&request)) {
    if (lock_request->mode == lock::Mode::none) return violation(rid, "a lock in no mode");
    follow_authority();
    lock::LockTable::Output output;
    locks_.request(rid, id, lock_request->id, lock_request->mode, output);
    deliver(output);
  } else if (auto* commit = std::get_if<session::Commit>(&request)) {
    handlers_.spawn(do_commit(rid, id, std::move(*commit)));
  } else if (auto* space = std::get_if<session::SpaceRequest>(&request)) {
    handlers_.spawn(do_space(rid, id, *space));
  } else if (auto* give_back = std::get_if<session::SpaceReturn>(&request)) {
    handlers_.spawn(do_space_return(rid, id, std::move(*give_back)));
  } else if (auto* seq = std::get_if<session::SeqRequest>(&request)) {
    const Seq issued = state_->issue_seq(seq->above);
    session.open_seqs.insert(issued);
    handlers_.spawn(answer_when_durable(rid, id, session::SeqAnswer{.seq = issued}));
  } else if (auto* inos = std::get_if<session::InoRequest>(&request)) {
    if (inos->count == 0 || inos->count > (1u << 20)) return violation(rid, "an ino count");
    const Ino first = state_->issue_inos(inos->count);
    session::InoAnswer reply{.first = first, .count = inos->count};
    handlers_.spawn(answer_when_durable(rid, id, reply));
  } else if (auto* list = std::get_if<session::ListRequest>(&request)) {
    handlers_.spawn(do_list(rid, id, std::move(*list)));
  } else if (auto* bound = std::get_if<session::BoundRequest>(&request)) {
    handlers_.spawn(do_bound(rid, id, *bound));
  } else if (std::holds_alternative<session::SpaceInfoRequest>(request)) {
    answer(rid, id,
           session::SpaceInfoAnswer{.total_blocks = state_->total_blocks(),
                                    .free_blocks = state_->free_blocks(),
                                    .next_ino = state_->counters().next_ino});
  } else if (auto* result = std::get_if<session::JobResult>(&request)) {
    handlers_.spawn(do_job_result(rid, id, std::move(*result)));
  } else if (std::holds_alternative<session::LeaseRequest>(request)) {
    grant_lease(session, id);
  } else {
    SCOUTFS_ASSERT(std::holds_alternative<session::Farewell>(request));
    handlers_.spawn(do_farewell(rid, id));
  }
}

void Server::on_notice(Session& session, session::MemberNotice notice) {
  if (auto* release = std::get_if<session::Release>(&notice)) {
    for (const Ino ino : release->open_inodes) session.open_inodes.emplace(ino, true);
    follow_authority();
    lock::LockTable::Output output;
    locks_.release(session.rid, release->id, release->grant, release->keep, output);
    deliver(output);
  } else if (auto* closed = std::get_if<session::CloseInode>(&notice)) {
    on_closed(session, closed->ino);
  } else if (const auto* unlinked = std::get_if<session::Unlinked>(&notice)) {
    on_unlinked(session, *unlinked);
  } else if (auto* drop = std::get_if<session::DropSeq>(&notice)) {
    session.open_seqs.erase(drop->seq);
    changed_.wake_all();
  } else if (auto* beat = std::get_if<session::HeartbeatAnswer>(&notice)) {
    session.oldest_list = std::max(session.oldest_list, beat->oldest_list);
    free_unreferenced();
  }
}

bool Server::is_open(Ino ino, Rid except) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    return entry.first != except && entry.second.open_inodes.contains(ino);
  });
}

void Server::on_unlinked(const Session& session, const session::Unlinked& unlinked) {
  // Who has it open is not known yet. A scan for orphans will ask again.
  if (recovering_) return;
  if (is_open(unlinked.ino, session.rid)) {
    unlinked_open_.insert(unlinked.ino);
  } else {
    notify(session.rid, session::LastClosed{.ino = unlinked.ino, .grant = unlinked.grant});
  }
}

void Server::on_closed(Session& session, Ino ino) {
  session.open_inodes.erase(ino);
  if (!unlinked_open_.contains(ino) || is_open(ino, Rid{})) return;
  unlinked_open_.erase(ino);
  notify(session.rid, session::LastClosed{.ino = ino, .grant = {}});
}

// Those that only `rid` had open are left to the scans for orphans.
void Server::forget_open(Rid rid) {
  const auto found = sessions_.find(rid);
  if (found == sessions_.end()) return;
  for (const auto& [ino, open] : found->second.open_inodes) {
    if (!is_open(ino, rid)) unlinked_open_.erase(ino);
  }
  found->second.open_inodes.clear();
}

// ---- Authority ----

void Server::follow_authority() {
  const bool may = !recovering_ && !stopping_ && !failed_ && authority_.valid();
  if (may == granting_) return;
  granting_ = may;
  if (!may) {
    if (!stopping_ && !failed_) {
      env_.log.warn("leader: not sure to lead any more; no lock is granted until it is");
    }
    return locks_.pause();
  }
  lock::LockTable::Output output;
  locks_.resume(output);
  deliver(output);
  changed_.wake_all();
}

Task<void> Server::await_authority() {
  follow_authority();
  while (!granting_ && !stopping_ && !failed_) {
    co_await changed_.wait();
    follow_authority();
  }
}

void Server::grant_lease(Session& session, RequestId id) {
  const TimeNs now_ns = env_.clock.now_ns();
  session::LeaseAnswer reply;
  if (authority_.end_ns() > now_ns) {
    reply.duration_ns = std::min(options_.lease_ns, authority_.end_ns() - now_ns);
    session.lease_until_ns =
        std::max(session.lease_until_ns, now_ns + counted_long(reply.duration_ns));
  }
  answer(session.rid, id, reply);
}

// ---- Requests ----

Task<Result<void>> Server::commit_changes() {
  if (failed_) co_return fail(Errc::io_error);
  lsm::Batch batch = state_->take_batch();
  Result<void> result;
  if (batch.empty()) {
    result = co_await tree_.barrier();
  } else {
    result = co_await tree_.commit(std::move(batch));
  }
  if (!result.has_value()) fail_server(result.error(), "the server tree cannot be written");
  co_return result;
}

Task<void> Server::answer_when_durable(Rid to, RequestId id, Answer reply) {
  const Result<void> durable = co_await commit_changes();
  if (durable.has_value()) answer(to, id, std::move(reply));
}

void Server::declare(Session& session, RequestId id, const session::Declare& declare) {
  const Rid rid = session.rid;
  for (const session::HeldLock& held : declare.locks) {
    if (!locks_.declare(rid, held.id, held.mode, held.grant)) {
      return violation(rid, "it declares a lock that another member holds");
    }
  }
  session.declared = true;
  for (const Seq seq : declare.open_seqs) session.open_seqs.insert(seq);
  for (const Ino ino : declare.open_inodes) session.open_inodes.emplace(ino, true);
  session.oldest_list = declare.oldest_list ? declare.oldest_list : state_->counters().version;
  // It runs no job: members finish or drop their jobs before they declare themselves anew.
  std::vector<JobId> left;
  for (const auto& [job, record] : state_->jobs()) {
    if (record.rid == rid && !jobs_.contains(job)) left.push_back(job);
  }
  for (const JobId job : left) state_->abandon_job(job);
  const format::Member& member = state_->members().at(rid);
  session::DeclareAnswer reply{.recorded = member.recorded,
                               .recorded_at = member.recorded_at,
                               .granted = state_->granted(rid),
                               .version = state_->counters().version};
  changed_.wake_all();
  handlers_.spawn(answer_when_durable(rid, id, std::move(reply)));
}

Task<void> Server::do_commit(Rid rid, RequestId id, session::Commit commit) {
  // Back-pressure; and a transaction does not overtake an older one that waited for it.
  const auto must_wait = [&] {
    const auto member = state_->members().find(rid);
    if (stopping_ || failed_ || !serves(rid)) return false;
    if (commit.txn > member->second.recorded.next()) return true;
    // Level 0 may grow while nothing can be merged: a transaction may be what makes space.
    return picker_.level0_full(state_->manifest()) && !compaction_stalled();
  };
  while (must_wait()) {
    compact_wake_.wake_all();
    co_await changed_.wait();
  }
  const auto found = state_->members().find(rid);
  if (stopping_ || failed_ || !serves(rid)) co_return;
  session::CommitAnswer reply;
  if (commit.txn <= found->second.recorded) {
    // Sent again after a change of leaders: recorded once, answered again. What order its
    // segments have is no longer of interest to the sender.
    reply.version = found->second.recorded_at;
  } else {
    Result<session::CommitAnswer> recorded = state_->record(rid, commit);
    if (!recorded.has_value()) {
      violation(rid, fmt::format("transaction {} cannot be recorded", commit.txn.value));
      co_return;
    }
    reply = std::move(*recorded);
    changed_.wake_all();  // the next one of this member may go on
  }
  Session& session = sessions_.at(rid);
  if (commit.wants_seq) {
    reply.next_seq = state_->issue_seq(commit.seq);
    session.open_seqs.insert(reply.next_seq);
  }
  const Result<void> durable = co_await commit_changes();
  if (!durable.has_value()) co_return;
  answer(rid, id, std::move(reply));
  if (const auto again = sessions_.find(rid); again != sessions_.end()) {
    again->second.open_seqs.erase(commit.seq);
  }
  changed_.wake_all();
  compact_wake_.wake_all();
}

std::uint64_t Server::commit_reserve_blocks() const {
  return std::clamp<std::uint64_t>(state_->total_blocks() / 32, 64, 1u << 18);
}

// The largest job rewrites all there is, or as much as a job may have for inputs.
std::uint64_t Server::compaction_reserve_blocks() const {
  const std::uint64_t all = state_->manifest().blocks();
  const std::uint64_t job =
      options_.compaction.inputs_max * (options_.compaction.segment_size_max / kBlockSize);
  return std::min(all + all / 4, job);
}

std::uint64_t Server::reserve_blocks() const {
  return commit_reserve_blocks() + compaction_reserve_blocks();
}

Task<void> Server::do_space(Rid rid, RequestId id, session::SpaceRequest request) {
  const bool data = request.purpose == session::SpaceRequest::Purpose::data;
  const std::uint64_t keep =
      data ? reserve_blocks() : commit_reserve_blocks() / 2 + compaction_reserve_blocks();
  session::SpaceAnswer reply;
  if (request.contiguous > 0) {
    reply.extents = state_->grant(rid, request.blocks, request.contiguous, keep);
  }
  co_await answer_when_durable(rid, id, std::move(reply));
}

Task<void> Server::do_space_return(Rid rid, RequestId id, session::SpaceReturn request) {
  if (!state_->give_back(rid, request.extents).has_value()) {
    violation(rid, "it returns space that it does not have");
    co_return;
  }
  session::Empty nothing;
  co_await answer_when_durable(rid, id, std::move(nothing));
}

Task<void> Server::do_list(Rid rid, RequestId id, session::ListRequest request) {
  session::ListAnswer reply{.version = state_->counters().version,
                            .segments = state_->manifest().overlapping(request.range)};
  const auto in_flight = lists_in_flight_.insert(reply.version);
  const Result<void> durable = co_await commit_changes();
  lists_in_flight_.erase(in_flight);
  if (durable.has_value()) answer(rid, id, std::move(reply));
}

Seq Server::oldest_open() const {
  Seq oldest;
  for (const auto& [rid, session] : sessions_) {
    if (session.open_seqs.empty()) continue;
    const Seq seq = *session.open_seqs.begin();
    if (!oldest || seq < oldest) oldest = seq;
  }
  return oldest;
}

Task<void> Server::do_bound(Rid rid, RequestId id, session::BoundRequest request) {
  co_await await_authority();
  const Seq issued{state_->next_seq().value - 1};
  const auto answering = [](const Session& session) {
    return session.channel != nullptr && session.channel->connected();
  };
  while (request.wait && !stopping_ && !failed_) {
    bool waiting = false;
    for (auto& [other, session] : sessions_) {
      const bool holds_up = !session.open_seqs.empty() && *session.open_seqs.begin() <= issued;
      if (!holds_up || !answering(session)) continue;
      waiting = true;
      if (session.commit_asked >= issued) continue;
      session.commit_asked = issued;
      notify(other, session::CommitWanted{.up_to = issued});
    }
    if (!waiting) break;
    co_await changed_.wait();
  }
  co_await await_authority();
  if (stopping_ || failed_ || !serves(rid)) co_return;
  session::BoundAnswer reply{.last = issued, .not_answered = {}};
  for (const auto& [other, session] : sessions_) {
    if (session.open_seqs.empty() || *session.open_seqs.begin() > reply.last) continue;
    reply.last = Seq{session.open_seqs.begin()->value - 1};
    if (request.wait) reply.not_answered.push_back(state_->members().at(other).name);
  }
  answer(rid, id, std::move(reply));
}

Task<void> Server::do_farewell(Rid rid, RequestId id) {
  // Its locks go before its record, so that their order against other members' requests is that
  // of the messages.
  lock::LockTable::Output output;
  locks_.forget(rid, output);
  for (const JobId job : state_->reclaim(rid)) {
    if (jobs_.erase(job) > 0) picker_.release(job);
  }
  deliver(output);
  const Result<void> durable = co_await commit_changes();
  if (!durable.has_value()) co_return;
  answer(rid, id, session::Empty{});
  // Its connection may have broken meanwhile; then serve() has removed the session.
  if (const auto found = sessions_.find(rid); found != sessions_.end()) {
    found->second.open_seqs.clear();
    forget_open(rid);
  }
  changed_.wake_all();
  // The session ends when the member closes its connection; serve() removes it.
}

void Server::check_invariants() const {
  state_->check_invariants();
  locks_.check_invariants();
  for (const auto& [rid, member] : state_->members()) SCOUTFS_ASSERT(sessions_.contains(rid));
}

Server::Status Server::status() const {
  Status status;
  for (const auto& [rid, member] : state_->members()) {
    const auto found = sessions_.find(rid);
    MemberStatus& out = status.members.emplace_back();
    out.member = member;
    if (found == sessions_.end()) continue;
    const Session& session = found->second;
    out.connected = session.channel != nullptr && session.channel->connected();
    out.declared = session.declared;
    out.standing = session.standing;
    out.waited_for = locks_.waited_for(rid).size();
    if (!session.open_seqs.empty()) out.oldest_open_seq = *session.open_seqs.begin();
  }
  for (std::uint8_t level = 0; level <= lsm::kLevelMax; ++level) {
    status.segments += state_->manifest().count(level);
  }
  status.level0_segments = state_->manifest().count(0);
  status.debt_blocks = picker_.debt_blocks(state_->manifest());
  status.free_blocks = state_->free_blocks();
  status.reserved_blocks = reserve_blocks();
  status.replaced_blocks = state_->replaced_blocks();
  status.waits_for = waits_for_;
  if (waits_for_.empty() && picker_.level0_full(state_->manifest())) {
    status.waits_for = fmt::format("compaction ({} segments in level 0, {} jobs running)",
                                   status.level0_segments, jobs_.size());
  }
  return status;
}

}  // namespace scoutfs::server
