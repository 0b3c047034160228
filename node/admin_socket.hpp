// AdminSocket: a Unix socket on which the daemon answers questions about itself.
//
// One JSON document a line, in both directions: {"cmd":"status"}. An answer is {"ok":true, ...}
// or
// {"ok":false,"error":"..."}. Questions are answered at once, on the loop's thread, from what
// the mount knows: never from the filesystem, which may be what is stuck.
#pragma once

#include <expected>
#include <functional>
#include <list>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "engine/base/result.hpp"
#include "node/loop/event_loop.hpp"

namespace scoutfs::node {

class AdminSocket {
 public:
  // Answers one command; the request is a JSON object whose "cmd" is `command`.
  // nullopt: no such command.
  using Handler = std::function<std::optional<nlohmann::json>(const std::string& command,
                                                              const nlohmann::json& request)>;
  static constexpr std::size_t kLineMax = 64u << 10;  // bytes; a longer one ends the connection
  static constexpr std::size_t kClientsMax = 32;      // further ones are refused

  // Errors: io_error; `why` tells. A socket left at `path` is replaced. Root alone may connect.
  static Result<std::unique_ptr<AdminSocket>> open(EventLoop& loop, std::string path,
                                                   Handler handler, std::string& why);
  // Removes the socket.
  ~AdminSocket();

 private:
  struct Client {
    UniqueFd socket;
    Watch watch;
    std::string in, out;
  };

  AdminSocket(EventLoop& loop, std::string path, Handler handler)
      : loop_(loop), path_(std::move(path)), handler_(std::move(handler)) {}
  void on_incoming();
  void on_ready(std::list<Client>::iterator client, std::uint32_t events);
  bool read_from(Client& client);  // false: the client is gone
  bool write_to(Client& client);
  std::string answer(const std::string& line) const;

  EventLoop& loop_;
  std::string path_;
  Handler handler_;
  UniqueFd listener_;
  Watch watch_;
  std::list<Client> clients_;
};

// Removes the sockets in `directory` that nobody listens on any more: of daemons that were
// killed.
void remove_dead_sockets(const std::string& directory);

// Asks the daemon at `socket`: sends one line, returns the line that is answered. Blocks, for
// five seconds at most. Errors: errno.
std::expected<std::string, int> ask_daemon(const std::string& socket, const std::string& line);

}  // namespace scoutfs::node
