// Messages over real sockets of this host.
#include "node/tcp_network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

constexpr Address kAnyPort{0x7f00'0001, 0};

class MemoryLog : public Log {
 public:
  void write(LogLevel, std::string_view message) override { lines.emplace_back(message); }
  bool enabled(LogLevel) const override { return true; }
  std::vector<std::string> lines;
};

constexpr Fsid kFsid{77};
constexpr std::uint64_t kFormat = 5;
constexpr std::string_view kSecret = "only who can read the volume knows";

struct Host {
  explicit Host(EventLoop& loop, TcpOptions options = {}) : network(loop, log, options) {
    network.secure(kFsid, kFormat, kSecret);
  }
  MemoryLog log;
  TcpNetwork network;
};

using Ends = std::pair<std::unique_ptr<Connection>, std::unique_ptr<Connection>>;

Task<Ends> join(Network& from, Network& to, Address address) {
  Result<std::unique_ptr<Connection>> near = co_await from.connect(address);
  SCOUTFS_ASSERT(near.has_value());
  Result<std::unique_ptr<Connection>> far = co_await to.accept();
  SCOUTFS_ASSERT(far.has_value());
  co_return Ends(std::move(*near), std::move(*far));
}

// A socket that speaks something else.
UniqueFd raw_socket(Address address) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_addr.s_addr = htonl(address.ip);
  peer.sin_port = htons(address.port);
  const int status = ::connect(socket.get(), reinterpret_cast<sockaddr*>(&peer), sizeof(peer));
  SCOUTFS_ASSERT(status == 0);
  return socket;
}

// A peer that knows the secret and then says what it likes.
class RawPeer {
 public:
  RawPeer(EventLoop& loop, Address address)
      : loop_(loop),
        socket_(raw_socket(address)),
        tls_(socket_.get(), TlsSession::Role::connecting,
             derive_tls_key(kFsid, kFormat, kSecret)) {
    fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
    while (tls_.handshake() != TlsSession::Step::done) loop_.turn(kMillisecond);
  }
  void send(std::string_view bytes) {
    std::size_t sent = 0;
    BOOST_TEST((tls_.send(bytes, sent) == TlsSession::Step::done));
    BOOST_TEST(sent == bytes.size());
  }

 private:
  EventLoop& loop_;
  UniqueFd socket_;
  TlsSession tls_;
};

std::string message_of(std::uint64_t i) {
  std::string text(mix(1, i) % 5000, static_cast<char>('a' + i % 26));
  if (i % 97 == 0) text.assign(kMessageSizeMax, 'z');
  return text;
}

Task<int> receive_all(Connection& connection, std::uint64_t count) {
  int good = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Result<std::string> message = co_await connection.receive();
    if (message.has_value() && *message == message_of(i)) ++good;
  }
  co_return good;
}

std::string next(EventLoop& loop, Connection& connection) {
  return loop.run(connection.receive()).value_or("disconnected");
}

BOOST_AUTO_TEST_SUITE(tcp_network)

BOOST_AUTO_TEST_CASE(messages_arrive_whole_and_in_order_and_then_the_end) {
  EventLoop loop;
  Host server(loop), client(loop, {.send_queue_max = 64u << 20});
  const Address address = server.network.listen(kAnyPort).value();
  BOOST_TEST(address.port != 0);
  auto [near, far] = loop.run(join(client.network, server.network, address));
  BOOST_TEST((near->peer() == address));
  for (std::uint64_t i = 0; i < 200; ++i) near->send(message_of(i));
  BOOST_TEST(loop.run(receive_all(*far, 200)) == 200);
  far->send("answer");
  BOOST_TEST(next(loop, *near) == "answer");
  near->send("last");
  near.reset();
  BOOST_TEST(next(loop, *far) == "last");
  BOOST_TEST(next(loop, *far) == "disconnected");
  BOOST_TEST(next(loop, *far) == "disconnected");
  far->send("vanishes");
  BOOST_TEST(server.log.lines.empty());
}

BOOST_AUTO_TEST_CASE(a_connection_to_oneself_stays_in_the_process) {
  EventLoop loop;
  Host host(loop);
  const Address address = host.network.listen(kAnyPort).value();
  auto [near, far] = loop.run(join(host.network, host.network, address));
  for (std::uint64_t i = 1; i < 50; ++i) near->send(message_of(i));
  for (std::uint64_t i = 1; i < 50; ++i) BOOST_TEST((next(loop, *far) == message_of(i)));
  far->send("answer");
  far->send("last");
  far->close();
  BOOST_TEST(next(loop, *near) == "answer");
  BOOST_TEST(next(loop, *near) == "last");
  BOOST_TEST(next(loop, *near) == "disconnected");
  near->send("vanishes");
  BOOST_TEST(next(loop, *far) == "disconnected");
}

