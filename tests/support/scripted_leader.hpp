// A leader that says what a test tells it to, and a member's side of the world around it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/engine_world.hpp"
#include "engine/client/leader_session.hpp"
#include "tests/support/memory_device.hpp"
#include "tests/support/run.hpp"

namespace scoutfs::testing {

// What one member needs.
struct MemberWorld : World {
  explicit MemberWorld(std::uint64_t blocks = 4096) : device(blocks), network(scheduler) {
    clock.set(kSecond);
    device.set_scheduler(&scheduler);
  }
  Env env() {
    return Env{.scheduler = scheduler,
               .clock = clock,
               .random = random,
               .device = device,
               .network = network,
               .fencing = fencing,
               .log = log};
  }
  // What is ready runs, then the time moves on, in steps that wake who sleeps.
  void pass(TimeNs duration_ns) {
    const TimeNs end_ns = clock.now_ns() + duration_ns;
    scheduler.run();
    while (clock.now_ns() < end_ns) {
      clock.set(std::min(end_ns, std::max(clock.now_ns() + 1, scheduler.next_deadline_ns())));
      scheduler.run();
    }
  }

  MemoryDevice device;
  bench::LoopNetwork network;
  bench::SplitMix random;
  bench::NoFencing fencing;
  bench::StderrLog log{LogLevel::error};
};

// Serves one member on the world's network, one connection at a time.
class ScriptedLeader final : public client::LeaderFinder {
 public:
  struct Asked {
    RequestId id;
    session::Request request;
  };

  explicit ScriptedLeader(MemberWorld& world) : world_(world), scope_(world.scheduler) {
    const Result<Address> bound = world_.network.listen({0x7f000001, 0});
    SCOUTFS_ASSERT(bound.has_value());
    address_ = *bound;
    scope_.spawn(serve());
  }
  ~ScriptedLeader() override {
    world_.network.close_listener();
    cut();
    world_.run(scope_.drain());
  }

  Task<std::optional<Address>> find_leader(Cancellation* cancellation) override {
    while (away && !cancellation->requested()) {
      co_await Sleep(world_.scheduler, kMillisecond, cancellation);
    }
    if (cancellation->requested()) co_return std::nullopt;
    co_return address_;
  }

  void answer(RequestId id, session::Answer answer) {
    send({.id = id, .body = std::move(answer)});
  }
  void notify(session::LeaderNotice notice) { send({.id = {}, .body = std::move(notice)}); }
  // The connection breaks; the session goes on with the next.
  void cut() {
    if (channel_ != nullptr) channel_->detach();
  }
  // Another one leads from the next connection on: it knows nothing of the session.
  void succeed() {
    ++term.number;
    channel_ = nullptr;
    if (connected_ != nullptr) connected_->close();
  }
  // The requests of one kind, unanswered or not, oldest first.
  template <class R>
  std::vector<R> requests() const {
    std::vector<R> found;
    for (const Asked& one : asked) {
      if (const R* request = std::get_if<R>(&one.request)) found.push_back(*request);
    }
    return found;
  }
  template <class N>
  std::vector<N> notices() const {
    std::vector<N> found;
    for (const session::MemberNotice& one : noticed) {
      if (const N* notice = std::get_if<N>(&one)) found.push_back(*notice);
    }
    return found;
  }

  Term term{1, 0};
  bool away = false;                         // nobody finds it
  std::optional<session::Refusal> refuses;   // greetings, with this
  std::vector<session::Greeting> greetings;  // of all connections
  std::vector<session::Declare> declared;    // answered by itself
  session::DeclareAnswer declare_answer;     // with this
  std::vector<Asked> asked;                  // everything else
  std::vector<session::MemberNotice> noticed;

 private:
  // Keeps a handle on the connection that the channel owns.
  class Shared final : public Connection {
   public:
    explicit Shared(std::shared_ptr<Connection> inner) : inner_(std::move(inner)) {}
    void send(std::string message) override { inner_->send(std::move(message)); }
    [[clang::coro_wrapper]] Task<Result<std::string>> receive() override {
      return inner_->receive();
    }
    void close() override { inner_->close(); }
    Address peer() const override { return {}; }

   private:
    std::shared_ptr<Connection> inner_;
  };

  void send(const session::LeaderMessage& message) {
    SCOUTFS_ASSERT(channel_ != nullptr);
    channel_->send(encode(message));
  }

  Task<void> serve() {
    while (true) {
      Result<std::unique_ptr<Connection>> next = co_await world_.network.accept();
      if (!next.has_value()) co_return;
      connected_ = std::shared_ptr<Connection>(std::move(*next));
      co_await serve_one(connected_);
    }
  }

  Task<void> serve_one(std::shared_ptr<Connection> connection) {
    const Result<std::string> frame = co_await connection->receive();
    if (!frame.has_value()) co_return;
    const Result<session::Setup> setup = session::decode_setup(*frame);
    SCOUTFS_ASSERT(setup.has_value());
    greetings.push_back(std::get<session::Greeting>(*setup));
    if (refuses.has_value()) {
      connection->send(session::encode_setup(*refuses));
      co_return;
    }
    const bool resumed = greetings.back().term == term && channel_ != nullptr;
    session::Welcome welcome;
    welcome.term = term;
    welcome.resumed = resumed;
    if (!resumed) {
      channel_ = std::make_shared<session::Channel>(
          world_.scheduler, [this](const std::string& bytes) { on_message(bytes); });
    }
    welcome.received = channel_->received();
    connection->send(session::encode_setup(welcome));
    const std::shared_ptr<session::Channel> channel = channel_;
    const bool attached = channel->attach(std::make_unique<Shared>(connection),
                                          resumed ? greetings.back().received : 0);
    SCOUTFS_ASSERT(attached);
    const Result<void> ended = co_await channel->pump();
    SCOUTFS_ASSERT(!ended.has_value());
  }

  void on_message(const std::string& bytes) {
    Result<session::MemberMessage> message = session::decode_member_message(bytes);
    SCOUTFS_ASSERT(message.has_value());
    if (auto* notice = std::get_if<session::MemberNotice>(&message->body)) {
      return noticed.push_back(std::move(*notice));
    }
    auto& request = std::get<session::Request>(message->body);
    if (auto* declare = std::get_if<session::Declare>(&request)) {
      declared.push_back(std::move(*declare));
      return answer(message->id, declare_answer);
    }
    asked.push_back({message->id, std::move(request)});
  }

  MemberWorld& world_;
  Address address_;
  std::shared_ptr<session::Channel> channel_;
  std::shared_ptr<Connection> connected_;
  TaskScope scope_;
};

// The member's side where nothing of it matters to the test.
class QuietOwner : public client::SessionOwner {
 public:
  Task<void> before_declare() override { co_return; }
  session::Declare declare() override { return declaration; }
  void on_declared(const session::DeclareAnswer&) override {}
  void on_notice(session::LeaderNotice notice) override {
    noticed.push_back(std::move(notice));
    if (on_each) on_each(noticed.back());
  }
  void on_refused(const session::Refusal& refusal) override { refused.push_back(refusal); }

  session::Declare declaration;
  std::vector<session::LeaderNotice> noticed;
  std::function<void(const session::LeaderNotice&)> on_each;
  std::vector<session::Refusal> refused;
};

inline client::LeaderSession::Identity a_member() {
  client::LeaderSession::Identity identity;
  identity.fsid = Fsid{7};
  identity.who = {Rid{1}, Epoch{1}};
  identity.name = "host";
  identity.heartbeat_ns = 100 * kMillisecond;
  identity.silence_ns = kSecond;
  return identity;
}

}  // namespace scoutfs::testing
