// TcpNetwork: the engine's messages over TCP, in the event loop.
//
// A message is a frame: u32 magic, u32 length (both little-endian), then that many bytes.
// Whatever does not look like one ends the connection with a line in the log. What a peer does
// not take is queued up to a bound; beyond it the connection is lost, as if the peer had been.
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
#include "node/loop/event_loop.hpp"

namespace scoutfs::node {

struct TcpOptions {
  std::size_t send_queue_max =
      4 * kMessageSizeMax;  // bytes; more and the connection is dropped
  std::size_t receive_queue_max = 2 * kMessageSizeMax;  // bytes; more and reading pauses
  std::size_t accept_queue_max = 128;                   // connections nobody accepted yet
  TimeNs connect_timeout_ns = 5 * kSecond;
};

class TcpNetwork : public Network {
 public:
  // The loop and the log must outlive the network, and the network its connections.
  TcpNetwork(EventLoop& loop, Log& log, TcpOptions options = {});
  ~TcpNetwork() override;

  // IP 0 listens on every address and returns the first one that is not loopback, if there is
  // one.
  Result<Address> listen(Address address) override;
  Task<Result<std::unique_ptr<Connection>>> accept() override;
  void close_listener() override;
  Task<Result<std::unique_ptr<Connection>>> connect(Address address) override;

 private:
  void on_incoming();
  std::unique_ptr<Connection> connect_to_self();

  EventLoop& loop_;
  Log& log_;
  TcpOptions options_;
  UniqueFd listener_;
  Watch watch_;
  Address address_;
  bool listening_ = false;
  std::deque<std::unique_ptr<Connection>> incoming_;
  WaitQueue arrived_;
};

}  // namespace scoutfs::node
