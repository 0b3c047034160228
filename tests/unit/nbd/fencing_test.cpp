// A device of one incarnation, against nbdkit with the fencing plugin.
#include "engine/async/scope.hpp"
#include "engine/env/lasting_device.hpp"
#include "nbd/control_client.hpp"
#include "nbd/nbd_device.hpp"
#include "node/loop/log_sink.hpp"
#include "tests/support/device_io.hpp"
#include "tests/support/fencing_disk.hpp"

namespace scoutfs::nbd {
namespace {

using node::EventLoop;
using testing::get;
using testing::NbdServer;
using testing::pattern;
using testing::put;

// Writes numbered blocks until one fails or it is told to stop.
Task<void> keep_writing(BlockDevice& device, BlockNo at, const bool* stop, int* written) {
  while (!*stop) {
    const Result<void> result =
        co_await put(device, at, pattern(static_cast<std::uint64_t>(*written), kBlockSize));
    if (!result.has_value()) co_return;
    ++*written;
  }
}

struct Fixture {
  Result<std::unique_ptr<NbdDevice>> try_open(const std::string& uri,
                                              NbdDevice::Options options) {
    std::string why;
    const NbdDevice::Patience patience;
    return loop.run(NbdDevice::open(loop, uri, std::move(options), why, patience));
  }
  std::unique_ptr<NbdDevice> open_plain(const std::string& uri) {
    NbdDevice::Options options;
    options.access = NbdDevice::Access::read_only;
    auto device = try_open(uri, options);
    BOOST_REQUIRE(device.has_value());
    return std::move(*device);
  }
  std::unique_ptr<NbdDevice> open(std::uint64_t rid) {
    NbdDevice::Options options;
    options.ticket = disk.ticket(rid);
    auto device = try_open(server->uri(), options);
    BOOST_REQUIRE(device.has_value());
    return std::move(*device);
  }
  Errc refusal(NbdDevice::Options options) {
    const auto device = try_open(server->uri(), std::move(options));
    BOOST_REQUIRE(!device.has_value());
    return device.error().code;
  }
  ControlClient control() { return {server->uri(), disk.ticket(9)}; }

