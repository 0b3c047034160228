// The NBD device against a real server.
#include "nbd/nbd_device.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>

#include "engine/async/scope.hpp"
#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "tests/support/device_io.hpp"
#include "tests/support/node_files.hpp"
#include "tests/test.hpp"

namespace scoutfs::nbd {
namespace {

using node::EventLoop;
using testing::get;
using testing::NbdServer;
using testing::pattern;
using testing::put;
using testing::write_at_once;
using testing::write_one;

Result<std::unique_ptr<NbdDevice>> open(EventLoop& loop, const std::string& uri,
                                        std::string& why, NbdDevice::Patience patience = {}) {
  return loop.run(NbdDevice::open(loop, uri, NbdDevice::Options{}, why, patience));
}

std::unique_ptr<NbdDevice> open_or_fail(EventLoop& loop, const std::string& uri) {
  std::string why;
  auto device = open(loop, uri, why);
  BOOST_REQUIRE_MESSAGE(device.has_value(), why);
  return std::move(*device);
}

BOOST_AUTO_TEST_SUITE(nbd_device)

BOOST_AUTO_TEST_CASE(what_is_written_is_read_and_reaches_the_file) {
  testing::TemporaryDirectory directory;
  const std::string image = directory.image("image", 1u << 20);
  NbdServer server({"file", image});
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  BOOST_TEST(device->block_count() == 256U);
  const std::string bytes = pattern(1, 3 * kBlockSize);
  BOOST_TEST(loop.run(put(*device, BlockNo{5}, bytes)).has_value());
  BOOST_TEST(loop.run(device->flush()).has_value());
  BOOST_TEST((loop.run(get(*device, BlockNo{5}, bytes.size())).value() == bytes));
  BOOST_TEST((loop.run(get(*device, BlockNo{8}, kBlockSize)).value() ==
              std::string(kBlockSize, '\0')));
  std::ifstream in(image, std::ios::binary);
  in.seekg(5 * kBlockSize);
  std::string found(bytes.size(), '\0');
  in.read(found.data(), static_cast<std::streamsize>(found.size()));
  BOOST_TEST((found == bytes));
}

BOOST_AUTO_TEST_CASE(the_size_is_rounded_down_to_whole_blocks) {
  NbdServer server({"memory", "size=10240"});
  EventLoop loop;
  BOOST_TEST(open_or_fail(loop, server.uri())->block_count() == 2U);
}

BOOST_AUTO_TEST_CASE(many_requests_in_flight_end_each_with_its_own_data) {
  NbdServer server({"memory", "size=16M"});
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  BOOST_TEST(write_at_once(loop, *device, 500) == 500U);
}

// A server that refuses requests above `maximum` bytes.
std::vector<std::string> limited(const std::string& maximum) {
  return {"--filter=blocksize-policy",
          "memory",
          "size=16M",
          "blocksize-minimum=512",
          "blocksize-preferred=4096",
          "blocksize-maximum=" + maximum,
          "blocksize-error-policy=error"};
}

BOOST_AUTO_TEST_CASE(a_request_above_the_servers_maximum_is_split) {
  NbdServer server(limited("65536"));
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  const std::string bytes = pattern(9, 5u << 20);
  BOOST_TEST(loop.run(put(*device, BlockNo{3}, bytes, Durability::on_completion)).has_value());
  BOOST_TEST((loop.run(get(*device, BlockNo{3}, bytes.size())).value() == bytes));
}

BOOST_AUTO_TEST_CASE(requests_of_more_pieces_than_may_be_in_flight_complete) {
  NbdServer server(limited("4096"));
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  TaskScope scope(loop.scheduler());
  std::uint64_t written = 0;
  for (std::uint64_t i = 0; i < 200; ++i) scope.spawn(write_one(*device, 2000 + i, &written));
  const std::string bytes = pattern(4, 4u << 20);
  BOOST_TEST(loop.run(put(*device, BlockNo{}, bytes)).has_value());
  BOOST_TEST((loop.run(get(*device, BlockNo{}, bytes.size())).value() == bytes));
  loop.run(scope.drain());
  BOOST_TEST(written == 200U);
}

BOOST_AUTO_TEST_CASE(forced_writes_work_where_the_server_cannot_force) {
  NbdServer server({"--filter=fua", "memory", "size=1M"});
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  const std::string bytes = pattern(2, kBlockSize);
  BOOST_TEST(loop.run(put(*device, BlockNo{1}, bytes, Durability::on_completion)).has_value());
  BOOST_TEST((loop.run(get(*device, BlockNo{1}, kBlockSize)).value() == bytes));
}

BOOST_AUTO_TEST_CASE(a_servers_error_is_an_io_error_and_the_connection_stays) {
  NbdServer server(
      {"--filter=error", "memory", "size=1M", "error-pwrite=EIO", "error-pwrite-rate=100%"});
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  const auto result = loop.run(put(*device, BlockNo{1}, pattern(2, kBlockSize)));
  BOOST_TEST(failed_with(result, Errc::io_error));
  BOOST_TEST(loop.run(get(*device, BlockNo{1}, kBlockSize)).has_value());
}

BOOST_AUTO_TEST_CASE(a_server_that_shuts_a_client_out_has_ended_its_connections) {
  NbdServer server({"--filter=error", "memory", "size=1M", "error-pwrite=ESHUTDOWN",
                    "error-pwrite-rate=100%"});
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  const auto result = loop.run(put(*device, BlockNo{1}, pattern(2, kBlockSize)));
  BOOST_TEST(failed_with(result, Errc::disconnected));
  BOOST_TEST(!device->connected());
}

Task<void> count_disconnected(NbdDevice& device, std::uint64_t at, int* count) {
  const Result<void> result = co_await put(device, BlockNo(at), pattern(at, kBlockSize));
  if (failed_with(result, Errc::disconnected)) ++*count;
}

BOOST_AUTO_TEST_CASE(a_lost_connection_fails_what_is_in_flight_and_later_requests) {
  NbdServer server({"--filter=delay", "memory", "size=1M", "delay-write=60"});
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  int disconnected = 0;
  TaskScope scope(loop.scheduler());
  for (std::uint64_t i = 0; i < 8; ++i) {
    scope.spawn(count_disconnected(*device, i, &disconnected));
  }
  for (int i = 0; i < 20; ++i) loop.turn(5 * kMillisecond);
  BOOST_TEST(disconnected == 0);
  server.stop();
  loop.run(scope.drain());
  BOOST_TEST(disconnected == 8);
  BOOST_TEST(!device->connected());
  BOOST_TEST(failed_with(loop.run(device->flush()), Errc::disconnected));
  BOOST_TEST(failed_with(loop.run(get(*device, BlockNo{}, kBlockSize)), Errc::disconnected));
}

BOOST_AUTO_TEST_CASE(an_explicit_reconnect_makes_the_device_usable_again) {
  testing::TemporaryDirectory directory;
  NbdServer server({"file", directory.image("image", 1u << 20)});
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  const std::string bytes = pattern(3, kBlockSize);
  BOOST_TEST(loop.run(put(*device, BlockNo{7}, bytes)).has_value());
  server.stop();
  BOOST_TEST(failed_with(loop.run(device->reconnect()), Errc::disconnected));
  server.start();
  BOOST_TEST(failed_with(loop.run(device->flush()), Errc::disconnected));
  BOOST_TEST(loop.run(device->reconnect()).has_value());
  BOOST_TEST((loop.run(get(*device, BlockNo{7}, kBlockSize)).value() == bytes));
}

BOOST_AUTO_TEST_CASE(a_killed_node_leaves_requests_in_flight_behind) {
  NbdServer server({"--filter=delay", "memory", "size=1M", "delay-write=60"});
  EventLoop loop;
  const auto device = open_or_fail(loop, server.uri());
  int disconnected = 0;
  TaskScope scope(loop.scheduler());
  scope.spawn(count_disconnected(*device, 1, &disconnected));
  for (int i = 0; i < 10; ++i) loop.turn(5 * kMillisecond);
  loop.scheduler().kill();
  BOOST_TEST(disconnected == 0);
  BOOST_TEST(!device->connected());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_opened_is_told_apart) {
  EventLoop loop;
  std::string why;
  testing::TemporaryDirectory directory;
  const std::string missing = "nbd+unix:///?socket=" + directory.file("none");
  BOOST_TEST(failed_with(open(loop, missing, why), Errc::not_found));
  // A port of this host that nobody listens on.
  BOOST_TEST(failed_with(open(loop, "nbd://127.0.0.1:1", why), Errc::disconnected));
  BOOST_TEST((why.find("127.0.0.1:1") != std::string::npos));
  NbdServer read_only({"--readonly", "memory", "size=1M"});
  BOOST_TEST(failed_with(open(loop, read_only.uri(), why), Errc::access_denied));
  BOOST_TEST((why.find("read-only") != std::string::npos));
  NbdServer small({"memory", "size=2048"});
  BOOST_TEST(failed_with(open(loop, small.uri(), why), Errc::invalid));
}

Task<void> request_after(EventLoop& loop, Cancellation* cancellation, TimeNs delay_ns) {
  co_await Sleep(loop.scheduler(), delay_ns);
  cancellation->request();
}

BOOST_AUTO_TEST_CASE(a_silent_server_is_waited_for_until_the_end_of_patience) {
  // Accepts connections into its backlog, and says nothing.
  const testing::TemporaryDirectory directory;
  const std::string path = directory.file("socket");
  const node::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  BOOST_REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) ==
                0);
  BOOST_REQUIRE(listen(listener.get(), 4) == 0);
  const std::string uri = "nbd+unix:///?socket=" + path;
  EventLoop loop;
  std::string why;
  BOOST_TEST(
      failed_with(open(loop, uri, why, {.at_most_ns = 100 * kMillisecond}), Errc::timed_out));
  BOOST_TEST((why.find("has not answered") != std::string::npos));
  Cancellation cancellation(loop.scheduler());
  TaskScope scope(loop.scheduler());
  scope.spawn(request_after(loop, &cancellation, 50 * kMillisecond));
  BOOST_TEST(
      failed_with(open(loop, uri, why, {.cancellation = &cancellation}), Errc::interrupted));
  loop.run(scope.drain());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::nbd
