// The Prometheus endpoint, scraped over a real socket.
#include "node/metrics.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "node/loop/unique_fd.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

// A port that was free a moment ago.
std::uint16_t free_port() {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  BOOST_REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  BOOST_REQUIRE(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

std::string scrape(std::uint16_t port) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  BOOST_REQUIRE(connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) ==
                0);
  const std::string request = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
  BOOST_REQUIRE(send(socket.get(), request.data(), request.size(), 0) ==
                static_cast<ssize_t>(request.size()));
  std::string text;
  std::array<char, 4096> buffer;
  ssize_t got = 0;
  while ((got = read(socket.get(), buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

BOOST_AUTO_TEST_SUITE(metrics)

BOOST_AUTO_TEST_CASE(a_scrape_sees_what_was_published_last) {
  const std::uint16_t port = free_port();
  std::string why;
  const auto metrics = Metrics::open(fmt::format("127.0.0.1:{}", port), "f1", "r1", why);
  BOOST_REQUIRE_MESSAGE(metrics.has_value(), why);
  MetricsSnapshot snapshot;
  snapshot.status.dirty_bytes = 4711;
  snapshot.requests = 12;
  (*metrics)->publish(snapshot);
  std::string text = scrape(port);
  const auto shows = [&](const std::string& line) {
    return text.find(line) != std::string::npos;
  };
  BOOST_TEST(shows("scoutfs_dirty_bytes{fsid=\"f1\",rid=\"r1\"} 4711"));
  BOOST_TEST(shows("# TYPE scoutfs_requests_total counter"));
  BOOST_TEST(shows("scoutfs_requests_total{fsid=\"f1\",rid=\"r1\"} 12"));
  BOOST_TEST(!shows("scoutfs_segments{"));
  snapshot.status.leader = true;
  snapshot.status.segments = 33;
  (*metrics)->publish(snapshot);
  text = scrape(port);
  BOOST_TEST(shows("scoutfs_segments{fsid=\"f1\",rid=\"r1\"} 33"));
}

BOOST_AUTO_TEST_CASE(an_address_that_is_taken_is_told) {
  const std::string address = fmt::format("127.0.0.1:{}", free_port());
  std::string why;
  const auto first = Metrics::open(address, "f", "r", why);
  BOOST_REQUIRE_MESSAGE(first.has_value(), why);
  BOOST_TEST(failed_with(Metrics::open(address, "f", "r", why), Errc::busy));
  BOOST_TEST((why.find(address) != std::string::npos));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
