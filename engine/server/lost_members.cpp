// What becomes of members that are gone or silent: death, fence, reclaim.
//
// A member that may still run is given up only when it has been in somebody's way for a while
// and its lease is over; until then it may come back as if nothing had happened. From then on
// the order keeps every late act of it without effect (DESIGN 15, rules 2 and 5):
//   1. `dead` is recorded. No message of the incarnation is accepted any more, by this leader
//   or
//      a later one, and it cannot join again.
//   2. Its lease ends, as this leader counts it. From then on it answers nothing to anybody.
//   3. The storage fences it. From then on it reads and writes nothing.
//   4. What it held is taken over and its record goes, in one journal entry. Only now may its
//      locks, its space and its seqs become somebody else's.
// Where its death is certain beforehand, 2 and 3 are nothing to wait for. Every step may be
// repeated, and a leader that finds a dead member recorded goes on from 2. Nobody waits
// meanwhile who does not need what it held.
#include <algorithm>

#include "engine/server/server.hpp"

namespace scoutfs::server {

namespace {
constexpr TimeNs kFenceAgain = 500 * kMillisecond;  // after a fence that did not come about
constexpr TimeNs kFenceReport = 5 * kSecond;        // how often the operator is told again
}  // namespace

bool Server::serves(Rid rid) const {
  const auto member = state_->members().find(rid);
  return member != state_->members().end() && !member->second.dead;
}

Task<void> Server::take_over(Rid rid, Gone gone) {
  if (gone == Gone::certainly) certainly_dead_.insert(rid);
  if (!taking_over_.insert(rid).second) {
    while (taking_over_.contains(rid) && !stopping_ && !failed_) co_await changed_.wait();
    co_return;
  }
  Result<void> done = co_await declare_dead(rid);
  if (done.has_value()) done = co_await fence_off(rid);
  if (done.has_value()) done = co_await reclaim(rid);
  SCOUTFS_MAYBE(done.has_value());  // if not, it stays dead, and what it held reserved
  taking_over_.erase(rid);
  certainly_dead_.erase(rid);
  changed_.wake_all();
  compact_wake_.wake_all();
}

Task<Result<void>> Server::declare_dead(Rid rid) {
  const auto found = state_->members().find(rid);
  if (found == state_->members().end()) co_return fail(Errc::not_found);
  Session& session = sessions_.at(rid);
  if (session.channel != nullptr) session.channel->detach();
  if (!found->second.dead) {
    env_.log.warn("leader: {} ({:x}, slot {}) is lost; it is declared dead", found->second.name,
                  rid.value, found->second.slot);
    state_->set_dead(rid);
  }
  session.standing = "dead; what it held is being taken over";
  co_return co_await commit_changes();
}

Task<Result<void>> Server::fence_off(Rid rid) {
  const format::Member member = state_->members().at(rid);
  TimeNs next_report_ns = 0;
  while (!stopping_ && !failed_) {
    if (certainly_dead_.contains(rid)) co_return Result<void>{};
    Session& session = sessions_.at(rid);
    const TimeNs now_ns = env_.clock.now_ns();
    if (now_ns < session.lease_until_ns) {
      session.standing = "dead; its lease has not ended";
      const TimeNs left_ns = std::min(session.lease_until_ns - now_ns, kFenceAgain);
      co_await Sleep(env_.scheduler, left_ns, &cancellation_);
      continue;
    }
    session.standing = "dead; being fenced";
    const Result<bool> fenced = co_await env_.fencing.fence(term_, member.who, member.host);
    if (fenced.has_value() && *fenced) {
      env_.log.info("leader: {} ({:x}) is fenced", member.name, rid.value);
      co_return Result<void>{};
    }
    if (failed_with(fenced, Errc::fenced)) {
      fail_server(fenced.error(), "the fencing service knows a newer leader");
      co_return std::unexpected(fenced.error());
    }
    if (env_.clock.now_ns() >= next_report_ns) {
      env_.log.warn("leader: {} ({:x}) cannot be fenced yet ({})", member.name, rid.value,
                    fenced.has_value() ? "it may still run" : to_string(fenced.error().code));
      next_report_ns = env_.clock.now_ns() + kFenceReport;
    }
    co_await Sleep(env_.scheduler, kFenceAgain, &cancellation_);
  }
  co_return fail(Errc::stopping);
}

Task<Result<void>> Server::reclaim(Rid rid) {
  if (stopping_ || failed_) co_return fail(Errc::stopping);
  const auto member = state_->members().find(rid);
  if (member == state_->members().end()) co_return fail(Errc::not_found);
  SCOUTFS_ASSERT(member->second.dead);
  env_.log.info("leader: what {} ({:x}, slot {}) held is taken over", member->second.name,
                rid.value, member->second.slot);
  forget_open(rid);
  std::vector<JobId> running;
  for (const auto& [id, job] : jobs_) {
    if (job.rid == rid) running.push_back(id);
  }
  for (const JobId id : running) {
    jobs_.erase(id);
    picker_.release(id);
  }
  state_->reclaim(rid);
  if (const auto session = sessions_.find(rid); session != sessions_.end()) {
    if (session->second.channel != nullptr) session->second.channel->detach();
    sessions_.erase(session);
  }
  SCOUTFS_CO_CHECK(co_await commit_changes());
  // Told as soon as it is so: a revoke that overtook its grant would be taken for an old one's.
  lock::LockTable::Output output;
  locks_.forget(rid, output);
  deliver(output);
  co_return Result<void>{};
}

// True if it has been in somebody's way for as long as it may be.
bool Server::needed(Rid rid) {
  Session& session = sessions_.at(rid);
  const TimeNs now_ns = env_.clock.now_ns();
  if (recovering_) {
    return !session.declared && now_ns >= session.lost_ns + options_.recovery_grace_ns;
  }
  if (locks_.waited_for(rid).empty()) {
    session.needed_ns = 0;
  } else if (session.needed_ns == 0) {
    session.needed_ns = now_ns;
  }
  if (session.needed_ns != 0 && now_ns >= session.needed_ns + options_.fence_after_ns) {
    return true;
  }
  const bool holds_up = !session.open_seqs.empty() || session.jobs > 0 ||
                        session.oldest_list < state_->newest_replaced();
  return holds_up && now_ns >= session.lost_ns + options_.fence_idle_after_ns;
}

// Looks whether a member without a connection is gone, or has to go.
Task<void> Server::look_after(format::Member member) {
  const Rid rid = member.who.rid;
  const auto found = sessions_.find(rid);
  if (found == sessions_.end() || taking_over_.contains(rid) || rid == self_) co_return;
  Session& session = found->second;
  if (member.dead) {
    handlers_.spawn(take_over(rid, Gone::perhaps));
    co_return;
  }
  if (session.channel != nullptr && session.channel->connected()) {
    session.lost_ns = session.needed_ns = 0;
    session.standing.clear();
    co_return;
  }
  if (session.lost_ns == 0) session.lost_ns = env_.clock.now_ns();
  const Result<bool> dead = co_await env_.fencing.confirm_dead(member.who, member.host);
  if (stopping_ || failed_ || !serves(rid) || taking_over_.contains(rid)) co_return;
  if (dead.has_value() && *dead) {
    handlers_.spawn(take_over(rid, Gone::certainly));
    co_return;
  }
  Session& again = sessions_.at(rid);
  const TimeNs now_ns = env_.clock.now_ns();
  if (again.channel != nullptr && again.channel->connected()) co_return;
  const bool in_the_way = needed(rid) && (recovering_ || now_ns >= again.lease_until_ns);
  const bool can_fence = env_.fencing.can_fence_the_living();
  again.standing = can_fence ? "lost; it is fenced when what it holds is needed"
                             : "lost; what it holds stays reserved until its death is certain";
  if (can_fence && in_the_way) handlers_.spawn(take_over(rid, Gone::perhaps));
}

Task<void> Server::watch_lost() {
  while (!stopping_ && !failed_) {
    co_await Sleep(env_.scheduler, options_.heartbeat_ns, &cancellation_);
    if (recovering_) continue;  // recover() looks after them
    std::vector<format::Member> members;
    for (const auto& [rid, member] : state_->members()) members.push_back(member);
    for (const format::Member& member : members) {
      if (stopping_ || failed_) break;
      co_await look_after(member);
    }
  }
}

}  // namespace scoutfs::server
