// Channel: one end of a session. Messages in order, exactly once, over connections that break.
//
// Each end numbers what it sends and keeps it until the other end says it has received it. A
// new connection begins with both ends saying how far they have received; the rest is sent
// again. The channel lives as long as both ends do: a new leader, or a new incarnation of a
// member, begins a new one.
//
// Frame: number u64 (0: only an acknowledgement), received u64, message.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "engine/async/sync.hpp"
#include "engine/env/network.hpp"

namespace scoutfs::session {

class Channel {
 public:
  // Called for each message in order, from pump().
  using OnMessage = std::function<void(std::string message)>;

  Channel(Scheduler& scheduler, OnMessage on_message);

  // Queues a message; it goes out at once if there is a connection.
  void send(std::string message);
  // Says how far we have received, if the other end does not know.
  void acknowledge();

  std::uint64_t received() const { return received_; }
  // How many messages the other end has not confirmed.
  std::size_t unacknowledged() const { return unacknowledged_.size(); }
  TimeNs last_heard_ns() const { return last_heard_ns_; }
  bool connected() const { return connection_ != nullptr; }

  // Uses `connection` from here on, and sends what the peer, which has received `peer_received`
  // messages, has not. False if the numbers cannot be of this session.
  [[nodiscard]] bool attach(std::unique_ptr<Connection> connection,
                            std::uint64_t peer_received);
  // Receives until the connection is lost or replaced. Errors: disconnected; corrupt (the peer
  // broke the protocol).
  Task<Result<void>> pump();
  // Drops the connection; messages stay queued.
  void detach();

 private:
  void transmit(std::uint64_t number, const std::string& message);
  bool confirm(std::uint64_t number);

  Scheduler& scheduler_;
  OnMessage on_message_;
  std::shared_ptr<Connection> connection_;
  std::deque<std::string> unacknowledged_;
  std::uint64_t sent_ = 0;       // number of the newest message
  std::uint64_t confirmed_ = 0;  // the peer has received up to here
  std::uint64_t received_ = 0;
  std::uint64_t acknowledged_ = 0;  // what we last told the peer
  TimeNs last_heard_ns_ = 0;
};

}  // namespace scoutfs::session
