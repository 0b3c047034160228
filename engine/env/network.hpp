// Network: the only door to other nodes. Messages, in order, until the connection is lost.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/async/task.hpp"
#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs {

// An IPv4 address and port, in host order.
struct Address {
  std::uint32_t ip = 0;
  std::uint16_t port = 0;
  constexpr auto operator<=>(const Address&) const = default;
};
std::string to_string(Address address);                // "127.0.0.1:7000"
Result<Address> parse_address(std::string_view text);  // "IP" or "IP:PORT". Errors: invalid.

inline constexpr std::size_t kMessageSizeMax =
    8u << 20;  // bytes; a longer one ends the connection

// One end of a connection. Destroying it closes it.
class Connection {
 public:
  virtual ~Connection() = default;
  // Queues one message. A message sent on a lost connection vanishes; receive() then reports
  // it.
  virtual void send(std::string message) = 0;
  // The next message. Errors: disconnected, for good. One receive() at a time.
  virtual Task<Result<std::string>> receive() = 0;
  // Nothing more is sent or received; a receive() in progress ends with disconnected.
  virtual void close() = 0;
  virtual Address peer() const = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  // What the nodes of a volume have in common: a connection is made only between two nodes that
  // agree on all three. Once, before listen() and connect().
  virtual void secure(Fsid fsid, std::uint64_t format_hash, std::string_view secret) = 0;
  // Listens on `address` (port 0: any free port) and returns the address that peers can reach.
  // Once. Errors: invalid (not an address of this host), busy (the port is taken).
  virtual Result<Address> listen(Address address) = 0;
  // The next incoming connection. Errors: stopping after close_listener().
  virtual Task<Result<std::unique_ptr<Connection>>> accept() = 0;
  virtual void close_listener() = 0;
  // Errors: disconnected (refused, unreachable, a node of another volume), timed_out.
  virtual Task<Result<std::unique_ptr<Connection>>> connect(Address address) = 0;
};

}  // namespace scoutfs
