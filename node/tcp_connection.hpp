// The two kinds of connection of a TcpNetwork: over a socket, and within the process.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "engine/async/sync.hpp"
#include "engine/env/log.hpp"
#include "engine/env/network.hpp"
#include "node/loop/event_loop.hpp"
#include "node/tcp_network.hpp"
#include "node/tls_session.hpp"

namespace scoutfs::node {

// Messages that arrived and were not received yet, and how the connection ended.
class Inbox {
 public:
  explicit Inbox(Scheduler& scheduler) : arrived_(scheduler) {}

  void add(std::string message) {
    bytes_ += message.size();
    messages_.push_back(std::move(message));
    arrived_.wake_all();
  }
  // Nothing comes after what is there.
  void end() {
    ended_ = true;
    arrived_.wake_all();
  }
  // The same, and what is there is dropped.
  void close() {
    messages_.clear();
    bytes_ = 0;
    end();
  }
  // nullopt: the end.
  static Task<std::optional<std::string>> take(std::shared_ptr<Inbox> inbox) {
    while (inbox->messages_.empty() && !inbox->ended_) co_await inbox->arrived_.wait();
    if (inbox->messages_.empty()) co_return std::nullopt;
    std::string message = std::move(inbox->messages_.front());
    inbox->messages_.pop_front();
    inbox->bytes_ -= message.size();
    co_return message;
  }
  std::size_t bytes() const { return bytes_; }
  bool ended() const { return ended_; }

 private:
  WaitQueue arrived_;
  std::deque<std::string> messages_;
  std::size_t bytes_ = 0;
  bool ended_ = false;
};

class TcpConnection : public Connection {
 public:
  // Called once, when the peer has proven that it knows the key (true) or the connection is
  // lost before (false). It may destroy the connection.
  using OnSecured = std::function<void(bool)>;
  // `socket` is connected, or about to be, and does not block. What is sent before the peer has
  // proven itself waits.
  TcpConnection(EventLoop& loop, Log& log, const TcpOptions& options, UniqueFd socket,
                Address peer, TlsSession::Role role, const TlsKey& key, OnSecured on_secured);
  // Tells nobody.
  ~TcpConnection() override;

  void send(std::string message) override;
  Task<Result<std::string>> receive() override;
  void close() override;
  Address peer() const override { return peer_; }

 private:
  void on_ready(std::uint32_t events);
  void shake_hands();
  void read_some();
  void write_some();
  bool take_frames();  // false: the connection was lost
  void update_events();
  void lose(std::string_view why);  // an empty reason is the peer's orderly end

  EventLoop& loop_;
  Log& log_;
  const TcpOptions options_;
  UniqueFd socket_;
  Address peer_;
  TlsSession tls_;
  OnSecured on_secured_;
  bool secured_ = false;  // the peer has proven itself
  Watch watch_;
  std::shared_ptr<Inbox> inbox_;
  std::string partial_;               // received bytes that are no whole frame yet
  std::deque<std::string> outgoing_;  // frames
  std::size_t outgoing_bytes_ = 0;
  std::size_t sent_of_first_ = 0;  // bytes of outgoing_.front() that are gone
};

// One end of a connection within the process.
class LocalConnection : public Connection {
 public:
  // The two ends.
  static std::pair<std::unique_ptr<Connection>, std::unique_ptr<Connection>> make(
      Scheduler& scheduler, Address address, std::size_t queue_max);
  LocalConnection(std::shared_ptr<Inbox> own, std::shared_ptr<Inbox> other, Address peer,
                  std::size_t queue_max)
      : own_(std::move(own)), other_(std::move(other)), peer_(peer), queue_max_(queue_max) {}
  ~LocalConnection() override { close(); }

  void send(std::string message) override;
  Task<Result<std::string>> receive() override;
  void close() override;
  Address peer() const override { return peer_; }

 private:
  std::shared_ptr<Inbox> own_;
  std::shared_ptr<Inbox> other_;
  Address peer_;
  std::size_t queue_max_;
};

// Sets what every connected socket of the network has: no delay, keepalive, a bound on how long
// sent data may stay unacknowledged.
void prepare_socket(int socket);

}  // namespace scoutfs::node
