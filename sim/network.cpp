#include "sim/network.hpp"

#include <algorithm>

#include <optional>
#include "engine/cluster/peer_messages.hpp"

namespace scoutfs::sim {

// What one incarnation of a node has of the network.
struct Port {
  Port(unsigned number, Scheduler& owner) : node(number), scheduler(&owner), queue(owner) {}
  unsigned node;
  Scheduler* scheduler;  // not touched once `attached` is false
  WaitQueue queue;       // whoever waits in accept()
  std::optional<Address> listening;
  std::deque<std::unique_ptr<Connection>> incoming;
  bool attached = true;
  std::string volume;  // what it must have in common with its peers
};

// One end of a connection: what arrives here.
struct End {
  explicit End(std::shared_ptr<Port> owner) : port(std::move(owner)), queue(*port->scheduler) {}
  struct OnItsWay {
    TimeNs arrives_ns = 0;
    std::optional<std::string> message;  // nullopt: the news that the connection is lost
    std::uint64_t number = 0;            // of the message
  };
  std::shared_ptr<Port> port;
  Address address;
  std::deque<OnItsWay> on_its_way;
  std::deque<std::string> inbox;
  TimeNs newest_arrival_ns = 0;
  bool lost = false;   // it knows
  bool spoke = false;  // it has sent something
  WaitQueue queue;     // whoever waits in receive()
};

struct Link : std::enable_shared_from_this<Link> {
  Link(NetworkWorld& owner, std::shared_ptr<Port> client, std::shared_ptr<Port> server)
      : world(owner), ends{End(std::move(client)), End(std::move(server))} {}
  NetworkWorld& world;
  std::array<End, 2> ends;
  bool broken = false;  // nothing more is sent
  bool voters = false;  // they talk over it, not a member with a leader
};

class SimConnection final : public Connection {
 public:
  SimConnection(std::shared_ptr<Link> link, unsigned end) : link_(std::move(link)), end_(end) {}
  ~SimConnection() override { link_->world.close_end(*link_, end_); }

  void send(std::string message) override {
    link_->world.send(*link_, end_, std::move(message));
  }
  Task<Result<std::string>> receive() override {
    const std::shared_ptr<Link> link = link_;
    End& end = link->ends[end_];
    while (end.inbox.empty() && !end.lost) co_await end.queue.wait();
    if (end.inbox.empty()) {
      link->world.on_lost_(end.port->node, link->ends[1 - end_].port->node);
      co_return fail(Errc::disconnected);
    }
    std::string message = std::move(end.inbox.front());
    end.inbox.pop_front();
    co_return message;
  }
  void close() override { link_->world.close_end(*link_, end_); }
  Address peer() const override { return link_->ends[1 - end_].address; }