  testing::FencingDisk disk{SCOUTFS_DISK_PLUGIN};
  NbdServer* server = disk.server.get();
  EventLoop loop;
};

BOOST_FIXTURE_TEST_SUITE(fencing, Fixture)

BOOST_AUTO_TEST_CASE(an_identity_reads_and_writes_and_the_plain_export_only_reads) {
  const auto device = open(1);
  const std::string bytes = pattern(1, kBlockSize);
  BOOST_TEST(loop.run(put(*device, BlockNo{500}, bytes)).has_value());
  BOOST_TEST(loop.run(device->flush()).has_value());
  NbdDevice::Options options;
  BOOST_TEST((refusal(options) == Errc::access_denied));
  const auto plain = open_plain(server->uri());
  BOOST_TEST(!plain->writable());
  BOOST_TEST((loop.run(get(*plain, BlockNo{500})).value() == bytes));
}

BOOST_AUTO_TEST_CASE(a_wrong_secret_is_refused) {
  NbdDevice::Options options;
  options.ticket = disk.ticket(1);
  options.ticket->secret = std::string(format::kSecretSize, 'x');
  BOOST_TEST((refusal(options) == Errc::disconnected));
}

BOOST_AUTO_TEST_CASE(another_server_offers_no_fencing) {
  NbdServer other({"memory", "size=64M"});
  NbdDevice::Options options;
  options.ticket = disk.ticket(1);
  BOOST_TEST(failed_with(try_open(other.uri(), options), Errc::unsupported));
  BOOST_TEST(!open_plain(other.uri())->offer().has_value());
}

BOOST_AUTO_TEST_CASE(a_fence_ends_its_victim_under_load_and_nobody_else) {
  const auto victim = open(1), survivor = open(2);
  bool stop = false;
  int written = 0, others = 0;
  TaskScope scope(loop.scheduler());
  for (std::uint64_t i = 0; i < 8; ++i) {
    scope.spawn(keep_writing(*victim, BlockNo{500 + i}, &stop, &written));
    scope.spawn(keep_writing(*survivor, BlockNo{600 + i}, &stop, &others));
  }
  while (written < 100) loop.turn(kMillisecond);
  std::atomic<bool> fenced = false;
  std::jthread fencing([&] {
    ControlClient client = control();
    fenced = client.fence(Term{3, 0}, disk.ticket(1).identity.who).has_value();
  });
  while (!fenced || victim->connected()) loop.turn(kMillisecond);
  const int before = others;
  // Ours now, whatever the victim had sent.
  const std::string ours = pattern(1'000'000, kBlockSize);
  BOOST_TEST(loop.run(put(*survivor, BlockNo{500}, ours)).has_value());
  while (others < before + 100) loop.turn(kMillisecond);
  stop = true;
  loop.run(scope.drain());
  BOOST_TEST(failed_with(loop.run(get(*victim, BlockNo{500})), Errc::disconnected));
  BOOST_TEST(failed_with(loop.run(victim->reconnect()), Errc::fenced));
  BOOST_TEST((loop.run(get(*survivor, BlockNo{500})).value() == ours));
}

BOOST_AUTO_TEST_CASE(fences_and_terms_outlive_the_server) {
  const auto victim = open(1), survivor = open(2);
  ControlClient client = control();
  BOOST_TEST(client.register_term(Term{4, 0}, {Rid{7}, Epoch{4}}).has_value());
  BOOST_TEST(failed_with(client.fence(Term{3, 0}, disk.ticket(2).identity.who), Errc::fenced));
  BOOST_TEST(client.fence(Term{4, 0}, disk.ticket(1).identity.who).has_value());
  server->stop();
  server->start();
  BOOST_TEST(failed_with(loop.run(victim->reconnect()), Errc::fenced));
  BOOST_TEST(loop.run(survivor->reconnect()).has_value());
  BOOST_TEST(loop.run(put(*survivor, BlockNo{500}, pattern(2, kBlockSize))).has_value());
  BOOST_TEST(failed_with(client.register_term(Term{3, 0}, {Rid{6}, Epoch{3}}), Errc::fenced));
  const Result<nlohmann::json> status = client.status();
  BOOST_TEST(status.value()["term"]["number"] == 4);
  BOOST_TEST(status.value()["fenced"].size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_goodbye_is_for_good) {
  auto device = open(1);
  device.reset();
  ControlClient client = control();
  BOOST_TEST(client.leave(disk.ticket(1).identity.who).has_value());
  NbdDevice::Options options;
  options.ticket = disk.ticket(1);
  BOOST_TEST((refusal(options) == Errc::fenced));
}

BOOST_AUTO_TEST_CASE(a_lasting_device_outlives_restarts_of_the_server_under_load) {
  const auto link = open(1);
  node::LogSink log(LogLevel::error);
  LastingDevice device(loop.scheduler(), loop.clock(), log, *link,
                       {.patience_ns = 60 * kSecond, .retry_ns = 10 * kMillisecond});
  bool stop = false;
  int written = 0;
  TaskScope scope(loop.scheduler());
  for (std::uint64_t i = 0; i < 8; ++i) {
    scope.spawn(keep_writing(device, BlockNo{500 + i}, &stop, &written));
  }
  for (int round = 0; round < 3; ++round) {
    const int before = written;
    while (written < before + 200) loop.turn(kMillisecond);
    server->stop();
    server->start();
  }
  const int before = written;
  while (written < before + 200) loop.turn(kMillisecond);
  stop = true;
  loop.run(scope.drain());
  BOOST_TEST(device.reconnects() == 3u);
  BOOST_TEST(loop.run(device.flush()).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::nbd
