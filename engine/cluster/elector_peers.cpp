// What voters tell each other: beats and their answers, votes, resignations; and who is dead.
#include <algorithm>

#include "engine/cluster/elector.hpp"

namespace scoutfs::cluster {

using format::QuorumBlock;

namespace {
constexpr std::size_t kRoundsMax = 64;  // of beats without an answer that are remembered
}

// ---- Asking ----

void Elector::send(const QuorumBlock& to, const PeerRequest& request) {
  if (stopping_ || to.address.port == 0 || !keeper_.claimed()) return;
  const PeerHello hello{.fsid = fsid_,
                        .format_hash = format::format_hash(),
                        .slots_version = slots_version_,
                        .from = own(),
                        .who = keeper_.block().who,
                        .address = listen_,
                        .to = to.slot};
  links_.send(hello, to.who, to.address, request);
}

void Elector::on_answer(std::uint16_t slot, PeerAnswer answer) {
  seen_ = std::max(seen_, answer.newest);
  if (ballot_.has_value() && ballot_->number == answer.number) {
    (answer.granted ? ballot_->yes : ballot_->no).insert(slot);
    changed_.wake_all();
  }
  const bool leads = role_ == Role::taking || role_ == Role::leading;
  if (!leads) return;
  const auto round = rounds_.find(answer.number);
  if (round != rounds_.end() && answer.granted) {
    TimeNs& newest_ns = confirmed_ns_[slot];
    newest_ns = std::max(newest_ns, round->second);
  }
  if (answer.newest.number > term_.number) depose("there is a newer term");
}

// ---- Leading ----

void Elector::beat_once() {
  const PeerRequest request{.kind = PeerRequest::Kind::beat,
                            .number = next_number_++,
                            .term = term_,
                            .slots_version = slots_version_,
                            .serving = serving_,
                            .successor = format::kNoSlot};
  rounds_[request.number] = env_.clock.now_ns();
  if (rounds_.size() > kRoundsMax) rounds_.erase(rounds_.begin());
  for (const QuorumBlock& voter : voters_of(keeper_.seen())) {
    if (voter.slot != own()) send(voter, request);
  }
}

Task<void> Elector::beat() {
  while (!stopping_) {
    look_for_dead();
    if (role_ == Role::taking || role_ == Role::leading) {
      const TimeNs majority = majority_ns();
      const bool newer = std::ranges::any_of(keeper_.seen(), [this](const auto& block) {
        return block.has_value() && block->elect > term_;
      });
      if (!keeper_.claimed()) {
        depose("its slot was taken");
      } else if (newer) {
        depose("the quorum blocks show a newer leader");
      } else if (majority != kForever && env_.clock.now_ns() > majority + options_.lease_ns) {
        depose("it cannot reach a majority of the voters");
      } else {
        beat_once();
      }
    }
    co_await Sleep(env_.scheduler, options_.heartbeat_ns, &cancellation_);
  }
}

// ---- Answering ----

bool Elector::hears_leader() const {
  const TimeNs now_ns = env_.clock.now_ns();
  if (role_ == Role::taking || role_ == Role::leading) {
    const TimeNs majority = majority_ns();
    return majority == kForever || now_ns <= majority + options_.lease_ns;
  }
  return leader_.has_value() && heard_ns_ != 0 && now_ns < heard_ns_ + options_.lease_ns;
}

void Elector::forget_leader() {
  leader_.reset();
  heard_ns_ = 0;
}

Task<void> Elector::serve(std::unique_ptr<Connection> incoming, std::string first) {
  const Result<PeerHello> hello = decode_peer_hello(first);
  const bool ours = hello.has_value() && hello->fsid == fsid_ &&
                    hello->format_hash == format::format_hash() && keeper_.claimed() &&
                    hello->to == own() && hello->from != own() && !stopping_;
  if (!ours) {
    env_.log.warn("a voter at {} was refused: it asks for another volume, format or slot",
                  to_string(incoming->peer()));
    co_return;
  }
  const std::shared_ptr<Connection> connection = std::move(incoming);
  std::shared_ptr<Connection>& place = incoming_.at(hello->from);
  if (place != nullptr) place->close();
  place = connection;
  while (!stopping_) {
    const Result<std::string> frame = co_await connection->receive();
    if (!frame.has_value() || stopping_) break;
    const Result<PeerRequest> request = decode_peer_request(*frame);
    if (!request.has_value()) break;
    PeerAnswer answer{.number = request->number, .granted = false, .newest = {}};
    answer.granted = co_await consider(*hello, *request);
    if (stopping_) break;
    answer.newest = newest_known();
    connection->send(encode(answer));
  }
  connection->close();
  if (incoming_.at(hello->from) != connection) co_return;  // a newer one took its place
  incoming_.at(hello->from) = nullptr;
  const bool was_leader = leader_.has_value() && leader_->who == hello->who;
  if (was_leader && !stopping_) scope_.spawn(probe(*leader_));
}

Task<bool> Elector::consider(PeerHello hello, PeerRequest request) {
  switch (request.kind) {
    case PeerRequest::Kind::beat:
      co_return on_beat(hello, request);
    case PeerRequest::Kind::resign:
      co_return on_resign(request);
    case PeerRequest::Kind::poll:
      co_return would_vote(request);
    case PeerRequest::Kind::vote:
      break;
  }
  const Mutex::Guard one_at_a_time = co_await voting_.lock();
  if (stopping_ || !would_vote(request)) co_return false;
  // In our block before the answer leaves: after a crash it still counts.
  const Result<void> written = co_await keeper_.vote(request.term);
  if (!written.has_value()) co_return false;
  env_.reached(Milestone::voted, request.term);
  put_off(options_.lease_ns);
  co_return true;
}

bool Elector::would_vote(const PeerRequest& request) const {
  if (!keeper_.claimed() || request.slots_version < slots_version_ || hears_leader())
    return false;
  const QuorumBlock& block = keeper_.block();
  if (request.term.number <= block.elect.number) return false;
  return request.term.number > block.voted.number || request.term == block.voted;
}

bool Elector::on_beat(const PeerHello& hello, const PeerRequest& request) {
  const Term term = request.term;
  if (!keeper_.claimed() || term.number < keeper_.block().voted.number) return false;
  if (leader_.has_value() && term < leader_->term) return false;
  if (role_ == Role::taking || role_ == Role::leading) {
    if (term < term_) return false;
    depose(fmt::format("slot {} leads term {}", hello.from, term.number));
  }
  if (role_ == Role::standing) role_ = Role::following;
  const bool news = !leader_.has_value() || leader_->term != term ||
                    leader_->serving != request.serving || heard_ns_ == 0;
  leader_ = Leader{.term = term,
                   .slot = hello.from,
                   .who = hello.who,
                   .address = hello.address,
                   .serving = request.serving};
  heard_ns_ = std::max<TimeNs>(env_.clock.now_ns(), 1);
  waits_for_.clear();
  put_off(options_.lease_ns);
  if (news) changed_.wake_all();
  return true;
}

bool Elector::on_resign(const PeerRequest& request) {
  if (leader_.has_value() && leader_->term > request.term) return false;
  if (role_ != Role::following && role_ != Role::standing) return false;
  forget_leader();
  const bool successor = keeper_.claimed() && request.successor == own();
  stand_at_ns_ = env_.clock.now_ns();
  // The others give the successor time.
  if (!successor) {
    stand_at_ns_ += options_.heartbeat_ns + env_.random.below(2 * options_.heartbeat_ns);
  }
  changed_.wake_all();
  return true;
}

Task<void> Elector::probe(Leader leader) {
  const Result<std::unique_ptr<Connection>> connected =
      co_await env_.network.connect(leader.address);
  const bool refused = failed_with(connected, Errc::disconnected);
  const bool still = leader_.has_value() && leader_->who == leader.who;
  if (!refused || !still || stopping_ || role_ != Role::following) co_return;
  // Nobody listens there any more: its process is gone. No need to wait for its lease; that its
  // server writes no more is made sure of by whoever follows it.
  heard_ns_ = 0;
  leader_.reset();
  stand_at_ns_ = env_.clock.now_ns() + env_.random.below(options_.heartbeat_ns / 2 + 1);
  for (const auto& block : keeper_.seen()) {
    if (block.has_value() && block->who == leader.who) scope_.spawn(ask_if_dead(*block));
  }
  changed_.wake_all();
}

// ---- The dead ----

void Elector::look_for_dead() {
  const auto forgotten = [this](Incarnation who) {
    return std::ranges::none_of(keeper_.seen(), [who](const auto& block) {
      return block.has_value() && block->who == who;
    });
  };
  std::erase_if(dead_, forgotten);
  std::erase_if(ask_again_ns_, [&](const auto& entry) { return forgotten(entry.first); });
  for (const auto& block : keeper_.seen()) {
    if (!block.has_value() || block->ended || block->slot == own()) continue;
    if (keeper_.quiet(block->slot, options_.lease_ns)) scope_.spawn(ask_if_dead(*block));
  }
}

Task<void> Elector::ask_if_dead(QuorumBlock block) {
  const Incarnation who = block.who;
  if (is_dead(who) || asking_.contains(who)) co_return;
  if (const auto again = ask_again_ns_.find(who);
      again != ask_again_ns_.end() && env_.clock.now_ns() < again->second) {
    co_return;
  }
  asking_.insert(who);
  const Result<bool> dead = co_await env_.fencing.confirm_dead(who, block.host);
  asking_.erase(who);
  ask_again_ns_[who] = env_.clock.now_ns() + options_.heartbeat_ns;
  if (!dead.has_value() || !*dead) co_return;
  dead_.insert(who);
  ask_again_ns_.erase(who);
  changed_.wake_all();
}

}  // namespace scoutfs::cluster
