// LeaderSession: a member's session with whoever leads.
//
// It finds the leader, greets it, keeps a connection alive, and matches answers to requests. A
// broken connection is mended without anybody noticing; a new leader is told what this member
// holds (Declare), and then gets every request that is unanswered, in order.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/env/env.hpp"
#include "engine/session/channel.hpp"
#include "engine/session/messages.hpp"

namespace scoutfs::client {

// Who leads, as far as the quorum blocks tell.
class LeaderFinder {
 public:
  virtual ~LeaderFinder() = default;
  // Waits until somebody seems to lead. nullopt: stopping.
  virtual Task<std::optional<Address>> find_leader(Cancellation* cancellation) = 0;
};

// The member's side of the protocol: what the session asks of the store.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  // Called before the member declares itself to a new leader: ends what must not run on.
  virtual Task<void> before_declare() = 0;
  virtual session::Declare declare() = 0;
  virtual void on_declared(const session::DeclareAnswer& answer) = 0;
  virtual void on_notice(session::LeaderNotice notice) = 0;
  // The leader says that this incarnation is dead, or refuses it for good.
  virtual void on_refused(const session::Refusal& refusal) = 0;
};

class LeaderSession {
 public:
  struct Identity {
    Fsid fsid;
    Incarnation who;
    std::uint16_t slot = 0;  // kNoSlot: any
    Address address;
    std::string name;
    HostId host;
    TimeNs heartbeat_ns = 0;
    TimeNs silence_ns = 0;
  };

  LeaderSession(Env env, Identity identity, LeaderFinder& finder, SessionOwner& owner);

  void start();
  // `term` is led by somebody that members may come to: a session of an older one looks again
  // at once.
  void leader_changed(Term term, Address address);
  // Ends the session; unanswered requests end with stopping.
  Task<void> stop();

  // Sends a request and waits for its answer, through changes of leaders. A cancellation may be
  // given with questions only: the answer of a request that was given up is thrown away, and
  // must not have granted anything. Errors: stopping, fenced, interrupted.
  template <class A>
  Task<Result<A>> call(session::Request request, Cancellation* cancellation = nullptr) {
    Result<session::Answer> answer = co_await call_any(std::move(request), cancellation);
    if (!answer.has_value()) co_return std::unexpected(answer.error());
    A* wanted = std::get_if<A>(&*answer);
    if (wanted == nullptr) co_return scoutfs::fail(Errc::corrupt);
    co_return std::move(*wanted);
  }
  // The callback runs when the answer arrives, before any later message. It is dropped when the
  // session stops.
  using OnAnswer = std::function<void(session::Answer)>;
  void send(session::Request request, OnAnswer on_answer);
  // Lost if the leader changes: notices are about what a Declare tells as well.
  void notify(session::MemberNotice notice);

  bool connected() const { return channel_ != nullptr && channel_->connected(); }
  // True once a leader has accepted the declaration.
  bool ready() const { return ready_; }
  Term term() const { return term_; }
  std::uint16_t slot() const { return identity_.slot; }
  Address leader() const { return leader_; }
  std::string waits_for() const;
  void fail(Errc code);

 private:
  struct Pending {
    session::Request request;
    OnAnswer on_answer;
    std::shared_ptr<OneShot<Result<session::Answer>>> waiter;  // of call(); may be null
  };

  Task<Result<session::Answer>> call_any(session::Request request, Cancellation* cancellation);
  Task<void> run();
  Task<void> watch();
  // One connection, from connect to its end. False: wait before the next.
  using Connected = OneShot<Result<std::unique_ptr<Connection>>>;
  Task<void> connect(Address address, Connected done);
  Task<bool> connect_once(Address address);
  Task<bool> begin(session::Welcome welcome, std::unique_ptr<Connection> connection);
  Task<bool> on_refusal(session::Refusal refusal);
  session::Greeting greeting() const;
  void on_message(std::string bytes);
  void transmit(RequestId id, const session::Request& request);
  void resend_all();

  Env env_;
  Identity identity_;
  LeaderFinder& finder_;
  SessionOwner& owner_;
  Address leader_;
  Term term_;  // of the session; number 0: none yet
  bool ready_ = false;
  bool stopping_ = false;
  std::optional<Errc> failed_;
  RequestId next_id_{1};
  RequestId declare_id_;  // the Declare of this session; 0 when it was answered
  std::map<RequestId, Pending> pending_;
  std::shared_ptr<session::Channel> channel_;
  std::shared_ptr<Connection> setup_;  // a connection on which nobody has answered yet
  TimeNs setup_deadline_ns_ = 0;
  std::vector<Incarnation> confirmed_dead_;
  std::string refused_;                    // why the last greeting was
  WaitQueue retry_;                        // between attempts
  std::shared_ptr<Cancellation> attempt_;  // ends a connect that is in progress
  Cancellation cancellation_;
  TaskScope scope_;
};

}  // namespace scoutfs::client
