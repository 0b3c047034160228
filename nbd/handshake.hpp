// Handshake: makes one connection to an NBD server, within a time, and finds out what it is.
//
// It blocks: name look-ups and negotiations do. Call it before there is anybody to keep
// waiting, or on a helper thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "nbd/export_name.hpp"

struct nbd_handle;

namespace scoutfs::nbd {

struct HandleDeleter {
  void operator()(nbd_handle* handle) const;
};
using Handle = std::unique_ptr<nbd_handle, HandleDeleter>;

// How to name oneself to a fencing server.
struct Ticket {
  Identity identity;
  std::string secret;  // of the volume
};

struct Handshake {
  Handle handle;               // null: it failed
  std::optional<Offer> offer;  // the server is a fencing one
  bool refused = false;        // the server was reached, and does not want this client
  Errc code = Errc::disconnected;
  std::string why;  // for the operator
};

// Connects to the export of the URI, or, if `ticket` is given, as that identity. `stop` ends it
// early, within a twentieth of a second (name look-ups apart); it lasts a minute at most. The
// handle is ready for requests.
Handshake shake_hands(const std::string& uri, const Ticket* ticket,
                      const std::stop_token& stop);

// Waits until the library has done what `cookie` stands for. 0, or its errno; ETIMEDOUT.
int finish_command(nbd_handle* handle, std::uint64_t cookie, unsigned patience_ms,
                   const std::stop_token& stop);

}  // namespace scoutfs::nbd
