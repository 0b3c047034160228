// TcpNetwork: the engine's messages over TCP, in the event loop.
//
// A message is a frame: u32 magic, u32 length (both little-endian), then that many bytes, in a
// TLS session (tls_session.hpp) that only nodes of the same volume can set up: nobody else's
// message reaches the engine. Whatever does not look like a frame ends the connection with a
// line in the log. What a peer does not take is queued up to a bound; beyond it the connection
// is lost, as if the peer had been.
//
// A connection to the own listening address never reaches the kernel: the leader's own client
// talks to its own server, and its two ends are queues in memory.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "engine/async/sync.hpp"
#include "engine/env/log.hpp"
#include "engine/env/network.hpp"
#include "node/connection_limiter.hpp"
#include "node/loop/event_loop.hpp"
#include "node/tls_session.hpp"

namespace scoutfs::node {

class TcpConnection;

struct TcpOptions {
  std::size_t send_queue_max =
      4 * kMessageSizeMax;  // bytes; more and the connection is dropped
  std::size_t receive_queue_max = 2 * kMessageSizeMax;  // bytes; more and reading pauses
  std::size_t accept_queue_max = 128;                   // connections nobody accepted yet
  // Until the peer has proven itself, too.
  TimeNs connect_timeout_ns = 5 * kSecond;
  std::size_t strangers_max = 64;  // incoming connections that have not proven themselves
  ConnectionLimiter::Options limits = {};
};

class TcpNetwork : public Network {
 public:
  // The loop and the log must outlive the network, and the network its connections.
  TcpNetwork(EventLoop& loop, Log& log, TcpOptions options = {});
  ~TcpNetwork() override;

  void secure(Fsid fsid, std::uint64_t format_hash, std::string_view secret) override;
  // IP 0 listens on every address and returns the first one that is not loopback, if there is
  // one.
  Result<Address> listen(Address address) override;
  Task<Result<std::unique_ptr<Connection>>> accept() override;
  void close_listener() override;
  Task<Result<std::unique_ptr<Connection>>> connect(Address address) override;

 private:
  // An incoming connection whose peer has not proven itself.
  struct Stranger {
    std::uint64_t number = 0;
    TimeNs since_ns = 0;
    std::unique_ptr<TcpConnection> connection;
  };

  void on_incoming();
  void refuse(Address peer, std::string_view why);
  bool drop_slow_strangers();  // false: there are too many
  void on_secured(std::uint64_t number, bool secured);
  std::unique_ptr<Connection> connect_to_self();
  Task<Result<UniqueFd>> open_socket(Address address, TimeNs deadline_ns);

  EventLoop& loop_;
  Log& log_;
  TcpOptions options_;
  UniqueFd listener_;
  Watch watch_;
  Address address_;
  bool listening_ = false;
  TlsKey key_;
  ConnectionLimiter limiter_;
  TimeNs next_warning_ns_ = 0;  // the operator is not told again before
  std::deque<Stranger> strangers_;
  std::uint64_t next_stranger_ = 1;
  std::deque<std::unique_ptr<Connection>> incoming_;
  WaitQueue arrived_;
};

}  // namespace scoutfs::node
