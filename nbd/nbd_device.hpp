// NbdDevice: a BlockDevice behind a network block device server.
//
// libnbd's asynchronous calls run in the node's event loop: a request is queued in the library,
// the loop watches the library's socket, and the library calls back when the server has
// answered. Requests may be in flight together; each is split where the server's limit asks for
// it.
//
// With a Ticket it is the device of one incarnation at a fencing server (nbd/plugin): it has a
// few connections, of one session, so that its requests run beside each other there.
//
// A lost connection fails what is in flight with disconnected, on all connections, and every
// later request too, until reconnect(). Nothing is ever sent twice: whether a lost write ran is
// for the engine to find out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "engine/async/sync.hpp"
#include "engine/env/lasting_device.hpp"
#include "nbd/handshake.hpp"
#include "node/loop/event_loop.hpp"

struct nbd_handle;

namespace scoutfs::nbd {

class NbdDevice : public DeviceLink {
 public:
  enum class Access : std::uint8_t { read_only, read_write };
  struct Options {
    Access access = Access::read_write;  // read_only: it need not be writable
    // As whom, told to a fencing server; a session of 0 becomes the first. nullopt: the export
    // of the URI.
    std::optional<Ticket> ticket;
  };
  // How long a connection may take to come about.
  struct Patience {
    Cancellation* cancellation = nullptr;  // null: none
    TimeNs at_most_ns = 60 * kSecond;
  };

  // Connects. URIs as nbd_connect_uri(3) has them: nbd://, nbds://, nbd+unix://, nbds+unix://
  // and their TLS parameters. The loop must outlive the device. On failure `why` says what to
  // tell the operator. Errors: disconnected (refused, unreachable; also an identity that the
  // server does not want now), timed_out (no answer), interrupted (the cancellation), not_found
  // (no such socket), access_denied (a read-only export), invalid (URI, an export that is too
  // small or wants larger blocks), fenced (the ticket's incarnation is over), unsupported (a
  // ticket, and the server has no fencing).
  static Task<Result<std::unique_ptr<NbdDevice>>> open(node::EventLoop& loop, std::string uri,
                                                       Options options, std::string& why,
                                                       Patience patience);
  // Requires: no request is in flight, or the node was killed.
  ~NbdDevice() override;

  std::uint64_t block_count() const override { return block_count_; }
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override;
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override;
  Task<Result<void>> flush() override;

  bool connected() const { return !links_.empty(); }
  bool writable() const { return limits_.writable; }
  // What a fencing server said of its table when the first connection was made.
  const std::optional<Offer>& offer() const { return offer_; }
  // Drops the connections if there are any and makes new ones. What was in flight has failed.
  // With a ticket the server answers when all that the old ones carried has ended; without, it
  // is the caller who knows that. Errors: disconnected (also if nobody answered in time);
  // fenced (the server will never admit this incarnation again); invalid (the export has
  // another size); stale (the storage's host was started anew: what was not flushed may be
  // gone).
  Task<Result<void>> reconnect() override;
  // Ends the connections; what is in flight fails with disconnected.
  void drop();

 private:
  struct Command;
  struct Link;
  class Pending;
  struct Limits {
    std::uint64_t block_count = 0;
    std::size_t request_size_max = 0;  // bytes
    bool can_flush = false;
    bool can_fua = false;
    bool can_multi_conn = false;
    bool writable = false;
  };
  // Connections of one session, or why there are none.
  struct Attempt {
    std::vector<Handle> handles;
    std::optional<Offer> offer;
    Limits limits;
    Errc code = Errc::disconnected;
    std::string why;
  };
  // Queues a command in the library; false if it refused.
  using Issue = std::function<bool(nbd_handle*, std::shared_ptr<Command>)>;

  NbdDevice(node::EventLoop& loop, std::string uri, Options options);
  static Attempt attempt(const std::string& uri, const Options& options,
                         const std::stop_token& stop);
  static bool is_over(const std::string& uri, const Ticket& ticket,
                      const std::stop_token& stop);
  static Result<Limits> examine(nbd_handle* handle, Access access, std::string& why);
  // Attempts in a helper thread.
  Task<Attempt> connect(Patience patience);
  void adopt(Attempt attempt);
  void on_ready(Link& link, std::uint32_t events);
  void update_events(Link& link);
  std::shared_ptr<Command> start(const Issue& issue);
  Task<Result<void>> transfer(std::byte* bytes, std::size_t size, std::uint64_t offset,
                              std::uint32_t flags, bool is_write);

  node::EventLoop& loop_;
  std::string uri_;
  Options options_;
  std::vector<std::unique_ptr<Link>> links_;  // empty: not connected
  std::uint64_t generation_ = 0;              // of links_
  Semaphore slots_;                           // commands that may be in flight
  Limits limits_;
  std::uint64_t block_count_ = 0;
  bool shut_out_ = false;  // the server refused a command of these links with ESHUTDOWN
  std::optional<Offer> offer_;
  std::jthread connecting_;  // of connect(): name look-ups and handshakes block
};

}  // namespace scoutfs::nbd
