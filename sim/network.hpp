// NetworkWorld: links between nodes, and what goes wrong with them.
//
// A connection is ordered and reliable until it breaks. A break loses any suffix of what is on
// its way, in each direction for itself, and each end learns of it when it learns of it. While
// a direction between two nodes is blocked, nothing arrives there, the news of a break
// included.
//
// Everything on its way belongs to this object. A node holds handles; when it dies the handles
// detach and what it had sent may still arrive.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/sync.hpp"
#include "engine/env/network.hpp"
#include "sim/event_queue.hpp"
#include "sim/message_kinds.hpp"
#include "sim/random.hpp"
#include "sim/trace.hpp"

namespace scoutfs::sim {

inline constexpr std::uint16_t kNodePort = 7000;  // that every node listens on

struct NetworkOptions {
  TimeNs delay_min_ns = 20 * kMicrosecond;
  TimeNs delay_max_ns = 500 * kMicrosecond;
  // Out of 1000 messages: delayed up to `slow_ns`.
  std::uint64_t slow_per_1000 = 5;
  TimeNs slow_ns = 50 * kMillisecond;
  std::uint64_t refused_per_1000 = 0;  // connects that fail for no reason
  TimeNs connect_timeout_ns = 2 * kSecond;
  // Out of 100 closes by an end: what it had sent last may be lost.
  std::uint64_t lossy_close_per_100 = 20;
  // Out of 100 deaths of a node: its peers hear of it only after up to `late_news_ns`.
  std::uint64_t late_news_per_100 = 25;
  TimeNs late_news_ns = 5 * kSecond;
  std::uint64_t calm_from = ~0ULL;  // from this delay on each is the shortest
};

class NodeNetwork;
struct Link;
struct Port;

class NetworkWorld {
 public:
  NetworkWorld(EventQueue& events, Trace& trace, SimRandom random, NetworkOptions options);
  NetworkWorld(const NetworkWorld&) = delete;
  NetworkWorld& operator=(const NetworkWorld&) = delete;
  ~NetworkWorld();

  // The network of one incarnation of a node. Destroying it is the death of its connections.
  std::unique_ptr<NodeNetwork> attach(unsigned node, Scheduler& scheduler);
  static Address address_of(unsigned node, std::uint16_t port = 0);
  static unsigned node_at(Address address) { return address.ip - address_of(0).ip; }

  // Messages from one node to the other stop arriving, or arrive again.
  void block(unsigned from, unsigned to);
  void unblock(unsigned from, unsigned to);
  void unblock_all();
  bool blocked(unsigned from, unsigned to) const { return blocked_.contains({from, to}); }
  // Breaks every connection between the two nodes. Returns how many.
  std::size_t break_between(unsigned a, unsigned b);

  std::uint64_t messages() const { return messages_; }
  // By kind (message_kinds.hpp).
  const std::array<std::uint64_t, kMessageKindsMax>& messages_by_kind() const {
    return messages_by_kind_;
  }
  // Told when a node learns that its connection to another is lost or cannot be had, or gives
  // it up.
  void set_on_lost(std::function<void(unsigned node, unsigned other)> callback) {
    on_lost_ = std::move(callback);
  }
  // Told of every message between voters when it leaves.
  using OnSent = std::function<void(unsigned from, unsigned to, std::string_view message)>;
  void set_on_voter_sent(OnSent callback) { on_voter_sent_ = std::move(callback); }

 private:
  friend class NodeNetwork;
  friend class SimConnection;
  friend struct Link;

  TimeNs draw_delay();
  void send(Link& link, unsigned from_end, std::string message);
  void break_link(Link& link, TimeNs late_ns = 0);
  void close_end(Link& link, unsigned end);
  void finish(Link& link, unsigned end, std::size_t kept, TimeNs late_ns);
  void schedule_pump(const std::shared_ptr<Link>& link, unsigned end, TimeNs when);
  void pump(Link& link, unsigned end);
  void forget_dead_links();
  using Connected = OneShot<Result<std::unique_ptr<Connection>>>;
  void open_link(const std::shared_ptr<Port>& from, Address to, const Connected& done);
  std::uint16_t free_port() { return next_port_++; }

  EventQueue& events_;
  Trace& trace_;
  SimRandom random_;
  NetworkOptions options_;
  std::map<Address, std::shared_ptr<Port>> listeners_;
  std::vector<std::shared_ptr<Link>> links_;
  std::set<std::pair<unsigned, unsigned>> blocked_;  // from, to
  std::uint16_t next_port_ = 20'000;
  std::uint64_t messages_ = 0;
  std::uint64_t delays_ = 0;  // drawn
  std::array<std::uint64_t, kMessageKindsMax> messages_by_kind_{};
  std::function<void(unsigned, unsigned)> on_lost_ = [](unsigned, unsigned) {};
  OnSent on_voter_sent_;
};

// One incarnation's door to the network.
class NodeNetwork final : public Network {
 public:
  NodeNetwork(NetworkWorld& world, std::shared_ptr<Port> port);
  ~NodeNetwork() override { detach(); }
  // The process is gone: its listener closes and its connections break.
  void detach();

  void secure(Fsid fsid, std::uint64_t format_hash, std::string_view secret) override;
  Result<Address> listen(Address address) override;
  Task<Result<std::unique_ptr<Connection>>> accept() override;
  void close_listener() override;
  Task<Result<std::unique_ptr<Connection>>> connect(Address address) override;

 private:
  NetworkWorld& world_;
  std::shared_ptr<Port> port_;
};

}  // namespace scoutfs::sim
