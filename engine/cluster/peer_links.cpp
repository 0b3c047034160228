#include "engine/cluster/peer_links.hpp"

#include <algorithm>
#include <utility>

namespace scoutfs::cluster {

PeerLinks::PeerLinks(Env env, TimeNs silence_ns, OnAnswer on_answer)
    : env_(env),
      silence_ns_(silence_ns),
      on_answer_(std::move(on_answer)),
      scope_(env.scheduler) {}

void PeerLinks::drop(Peer& peer) {
  if (peer.connection != nullptr) std::exchange(peer.connection, nullptr)->close();
  peer.waiting_since_ns = 0;
}

void PeerLinks::transmit(Peer& peer, const PeerRequest& request) {
  if (peer.waiting_since_ns == 0) {
    peer.waiting_since_ns = std::max<TimeNs>(env_.clock.now_ns(), 1);
  }
  peer.connection->send(encode(request));
}

void PeerLinks::send(const PeerHello& hello, Incarnation who, Address address,
                     const PeerRequest& request) {
  SCOUTFS_ASSERT(!stopping_);
  Peer& peer = peers_.at(hello.to);
  const bool silent =
      peer.waiting_since_ns != 0 && env_.clock.now_ns() > peer.waiting_since_ns + silence_ns_;
  if (peer.who != who || silent) drop(peer);
  peer.who = who;
  peer.hello = hello;
  peer.address = address;
  if (peer.connection != nullptr) return transmit(peer, request);
  peer.pending = request;
  if (peer.talking) return;
  peer.talking = true;
  scope_.spawn(talk(hello.to));
}

Task<void> PeerLinks::talk(std::uint16_t slot) {
  Peer& peer = peers_[slot];
  const Incarnation who = peer.who;
  Result<std::unique_ptr<Connection>> connected = co_await env_.network.connect(peer.address);
  if (connected.has_value() && !stopping_ && peer.who == who) {
    const std::shared_ptr<Connection> connection = std::move(*connected);
    peer.connection = connection;
    connection->send(encode(peer.hello));
    if (peer.pending.has_value()) transmit(peer, *std::exchange(peer.pending, std::nullopt));
    while (peer.connection == connection) {
      const Result<std::string> frame = co_await connection->receive();
      if (!frame.has_value() || peer.connection != connection) break;
      const Result<PeerAnswer> answer = decode_peer_answer(*frame);
      if (!answer.has_value()) break;
      peer.waiting_since_ns = 0;
      on_answer_(slot, *answer);
    }
    if (peer.connection == connection) drop(peer);
  }
  // What waits is lost; whoever asks says it again.
  peer.pending.reset();
  peer.talking = false;
}

Task<void> PeerLinks::stop() {
  stopping_ = true;
  for (Peer& peer : peers_) drop(peer);
  co_await scope_.drain();
}

}  // namespace scoutfs::cluster