Task<void> close_later(EventLoop& loop, Connection* connection) {
  co_await Sleep(loop.scheduler(), 5 * kMillisecond);
  connection->close();
}

BOOST_AUTO_TEST_CASE(closing_ends_a_receive_in_progress) {
  EventLoop loop;
  Host host(loop), client(loop);
  const Address address = host.network.listen(kAnyPort).value();
  for (Network* from : std::vector<Network*>{&host.network, &client.network}) {
    auto [near, far] = loop.run(join(*from, host.network, address));
    TaskScope scope(loop.scheduler());
    scope.spawn(close_later(loop, near.get()));
    BOOST_TEST(next(loop, *near) == "disconnected");
    BOOST_TEST(next(loop, *far) == "disconnected");
    loop.run(scope.drain());
  }
}

BOOST_AUTO_TEST_CASE(addresses_that_cannot_be_used_are_told_apart) {
  EventLoop loop;
  Host first(loop), second(loop), third(loop);
  const Address address = first.network.listen(kAnyPort).value();
  BOOST_TEST(failed_with(second.network.listen(address), Errc::busy));
  const Address foreign = parse_address("203.0.113.7:7000").value();
  BOOST_TEST(failed_with(third.network.listen(foreign), Errc::invalid));
  first.network.close_listener();
  BOOST_TEST(failed_with(loop.run(first.network.accept()), Errc::stopping));
  BOOST_TEST(failed_with(loop.run(first.network.connect(address)), Errc::disconnected));
  BOOST_TEST(second.network.listen(address).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_not_a_message_ends_the_connection) {
  EventLoop loop;
  Host server(loop);
  const Address address = server.network.listen(kAnyPort).value();
  std::string oversized;
  Writer writer(oversized);
  writer.put(std::uint32_t{0x4d46'4353});
  writer.put(static_cast<std::uint32_t>(kMessageSizeMax + 1));
  for (const std::string& bytes : {std::string("GET / HTTP/1.0\r\n\r\n"), oversized}) {
    RawPeer peer(loop, address);
    const auto connection = loop.run(server.network.accept());
    BOOST_REQUIRE(connection.has_value());
    peer.send(bytes);
    BOOST_TEST(next(loop, **connection) == "disconnected");
  }
  BOOST_REQUIRE(server.log.lines.size() == 2U);
  BOOST_TEST((server.log.lines[0].find("not a message") != std::string::npos));
  BOOST_TEST((server.log.lines[1].find("too large") != std::string::npos));
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_nothing_loses_the_connection) {
  EventLoop loop;
  Host server(loop);
  const Address address = server.network.listen(kAnyPort).value();
  const RawPeer peer(loop, address);
  const auto connection = loop.run(server.network.accept());
  BOOST_REQUIRE(connection.has_value());
  for (int i = 0; i < 20 && server.log.lines.empty(); ++i) {
    (*connection)->send(std::string(kMessageSizeMax, 'x'));
    loop.turn(kMillisecond);
  }
  BOOST_TEST(server.log.lines.size() == 1U);
  BOOST_TEST(next(loop, **connection) == "disconnected");
}

BOOST_AUTO_TEST_CASE(a_reader_that_is_slow_pauses_the_sender_and_loses_nothing) {
  EventLoop loop;
  Host server(loop, {.receive_queue_max = 10'000}), client(loop, {.send_queue_max = 64u << 20});
  const Address address = server.network.listen(kAnyPort).value();
  auto [near, far] = loop.run(join(client.network, server.network, address));
  for (std::uint64_t i = 1; i < 90; ++i) near->send(message_of(i));
  for (int i = 0; i < 50; ++i) loop.turn(kMillisecond);
  for (std::uint64_t i = 1; i < 90; ++i) BOOST_TEST((next(loop, *far) == message_of(i)));
}

BOOST_AUTO_TEST_CASE(connections_nobody_accepts_are_bounded) {
  EventLoop loop;
  Host server(loop, {.accept_queue_max = 3}), client(loop);
  const Address address = server.network.listen(kAnyPort).value();
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < 5; ++i) {
    auto connection = loop.run(client.network.connect(address));
    BOOST_REQUIRE(connection.has_value());
    connections.push_back(std::move(*connection));
  }
  for (int i = 0; i < 10; ++i) loop.turn(kMillisecond);
  BOOST_TEST(next(loop, *connections[4]) == "disconnected");
  BOOST_REQUIRE(!server.log.lines.empty());
  BOOST_TEST((server.log.lines[0].find("too many wait") != std::string::npos));
}

BOOST_AUTO_TEST_CASE(who_does_not_share_the_volume_is_refused_by_both_ends) {
  EventLoop loop;
  struct Case {
    Fsid fsid;
    std::uint64_t format;
    std::string_view secret;
    std::string_view server_says;
  };
  const Case cases[] = {
      {kFsid, kFormat, "a guess", "secret"},
      {Fsid{78}, kFormat, kSecret,
       "000000000000004e 0000000000000005, this node of 000000000000004d 0000000000000005"},
      {kFsid, 6, kSecret, "000000000000004d 0000000000000006, this node of"},
  };
  for (const Case& c : cases) {
    Host server(loop), client(loop);
    client.network.secure(c.fsid, c.format, c.secret);
    const Address address = server.network.listen(kAnyPort).value();
    BOOST_TEST(failed_with(loop.run(client.network.connect(address)), Errc::disconnected));
    for (int i = 0; i < 10; ++i) loop.turn(kMillisecond);
    BOOST_REQUIRE(server.log.lines.size() == 1U);
    BOOST_TEST_CONTEXT(server.log.lines[0]) {
      BOOST_TEST((server.log.lines[0].find(c.server_says) != std::string::npos));
    }
    BOOST_TEST(client.log.lines.size() == 1U);
    // Nobody waits in accept() for it.
    Host friendly(loop);
    auto [near, far] = loop.run(join(friendly.network, server.network, address));
    near->send("hello");
    BOOST_TEST(next(loop, *far) == "hello");
  }
}

BOOST_AUTO_TEST_CASE(strangers_who_say_nothing_or_garbage_are_bounded_and_reach_nobody) {
  EventLoop loop;
  Host server(loop, {.connect_timeout_ns = 50 * kMillisecond, .strangers_max = 3});
  const Address address = server.network.listen(kAnyPort).value();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(raw_socket(address));
  for (int i = 0; i < 10; ++i) loop.turn(kMillisecond);
  BOOST_REQUIRE(server.log.lines.size() == 1U);
  BOOST_TEST((server.log.lines[0].find("too many are proving") != std::string::npos));
  for (int i = 0; i < 60; ++i) loop.turn(kMillisecond);
  Host friendly(loop);
  auto [near, far] = loop.run(join(friendly.network, server.network, address));
  const UniqueFd garbage = raw_socket(address);
  const std::string_view text = "GET / HTTP/1.0\r\n\r\n";
  BOOST_TEST(::send(garbage.get(), text.data(), text.size(), 0) ==
             static_cast<ssize_t>(text.size()));
  near->send("hello");
  BOOST_TEST(next(loop, *far) == "hello");
}

BOOST_AUTO_TEST_CASE(a_host_that_connects_too_often_is_told_to_wait) {
  EventLoop loop;
  Host server(loop, {.limits = {.burst = 2, .interval_ns = 3600 * kSecond}}), client(loop);
  const Address address = server.network.listen(kAnyPort).value();
  for (int i = 0; i < 2; ++i) loop.run(join(client.network, server.network, address));
  BOOST_TEST(failed_with(loop.run(client.network.connect(address)), Errc::disconnected));
  BOOST_REQUIRE(!server.log.lines.empty());
  BOOST_TEST((server.log.lines.back().find("too often") != std::string::npos));
}

BOOST_AUTO_TEST_CASE(the_limiter_lets_a_burst_pass_and_then_one_at_a_time) {
  ConnectionLimiter limiter({.burst = 3, .interval_ns = 10, .addresses_max = 2});
  for (int i = 0; i < 3; ++i) BOOST_TEST(limiter.admit(1, 1000));
  BOOST_TEST(!limiter.admit(1, 1000));
  BOOST_TEST(limiter.admit(2, 1000));
  BOOST_TEST(!limiter.admit(1, 1009));
  BOOST_TEST(limiter.admit(1, 1010));
  BOOST_TEST(!limiter.admit(1, 1010));
  // A third address takes the place of one that is rested.
  BOOST_TEST(limiter.admit(3, 1015));
  BOOST_TEST(limiter.remembered() == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
