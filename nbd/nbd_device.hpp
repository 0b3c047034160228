// NbdDevice: a BlockDevice behind a network block device server.
//
// libnbd's asynchronous calls run in the node's event loop: a request is queued in the library,
// the loop watches the library's socket, and the library calls back when the server has
// answered. Requests may be in flight together; each is split where the server's limit asks for
// it.
//
// A lost connection fails what is in flight with disconnected and every later request too,
// until reconnect(). Nothing is ever sent twice: whether a lost write ran is for the engine to
// find out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "engine/async/sync.hpp"
#include "engine/env/block_device.hpp"
#include "node/loop/event_loop.hpp"

struct nbd_handle;

namespace scoutfs::nbd {

class NbdDevice : public BlockDevice {
 public:
  // How long a connection may take to come about.
  struct Patience {
    Cancellation* cancellation = nullptr;  // null: none
    TimeNs at_most_ns = 60 * kSecond;
  };

  // Connects. URIs as nbd_connect_uri(3) has them: nbd://, nbds://, nbd+unix://, nbds+unix://
  // and their TLS parameters. The loop must outlive the device. On failure `why` says what to
  // tell the operator. Errors: disconnected (refused, unreachable), timed_out (no answer),
  // interrupted (the cancellation), not_found (no such socket), access_denied
  // (a read-only export), invalid (URI, an export that is too small or wants larger blocks).
  static Task<Result<std::unique_ptr<NbdDevice>>> open(node::EventLoop& loop, std::string uri,
                                                       std::string& why, Patience patience);
  // Requires: no request is in flight, or the node was killed.
  ~NbdDevice() override;

  std::uint64_t block_count() const override { return block_count_; }
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override;
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override;
  Task<Result<void>> flush() override;

  bool connected() const { return handle_ != nullptr; }
  // Drops the connection if there is one and makes a new one. What was in flight has failed.
  // Requires: the caller knows that the old connection's writes have ended at the server.
  // Errors: disconnected (also if nobody answered in time); invalid (the export has another
  // size).
  Task<Result<void>> reconnect();
  // Ends the connection; what is in flight fails with disconnected.
  void drop();

 private:
  struct Command;
  class Pending;
  struct Closed {
    void operator()(nbd_handle* handle) const;
  };
  using Handle = std::unique_ptr<nbd_handle, Closed>;
  // A fresh connection, or why there is none.
  struct Attempt {
    Handle handle;
    Errc code = Errc::disconnected;
    std::string why;
  };
  struct Limits {
    std::uint64_t block_count = 0;
    std::size_t request_size_max = 0;  // bytes
    bool can_flush = false;
    bool can_fua = false;
  };
  // Queues a command in the library; false if it refused.
  using Issue = std::function<bool(nbd_handle*, std::shared_ptr<Command>)>;

  NbdDevice(node::EventLoop& loop, std::string uri);
  static Attempt attempt(const std::string& uri, const std::stop_token& stop);
  // Attempts in a helper thread.
  Task<Attempt> connect(Patience patience);
  static Result<Limits> examine(nbd_handle* handle, std::string& why);
  void adopt(Handle handle, Limits limits);
  void on_ready(std::uint32_t events);
  void update_events();
  std::shared_ptr<Command> start(const Issue& issue);
  Task<Result<void>> transfer(std::byte* bytes, std::size_t size, std::uint64_t offset,
                              std::uint32_t flags, bool is_write);

  node::EventLoop& loop_;
  std::string uri_;
  Handle handle_;  // null: not connected
  // A duplicate of the library's descriptor: the library closes its own whenever it likes.
  node::UniqueFd socket_;
  node::Watch watch_;
  Semaphore slots_;  // commands that may be in flight
  Limits limits_;
  std::uint64_t block_count_ = 0;
  std::jthread connecting_;  // of connect(): name look-ups and handshakes block
};

}  // namespace scoutfs::nbd
