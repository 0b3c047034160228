// ClientGate: the turnstile of one incarnation. Every request goes in and out; a fence shuts it
// and waits until what is inside has come out.
//
// There is one for each rid, so that nobody waits for another incarnation's fence. Requests
// come from any thread; so do fences and new connections.
//
// A connection has a session: its epoch, then its number. Only the newest session is let in. A
// connection of a newer one ends all older ones and is let in when their last request is out
// (protocol rule 12); connections of one session stand beside each other.
#pragma once

#include <compare>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs::nbd {

class ClientGate {
 public:
  struct Session {
    Epoch epoch;
    std::uint64_t number = 0;
    constexpr auto operator<=>(const Session&) const = default;
  };
  struct Activity {
    Session session;
    unsigned connections = 0;  // of the newest session
    unsigned in_flight = 0;    // requests
    std::uint64_t reads = 0, writes = 0, flushes = 0;
    std::int64_t since_ns = 0;    // first connection, wall clock
    std::int64_t last_io_ns = 0;  // wall clock; 0: none yet
    bool shut = false;
  };
  enum class Kind : std::uint8_t { read, write, flush };

  // Opens a connection; blocks while an older session has requests inside, `patience_ms` at
  // most. Errors: fenced (shut), stale (a newer session is or has been there), busy (patience
  // ran out; the older sessions stay ended).
  Result<void> connect(Session session, std::int64_t now_ns, unsigned patience_ms);
  // Requires: connect() succeeded with it.
  void disconnect(Session session);

  // False: not this session's turn any more, or shut. Then nothing may run.
  bool enter(Session session, Kind kind, std::int64_t now_ns);
  // Requires: enter() returned true.
  void leave(Session session);

  // Shuts out every session of `epoch` and older, for good.
  void shut(Epoch epoch);
  // Blocks until no request of `epoch` or older is inside. Requires: shut().
  void drain(Epoch epoch);

  Activity activity() const;

 private:
  bool is_shut(Epoch epoch) const { return shut_ && epoch <= shut_epoch_; }

  mutable std::mutex mutex_;
  std::condition_variable out_;  // a request came out, or the gate was shut
  bool shut_ = false;
  Epoch shut_epoch_;
  Session newest_;
  unsigned inside_newest_ = 0;  // requests of newest_
  unsigned inside_older_ = 0;
  Activity activity_;
};

}  // namespace scoutfs::nbd