 private:
  std::shared_ptr<Link> link_;
  unsigned end_;
};

NetworkWorld::NetworkWorld(EventQueue& events, Trace& trace, SimRandom random,
                           NetworkOptions options)
    : events_(events), trace_(trace), random_(random), options_(options) {}

NetworkWorld::~NetworkWorld() = default;

Address NetworkWorld::address_of(unsigned node, std::uint16_t port) {
  return {.ip = 0x0a000001 + node, .port = port};
}

std::unique_ptr<NodeNetwork> NetworkWorld::attach(unsigned node, Scheduler& scheduler) {
  return std::make_unique<NodeNetwork>(*this, std::make_shared<Port>(node, scheduler));
}

TimeNs NetworkWorld::draw_delay() {
  const bool slow = random_.chance(options_.slow_per_1000, 1000);
  const TimeNs delay =
      random_.between(options_.delay_min_ns, slow ? options_.slow_ns : options_.delay_max_ns);
  return delays_++ < options_.calm_from ? delay : options_.delay_min_ns;
}

void NetworkWorld::send(Link& link, unsigned from_end, std::string message) {
  if (link.broken) return;
  End& from = link.ends[from_end];
  End& to = link.ends[1 - from_end];
  if (message.size() > kMessageSizeMax) return break_link(link);
  ++messages_;
  const bool first = !std::exchange(from.spoke, true);
  if (first && from_end == 0) link.voters = cluster::is_peer_hello(message);
  const std::size_t kind =
      link.voters ? voter_message_kind(message) : message_kind(message, from_end == 0, first);
  ++messages_by_kind_[kind];
  if (link.voters && on_voter_sent_) {
    on_voter_sent_(from.port->node, to.port->node, message);
  }
  if (Observer* observer = trace_.observer()) {
    observer->sent(events_.now_ns(), {.number = messages_,
                                      .from = from.port->node,
                                      .to = to.port->node,
                                      .kind = kind,
                                      .from_member = from_end == 0,
                                      .frame = message});
  }
  trace_.event(events_.now_ns(), from.port->node, EventKind::sent, checksum64(message, 0));
  trace_.line(events_.now_ns(), from.port->node, "sends {} bytes to node{}", message.size(),
              to.port->node);
  to.newest_arrival_ns = std::max(to.newest_arrival_ns, events_.now_ns() + draw_delay());
  to.on_its_way.push_back({to.newest_arrival_ns, std::move(message), messages_});
  schedule_pump(link.shared_from_this(), 1 - from_end, to.newest_arrival_ns);
}

void NetworkWorld::schedule_pump(const std::shared_ptr<Link>& link, unsigned end, TimeNs when) {
  events_.at(when, [this, link, end] { pump(*link, end); });
}

void NetworkWorld::pump(Link& link, unsigned end) {
  End& to = link.ends[end];
  if (blocked(link.ends[1 - end].port->node, to.port->node)) return;
  while (!to.on_its_way.empty() && to.on_its_way.front().arrives_ns <= events_.now_ns()) {
    End::OnItsWay arrived = std::move(to.on_its_way.front());
    to.on_its_way.pop_front();
    if (to.lost) continue;
    if (arrived.message.has_value()) {
      trace_.event(events_.now_ns(), to.port->node, EventKind::delivered,
                   arrived.message->size());
      if (Observer* observer = trace_.observer())
        observer->arrived(events_.now_ns(), arrived.number);
      to.inbox.push_back(*std::move(arrived.message));
    } else {
      trace_.event(events_.now_ns(), to.port->node, EventKind::link, 0);
      trace_.line(events_.now_ns(), to.port->node, "loses its connection to node{}",
                  link.ends[1 - end].port->node);
      to.lost = true;
    }
    to.queue.wake_all();
  }
}

void NetworkWorld::finish(Link& link, unsigned end, std::size_t kept, TimeNs late_ns) {
  End& to = link.ends[end];
  if (to.lost) return;
  SCOUTFS_ASSERT(kept <= to.on_its_way.size());
  to.on_its_way.resize(kept);
  const TimeNs news = events_.now_ns() + draw_delay() + late_ns;
  to.newest_arrival_ns = std::max(to.newest_arrival_ns, news);
  to.on_its_way.push_back({to.newest_arrival_ns, std::nullopt, 0});
  schedule_pump(link.shared_from_this(), end, to.newest_arrival_ns);
}

void NetworkWorld::break_link(Link& link, TimeNs late_ns) {
  if (link.broken) return;
  link.broken = true;
  for (const unsigned end : {0U, 1U}) {
    finish(link, end, random_.below(link.ends[end].on_its_way.size() + 1), late_ns);
  }
}

void NetworkWorld::close_end(Link& link, unsigned end) {
  End& own = link.ends[end];
  if (!own.lost) {
    own.lost = true;
    own.on_its_way.clear();
    own.queue.wake_all();
  }
  own.inbox.clear();
  if (link.broken) return;
  link.broken = true;
  on_lost_(own.port->node, link.ends[1 - end].port->node);
  const std::size_t sent = link.ends[1 - end].on_its_way.size();
  const bool lossy = random_.chance(options_.lossy_close_per_100, 100);
  finish(link, 1 - end, lossy ? random_.below(sent + 1) : sent, 0);
}

std::size_t NetworkWorld::break_between(unsigned a, unsigned b) {
  forget_dead_links();
  std::size_t count = 0;
  for (const std::shared_ptr<Link>& link : links_) {
    const unsigned from = link->ends[0].port->node;
    const unsigned to = link->ends[1].port->node;
    const bool between = (from == a && to == b) || (from == b && to == a);
    if (!between || link->broken) continue;
    break_link(*link);
    ++count;
  }
  return count;
}

void NetworkWorld::block(unsigned from, unsigned to) {
  blocked_.insert({from, to});
}

void NetworkWorld::unblock(unsigned from, unsigned to) {
  if (blocked_.erase({from, to}) == 0) return;
  forget_dead_links();
  for (const std::shared_ptr<Link>& link : links_) {
    for (const unsigned end : {0U, 1U}) {
      if (link->ends[1 - end].port->node != from || link->ends[end].port->node != to) continue;
      if (link->ends[end].on_its_way.empty()) continue;
      // Retransmission takes its time; what waited arrives in order.
      const TimeNs arrival = events_.now_ns() + draw_delay();
      for (End::OnItsWay& item : link->ends[end].on_its_way) {
        item.arrives_ns = std::max(item.arrives_ns, arrival);
      }
      TimeNs& newest = link->ends[end].newest_arrival_ns;
      newest = std::max(newest, arrival);
      schedule_pump(link, end, arrival);
    }
  }
}

void NetworkWorld::unblock_all() {
  const std::vector<std::pair<unsigned, unsigned>> all(blocked_.begin(), blocked_.end());
  for (const auto& [from, to] : all) unblock(from, to);
}

void NetworkWorld::forget_dead_links() {
  std::erase_if(links_, [](const std::shared_ptr<Link>& link) {
    return link->ends[0].lost && link->ends[1].lost;
  });
}

void NetworkWorld::open_link(const std::shared_ptr<Port>& from, Address to,
                             const Connected& done) {
  if (!from->attached) return;
  const auto found = listeners_.find(to);
  if (found == listeners_.end() || random_.chance(options_.refused_per_1000, 1000)) {
    return done.set(fail(Errc::disconnected));
  }
  const std::shared_ptr<Port>& server = found->second;
  if (server->volume != from->volume) return done.set(fail(Errc::disconnected));
  if (blocked(from->node, server->node) || blocked(server->node, from->node)) {
    events_.after(options_.connect_timeout_ns, [done] { done.set(fail(Errc::timed_out)); });
    return;
  }
  forget_dead_links();
  const auto link = std::make_shared<Link>(*this, from, server);
  link->ends[0].address = address_of(from->node, free_port());
  link->ends[1].address = to;
  links_.push_back(link);
  trace_.event(events_.now_ns(), from->node, EventKind::link, 1);
  trace_.line(events_.now_ns(), from->node, "connects to node{}", server->node);
  server->incoming.push_back(std::make_unique<SimConnection>(link, 1));
  server->queue.wake_all();
  done.set(std::make_unique<SimConnection>(link, 0));
}

NodeNetwork::NodeNetwork(NetworkWorld& world, std::shared_ptr<Port> port)
    : world_(world), port_(std::move(port)) {}

void NodeNetwork::secure(Fsid fsid, std::uint64_t format_hash, std::string_view secret) {
  port_->volume = fmt::format("{:x} {:x} {}", fsid.value, format_hash, secret);
}

void NodeNetwork::detach() {
  if (!port_->attached) return;
  close_listener();
  port_->attached = false;
  world_.forget_dead_links();
  const NetworkOptions& options = world_.options_;
  const bool late = world_.random_.chance(options.late_news_per_100, 100);
  const TimeNs late_ns = late ? world_.random_.below(options.late_news_ns) : 0;
  for (const std::shared_ptr<Link>& link : world_.links_) {
    for (End& end : link->ends) {
      if (end.port != port_) continue;
      world_.break_link(*link, late_ns);
      // Nobody is there to be told.
      end.lost = true;
      end.inbox.clear();
      end.on_its_way.clear();
    }
  }
}

Result<Address> NodeNetwork::listen(Address address) {
  SCOUTFS_ASSERT(port_->attached);
  if (address.ip != NetworkWorld::address_of(port_->node).ip) return fail(Errc::invalid);
  if (address.port == 0) address.port = world_.free_port();
  if (!world_.listeners_.emplace(address, port_).second) return fail(Errc::busy);
  port_->listening = address;
  return address;
}

Task<Result<std::unique_ptr<Connection>>> NodeNetwork::accept() {
  const std::shared_ptr<Port> port = port_;
  while (port->incoming.empty() && port->listening.has_value()) co_await port->queue.wait();
  if (!port->listening.has_value()) co_return fail(Errc::stopping);
  std::unique_ptr<Connection> connection = std::move(port->incoming.front());
  port->incoming.pop_front();
  co_return connection;
}

void NodeNetwork::close_listener() {
  if (!port_->listening.has_value()) return;
  world_.listeners_.erase(*port_->listening);
  port_->listening.reset();
  port_->incoming.clear();
  port_->queue.wake_all();
}

Task<Result<std::unique_ptr<Connection>>> NodeNetwork::connect(Address address) {
  SCOUTFS_ASSERT(port_->attached);
  const NetworkWorld::Connected done(*port_->scheduler);
  NetworkWorld& world = world_;
  const std::shared_ptr<Port> port = port_;
  world.events_.after(world.draw_delay() + world.draw_delay(),
                      [&world, port, address, done] { world.open_link(port, address, done); });
  Result<std::unique_ptr<Connection>> connection = co_await done.wait();
  if (!connection.has_value()) world.on_lost_(port->node, NetworkWorld::node_at(address));
  co_return connection;
}

}  // namespace scoutfs::sim
