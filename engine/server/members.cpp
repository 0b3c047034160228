// The server's members: admission, recovery after a change of leaders, heartbeats.
#include <algorithm>

#include "engine/server/server.hpp"

namespace scoutfs::server {

using session::Greeting;
using session::Refusal;
using session::Setup;
using session::Welcome;

namespace {
constexpr TimeNs kRecoveryPoll = 250 * kMillisecond;
constexpr TimeNs kRecoveryReport = 5 * kSecond;  // how often the operator is told again
}  // namespace

Task<void> Server::serve(std::unique_ptr<Connection> connection, std::string frame) {
  Result<Setup> first = session::decode_setup(frame);
  if (!first.has_value() || !std::holds_alternative<Greeting>(*first)) {
    env_.log.warn("connection from {} refused: not a greeting", to_string(connection->peer()));
    co_return;
  }
  const Greeting greeting = std::get<Greeting>(*first);
  const Result<Setup> reply = co_await admit(greeting);
  if (!reply.has_value()) co_return;
  connection->send(session::encode_setup(*reply));
  if (!std::holds_alternative<Welcome>(*reply)) {
    // The peer closes when it has read the refusal; wait for that, or the refusal may be lost.
    const Result<std::string> end = co_await connection->receive();
    SCOUTFS_MAYBE(end.has_value());
    co_return;
  }
  const Rid rid = greeting.who.rid;
  const auto found = sessions_.find(rid);
  if (found == sessions_.end() || !serves(rid) || stopping_ || failed_) co_return;
  const std::shared_ptr<session::Channel> channel = found->second.channel;
  found->second.silent = false;
  const bool resumed = std::get<Welcome>(*reply).resumed;
  if (!channel->attach(std::move(connection), resumed ? greeting.received : 0)) {
    violation(rid, "it counts messages that were never sent");
    co_return;
  }
  changed_.wake_all();
  const Result<void> ended = co_await channel->pump();
  if (failed_with(ended, Errc::corrupt)) violation(rid, "a frame out of order");
  if (!state_->members().contains(rid)) {  // it said farewell
    forget_open(rid);
    sessions_.erase(rid);
  }
  changed_.wake_all();
}

Refusal Server::refusal(Refusal::Why why) const {
  Refusal refusal;
  refusal.why = why;
  refusal.format_hash = format::format_hash();
  return refusal;
}

void Server::open_session(Rid rid) {
  Session& session = sessions_[rid];
  session.rid = rid;
  session.declared = false;
  session.oldest_list = state_->counters().version;
  session.lost_ns = 0;
  session.channel = std::make_shared<session::Channel>(
      env_.scheduler,
      [this, rid](std::string message) { on_message(rid, std::move(message)); });
}

Task<Result<Setup>> Server::admit(Greeting greeting) {
  if (greeting.fsid != fsid_) co_return refusal(Refusal::Why::wrong_volume);
  if (greeting.format_hash != format::format_hash())
    co_return refusal(Refusal::Why::wrong_format);
  if (!greeting.who.rid) co_return fail(Errc::invalid);
  Mutex::Guard one_at_a_time = co_await membership_.lock();
  if (stopping_ || failed_) co_return refusal(Refusal::Why::not_leader);
  const auto member = state_->members().find(greeting.who.rid);
  if (member == state_->members().end()) {
    // Whoever had a session before and is no member any more was declared dead meanwhile.
    if (greeting.term.number != 0) co_return refusal(Refusal::Why::dead);
    co_return co_await admit_new(std::move(greeting));
  }
  if (member->second.dead || member->second.who != greeting.who) {
    co_return refusal(Refusal::Why::dead);
  }
  Session& session = sessions_.at(greeting.who.rid);
  Welcome welcome{.format_hash = format::format_hash(),
                  .term = term_,
                  .received = 0,
                  .resumed = false,
                  .slot = member->second.slot};
  if (session.channel != nullptr && session.declared) {
    if (greeting.term != term_) co_return refusal(Refusal::Why::dead);
    welcome.resumed = true;
    welcome.received = session.channel->received();
  } else {
    open_session(greeting.who.rid);
  }
  co_return welcome;
}

std::uint16_t Server::free_slot() const {
  for (std::uint64_t slot = 0; slot < slot_limit_; ++slot) {
    const bool used =
        std::any_of(state_->members().begin(), state_->members().end(),
                    [slot](const auto& member) { return member.second.slot == slot; });
    if (!used) return static_cast<std::uint16_t>(slot);
  }
  return format::kNoSlot;
}

Task<Result<Setup>> Server::admit_new(Greeting greeting) {
  std::uint16_t slot = greeting.slot;
  if (slot == format::kNoSlot) slot = free_slot();
  for (const auto& [rid, member] : state_->members()) {
    if (slot == format::kNoSlot || member.slot != slot) continue;
    const Session& session = sessions_.at(rid);
    const bool connected = session.channel != nullptr && session.channel->connected();
    const format::Member holder = member;
    // Its connection may still look alive: what it was cut off by, this node has not noticed
    // yet.
    bool dead = std::find(greeting.confirmed_dead.begin(), greeting.confirmed_dead.end(),
                          holder.who) != greeting.confirmed_dead.end();
    if (!dead) {
      const Result<bool> known = co_await env_.fencing.confirm_dead(holder.who, holder.host);
      dead = known.has_value() && *known;
    }
    if (!dead) {
      // Its slot is needed; but others must not wait at the door until it is free.
      const TimeNs lost_ns =
          sessions_.contains(holder.who.rid) ? sessions_.at(holder.who.rid).lost_ns : 0;
      const bool silent = lost_ns != 0 && env_.clock.now_ns() > lost_ns + options_.silence_ns;
      if (!connected && silent && env_.fencing.can_fence_the_living()) {
        handlers_.spawn(take_over(holder.who.rid, Gone::perhaps));
      }
      Refusal answer =
          refusal(connected ? Refusal::Why::slot_in_use : Refusal::Why::slot_reserved);
      answer.holder = holder.who;
      answer.host = holder.host;
      answer.name = holder.name;
      co_return answer;
    }
    co_await take_over(holder.who.rid, Gone::certainly);
    if (state_->members().contains(holder.who.rid)) co_return fail(Errc::stopping);
    break;  // a slot has one holder; the map has changed
  }
  format::Member member;
  member.who = greeting.who;
  member.slot = slot;
  member.address = greeting.address;
  member.name = greeting.name;
  member.host = greeting.host;
  state_->add_member(std::move(member));
  open_session(greeting.who.rid);
  SCOUTFS_CO_CHECK(co_await commit_changes());
  env_.log.info("leader: {} joined as {:x} in slot {}", greeting.name, greeting.who.rid.value,
                slot);
  co_return Welcome{.format_hash = format::format_hash(),
                    .term = term_,
                    .received = 0,
                    .resumed = false,
                    .slot = slot};
}

Task<void> Server::recover() {
  TimeNs next_report_ns = env_.clock.now_ns() + kRecoveryReport;
  while (!stopping_ && !failed_) {
    std::vector<format::Member> missing;
    for (const auto& [rid, member] : state_->members()) {
      if (!sessions_.at(rid).declared) missing.push_back(member);
    }
    if (missing.empty()) break;
    waits_for_ =
        fmt::format("{} (slot {}) to rejoin", missing.front().name, missing.front().slot);
    for (const format::Member& member : missing) co_await look_after(member);
    if (env_.clock.now_ns() >= next_report_ns) {
      env_.log.warn("leader: waiting for {}: what it holds is not known", waits_for_);
      next_report_ns = env_.clock.now_ns() + kRecoveryReport;
    }
    const TimeNs again_ns = env_.clock.now_ns() + kRecoveryPoll;
    co_await changed_.wait(&cancellation_, again_ns);
  }
  waits_for_.clear();
  if (!stopping_ && !failed_) finish_recovery();
}

void Server::finish_recovery() {
  recovering_ = false;
  env_.reached(Milestone::recovered, term_);
  env_.log.info("leader: serving, term {}, {} members", term_.number, state_->members().size());
  follow_authority();
  changed_.wake_all();
  compact_wake_.wake_all();
}

Task<void> Server::beat() {
  while (!stopping_ && !failed_) {
    beat_once();
    co_await Sleep(env_.scheduler, options_.heartbeat_ns, &cancellation_);
  }
}

void Server::beat_once() {
  // Lists on their way are older than what a member says after it has read this.
  Version drop_below = recovering_ ? Version{} : state_->newest_replaced();
  if (drop_below && !lists_in_flight_.empty()) {
    drop_below = std::min(drop_below, *lists_in_flight_.begin());
  }
  const bool low = state_->free_blocks() < 2 * reserve_blocks();
  for (auto& [rid, session] : sessions_) {
    if (session.channel == nullptr || !session.channel->connected()) continue;
    const TimeNs heard_ns = session.channel->last_heard_ns();
    if (env_.clock.now_ns() > heard_ns + options_.silence_ns) {
      session.channel->detach();
      if (!session.silent) {
        session.silent = true;
        const auto member = state_->members().find(rid);
        if (member != state_->members().end()) {
          env_.log.warn("leader: {} (slot {}) is silent; {}", member->second.name,
                        member->second.slot,
                        env_.fencing.can_fence_the_living()
                            ? "it is fenced when somebody needs what it holds"
                            : "what it holds stays reserved until its death is certain");
        }
      }
      changed_.wake_all();
      continue;
    }
    if (session.declared) {
      notify(rid, session::Heartbeat{.drop_below = drop_below, .return_space = low});
    }
  }
}

}  // namespace scoutfs::server
