// PeerLinks: this node's connections to the other voters, one each, opened when there is
// something to say and kept while it is answered.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "engine/async/scope.hpp"
#include "engine/cluster/peer_messages.hpp"
#include "engine/env/env.hpp"

namespace scoutfs::cluster {

class PeerLinks {
 public:
  using OnAnswer = std::function<void(std::uint16_t slot, PeerAnswer answer)>;
  // A connection that answers nothing for `silence_ns` is given up.
  PeerLinks(Env env, TimeNs silence_ns, OnAnswer on_answer);

  // Sends a request to the holder of slot `hello.to`, which is `peer` and listens on `address`.
  // While a connection is being made only the newest request waits for it. A request may be
  // lost; then nothing answers it. Requires: not stopped.
  void send(const PeerHello& hello, Incarnation peer, Address address,
            const PeerRequest& request);
  // Closes all connections and waits for what is running.
  Task<void> stop();

 private:
  struct Peer {
    Incarnation who;
    PeerHello hello;
    Address address;
    std::shared_ptr<Connection> connection;
    std::optional<PeerRequest> pending;  // waits for the connection
    TimeNs waiting_since_ns = 0;         // the oldest request without an answer; 0: none
    bool talking = false;                // its task runs
  };

  Task<void> talk(std::uint16_t slot);
  void transmit(Peer& peer, const PeerRequest& request);
  void drop(Peer& peer);

  Env env_;
  TimeNs silence_ns_;
  OnAnswer on_answer_;
  std::array<Peer, format::kSlotsMax> peers_;
  bool stopping_ = false;
  TaskScope scope_;
};

}  // namespace scoutfs::cluster
