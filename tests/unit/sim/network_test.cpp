#include "sim/network.hpp"

#include "engine/async/scope.hpp"
#include "sim/world.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

// Two nodes; what node 1 receives on its first connection, in order.
struct Pair {
  World world;
  NodeClock clock{world.events(), {}};
  Scheduler client{clock}, server{clock};
  Actor client_actor{0, client, clock}, server_actor{1, server, clock};
  NetworkWorld network;
  std::unique_ptr<NodeNetwork> client_network, server_network;
  TaskScope client_scope{client}, server_scope{server};
  std::vector<std::string> received;
  bool server_lost = false;
  Errc connect_error{};
  std::unique_ptr<Connection> connection;

  explicit Pair(std::uint64_t seed = 1, NetworkOptions options = {})
      : network(world.events(), world.trace(), SimRandom(seed, Stream::network), options),
        client_network(network.attach(0, client)),
        server_network(network.attach(1, server)) {
    world.add(client_actor);
    world.add(server_actor);
  }
  ~Pair() {
    connection.reset();
    client_network->detach();
    server_network->detach();
    client.kill();
    server.kill();
    world.events().clear();
  }
  void run() {
    while (world.step()) {
    }
  }
  void run_until(TimeNs when) {
    world.events().at(when, [] {});
    while (world.now_ns() < when) world.step();
  }
  static Task<void> serve(Pair* self) {
    Result<std::unique_ptr<Connection>> connection = co_await self->server_network->accept();
    if (!connection.has_value()) co_return;
    while (true) {
      Result<std::string> message = co_await (*connection)->receive();
      if (!message.has_value()) break;
      self->received.push_back(*message);
    }
    self->server_lost = true;
  }
  static Task<void> connect(Pair* self, int messages) {
    Result<std::unique_ptr<Connection>> connection =
        co_await self->client_network->connect(NetworkWorld::address_of(1, 7000));
    if (!connection.has_value()) {
      self->connect_error = connection.error().code;
      co_return;
    }
    self->connection = *std::move(connection);
    for (int i = 0; i < messages; ++i) self->connection->send(std::to_string(i));
  }
  void start(int messages) {
    BOOST_TEST_REQUIRE(server_network->listen(NetworkWorld::address_of(1, 7000)).has_value());
    server_scope.spawn(serve(this));
    client_scope.spawn(connect(this, messages));
  }
  bool received_prefix() const {
    for (std::size_t i = 0; i < received.size(); ++i) {
      if (received[i] != std::to_string(i)) return false;
    }
    return true;
  }
};

BOOST_AUTO_TEST_CASE(messages_arrive_in_order_and_all_of_them) {
  Pair pair;
  pair.start(50);
  pair.run();
  BOOST_TEST(pair.received.size() == 50);
  BOOST_TEST(pair.received_prefix());
  BOOST_TEST(!pair.server_lost);
}

BOOST_AUTO_TEST_CASE(a_break_loses_a_suffix_and_both_ends_hear_of_it) {
  bool lost_some = false;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Pair pair(seed);
    pair.start(50);
    while (pair.connection == nullptr) pair.world.step();
    BOOST_TEST(pair.network.break_between(0, 1) == 1);
    pair.run();
    BOOST_TEST(pair.received_prefix());
    BOOST_TEST(pair.server_lost);
    lost_some = lost_some || pair.received.size() < 50;
  }
  BOOST_TEST(lost_some);
}

BOOST_AUTO_TEST_CASE(a_blocked_direction_delivers_when_it_is_unblocked) {
  Pair pair;
  pair.start(5);
  while (pair.connection == nullptr) pair.world.step();
  pair.network.block(0, 1);
  pair.run_until(10 * kSecond);
  BOOST_TEST(pair.received.empty());
  BOOST_TEST(!pair.server_lost);
  pair.network.unblock_all();
  pair.run();
  BOOST_TEST(pair.received.size() == 5);
  BOOST_TEST(pair.received_prefix());
}

BOOST_AUTO_TEST_CASE(a_dead_node_loses_its_connections_and_its_port) {
  Pair pair;
  pair.start(0);
  pair.run();
  pair.client_network->detach();
  pair.run();
  BOOST_TEST(pair.server_lost);
  pair.server_network->detach();
  auto again = pair.network.attach(1, pair.server);
  BOOST_TEST(again->listen(NetworkWorld::address_of(1, 7000)).has_value());
}

BOOST_AUTO_TEST_CASE(connecting_to_nobody_is_refused_and_through_a_partition_times_out) {
  Pair nobody;
  nobody.client_scope.spawn(Pair::connect(&nobody, 0));
  nobody.run();
  BOOST_TEST((nobody.connect_error == Errc::disconnected));

  Pair cut;
  cut.network.block(1, 0);
  cut.start(0);
  cut.run();
  BOOST_TEST((cut.connect_error == Errc::timed_out));
}

BOOST_AUTO_TEST_CASE(a_node_listens_on_its_own_address_only) {
  Pair pair;
  BOOST_TEST(failed_with(pair.client_network->listen(NetworkWorld::address_of(1, 7000)),
                         Errc::invalid));
}

}  // namespace
}  // namespace scoutfs::sim
