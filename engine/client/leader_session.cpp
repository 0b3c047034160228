#include "engine/client/leader_session.hpp"

#include <algorithm>

#include "engine/format/server_items.hpp"
#include "engine/format/volume.hpp"

namespace scoutfs::client {

using session::Refusal;
using session::Setup;
using session::Welcome;

namespace {
constexpr TimeNs kRetry = 100 * kMillisecond;
// A connection while it is set up: the session's channel takes it over, the watchdog may close
// it.
class SharedConnection final : public Connection {
 public:
  explicit SharedConnection(std::shared_ptr<Connection> inner) : inner_(std::move(inner)) {}
  void send(std::string message) override { inner_->send(std::move(message)); }
  [[clang::coro_wrapper]] Task<Result<std::string>> receive() override {
    return inner_->receive();
  }
  void close() override { inner_->close(); }
  Address peer() const override { return inner_->peer(); }

 private:
  std::shared_ptr<Connection> inner_;
};
}  // namespace

LeaderSession::LeaderSession(Env env, Identity identity, LeaderFinder& finder,
                             SessionOwner& owner)
    : env_(env),
      identity_(std::move(identity)),
      finder_(finder),
      owner_(owner),
      retry_(env.scheduler),
      cancellation_(env.scheduler),
      scope_(env.scheduler) {}

void LeaderSession::start() {
  scope_.spawn(run());
  scope_.spawn(watch());
}

void LeaderSession::leader_changed(Term term, Address address) {
  if (term <= term_ && connected()) return;
  if (channel_ != nullptr) channel_->detach();
  if (leader_ != address) {
    if (setup_ != nullptr) setup_->close();
    if (attempt_ != nullptr) attempt_->request();
  }
  retry_.wake_all();
}

Task<void> LeaderSession::stop() {
  fail(Errc::stopping);
  stopping_ = true;
  cancellation_.request();
  if (channel_ != nullptr) channel_->detach();
  if (setup_ != nullptr) setup_->close();
  if (attempt_ != nullptr) attempt_->request();
  co_await scope_.drain();
}

void LeaderSession::fail(Errc code) {
  if (failed_.has_value()) return;
  failed_ = code;
  ready_ = false;
  std::map<RequestId, Pending> pending = std::exchange(pending_, {});
  for (auto& [id, request] : pending) {
    if (request.waiter != nullptr) request.waiter->set(scoutfs::fail(code));
  }
}

std::string LeaderSession::waits_for() const {
  if (failed_.has_value() || (ready_ && connected())) return {};
  if (!refused_.empty()) return refused_;
  if (leader_.port == 0) return "a leader";
  return "the leader at " + to_string(leader_);
}

// ---- Requests ----

Task<Result<session::Answer>> LeaderSession::call_any(session::Request request,
                                                      Cancellation* cancellation) {
  if (failed_.has_value()) co_return scoutfs::fail(*failed_);
  const RequestId id = next_id_;
  next_id_ = id.next();
  const auto waiter = std::make_shared<OneShot<Result<session::Answer>>>(env_.scheduler);
  Pending& pending = pending_[id];
  pending.request = std::move(request);
  pending.waiter = waiter;
  if (ready_) transmit(id, pending.request);
  std::optional<Result<session::Answer>> answer = co_await waiter->wait(cancellation, kForever);
  if (!answer.has_value()) {
    pending_.erase(id);
    co_return scoutfs::fail(Errc::interrupted);
  }
  co_return *std::move(answer);
}

void LeaderSession::send(session::Request request, OnAnswer on_answer) {
  if (failed_.has_value()) return;
  const RequestId id = next_id_;
  next_id_ = id.next();
  Pending& pending = pending_[id];
  pending.request = std::move(request);
  pending.on_answer = std::move(on_answer);
  if (ready_) transmit(id, pending.request);
}

void LeaderSession::notify(session::MemberNotice notice) {
  // Before there is a channel, the declaration that opens it will tell the same.
  if (channel_ == nullptr) return;
  session::MemberMessage message{.id = {}, .body = std::move(notice)};
  channel_->send(encode(message));
}

void LeaderSession::transmit(RequestId id, const session::Request& request) {
  session::MemberMessage message{.id = id, .body = request};
  channel_->send(encode(message));
}

void LeaderSession::resend_all() {
  // What the new leader knows better from the declaration is not asked again: the space that
  // was being returned is granted still, and the jobs were abandoned.
  std::vector<Pending> settled;
  for (auto it = pending_.begin(); it != pending_.end();) {
    const bool moot = std::holds_alternative<session::SpaceReturn>(it->second.request) ||
                      std::holds_alternative<session::JobResult>(it->second.request);
    if (moot) {
      settled.push_back(std::move(it->second));
      it = pending_.erase(it);
    } else {
      transmit(it->first, it->second.request);
      ++it;
    }
  }
  for (Pending& pending : settled) {
    if (pending.waiter != nullptr) pending.waiter->set(session::Answer{session::Empty{}});
    if (pending.on_answer) pending.on_answer(session::Empty{});
  }
}

void LeaderSession::on_message(std::string bytes) {
  Result<session::LeaderMessage> message = session::decode_leader_message(bytes);
  if (!message.has_value()) {
    env_.log.error("the leader sent a message that does not decode; disconnecting");
    channel_->detach();
    return;
  }
  if (auto* notice = std::get_if<session::LeaderNotice>(&message->body)) {
    return owner_.on_notice(std::move(*notice));
  }
  session::Answer& answer = std::get<session::Answer>(message->body);
  if (message->id == declare_id_) {
    declare_id_ = {};
    auto* declared = std::get_if<session::DeclareAnswer>(&answer);
    if (declared == nullptr) return channel_->detach();
    owner_.on_declared(*declared);
    ready_ = true;
    resend_all();
    return;
  }
  const auto found = pending_.find(message->id);
  if (found == pending_.end()) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  // A request has one of the two.
  if (pending.on_answer) {
    pending.on_answer(std::move(answer));
  } else if (pending.waiter != nullptr) {
    pending.waiter->set(std::move(answer));
  }
}

// ---- The connection ----

Task<void> LeaderSession::run() {
  while (!stopping_ && !failed_.has_value()) {
    const std::optional<Address> address = co_await finder_.find_leader(&cancellation_);
    if (!address.has_value()) co_return;
    leader_ = *address;
    const bool again = co_await connect_once(*address);
    if (again || stopping_) continue;
    // Members that lost their leader together do not come back together.
    const TimeNs delay_ns = kRetry + env_.random.below(kRetry);
    co_await retry_.wait(&cancellation_, env_.clock.now_ns() + delay_ns);
  }
}

session::Greeting LeaderSession::greeting() const {
  session::Greeting greeting;
  greeting.fsid = identity_.fsid;
  greeting.format_hash = format::format_hash();
  greeting.who = identity_.who;
  greeting.term = term_;
  greeting.received = channel_ == nullptr ? 0 : channel_->received();
  greeting.slot = identity_.slot;
  greeting.address = identity_.address;
  greeting.name = identity_.name;
  greeting.host = identity_.host;
  greeting.confirmed_dead = confirmed_dead_;
  return greeting;
}

Task<void> LeaderSession::connect(Address address, Connected done) {
  Result<std::unique_ptr<Connection>> connected = co_await env_.network.connect(address);
  done.set(std::move(connected));
}

Task<bool> LeaderSession::connect_once(Address address) {
  // A connect to a host that is gone may take long; nobody waits for its end.
  const std::shared_ptr<Cancellation> attempt = std::make_shared<Cancellation>(env_.scheduler);
  attempt_ = attempt;
  const Connected done(env_.scheduler);
  scope_.spawn(connect(address, done));
  std::optional<Result<std::unique_ptr<Connection>>> connected =
      co_await done.wait(attempt.get(), kForever);
  attempt_ = nullptr;
  if (!connected.has_value()) co_return !stopping_;
  if (!connected->has_value() || stopping_) co_return false;
  setup_ = std::shared_ptr<Connection>(std::move(**connected));
  setup_deadline_ns_ = env_.clock.now_ns() + identity_.silence_ns;
  const std::shared_ptr<Connection> connection = setup_;
  connection->send(session::encode_setup(greeting()));
  const Result<std::string> frame = co_await connection->receive();
  setup_ = nullptr;
  if (!frame.has_value() || stopping_) co_return false;
  Result<Setup> reply = session::decode_setup(*frame);
  if (reply.has_value() && std::holds_alternative<Refusal>(*reply)) {
    co_return co_await on_refusal(std::get<Refusal>(*reply));
  }
  if (!reply.has_value() || !std::holds_alternative<Welcome>(*reply)) {
    refused_ = "the leader at " + to_string(address) + " (it speaks another protocol)";
    co_return false;
  }
  refused_.clear();
  co_return co_await begin(std::get<Welcome>(*reply),
                           std::make_unique<SharedConnection>(connection));
}

Task<bool> LeaderSession::begin(Welcome welcome, std::unique_ptr<Connection> connection) {
  // A leader that was deposed and does not know it yet.
  if (welcome.term < term_) co_return false;
  if (welcome.slot != identity_.slot) identity_.slot = welcome.slot;
  if (!welcome.resumed) {
    ready_ = false;
    channel_ = nullptr;
    co_await owner_.before_declare();
    if (stopping_) co_return false;
    term_ = welcome.term;
    channel_ = std::make_shared<session::Channel>(
        env_.scheduler, [this](std::string message) { on_message(std::move(message)); });
    declare_id_ = next_id_;
    next_id_ = next_id_.next();
    const session::Request declare = owner_.declare();
    transmit(declare_id_, declare);
  }
  const std::shared_ptr<session::Channel> channel = channel_;
  if (!channel->attach(std::move(connection), welcome.received)) {
    env_.log.error("the leader counts messages that were never sent");
    fail(Errc::fenced);
    co_return false;
  }
  const Result<void> ended = co_await channel->pump();
  SCOUTFS_MAYBE(ended.has_value());
  co_return false;
}

Task<bool> LeaderSession::on_refusal(Refusal refusal) {
  switch (refusal.why) {
    case Refusal::Why::not_leader:
      refused_ = "a leader";
      co_return false;
    case Refusal::Why::slot_in_use:
    case Refusal::Why::slot_reserved: {
      // The last incarnation in our slot: if it ran on this host, we can know that it is dead.
      const Result<bool> dead =
          co_await env_.fencing.confirm_dead(refusal.holder, refusal.host);
      if (dead.has_value() && *dead) {
        confirmed_dead_.push_back(refusal.holder);
        co_return true;
      }
      refused_ =
          fmt::format("slot {}, which {} holds and has not left", identity_.slot, refusal.name);
      co_return false;
    }
    case Refusal::Why::wrong_volume:
    case Refusal::Why::wrong_format:
    case Refusal::Why::dead:
    case Refusal::Why::no_slot:
      break;
  }
  owner_.on_refused(refusal);
  fail(Errc::fenced);
  co_return false;
}

Task<void> LeaderSession::watch() {
  while (!stopping_) {
    const TimeNs now_ns = env_.clock.now_ns();
    if (setup_ != nullptr && now_ns > setup_deadline_ns_) setup_->close();
    if (connected() && now_ns > channel_->last_heard_ns() + identity_.silence_ns) {
      env_.log.warn("the leader is silent; connecting again");
      channel_->detach();
    }
    co_await Sleep(env_.scheduler, identity_.heartbeat_ns, &cancellation_);
  }
}

}  // namespace scoutfs::client
