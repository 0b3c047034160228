// Fences at a real disk server, through the interface that the engine has.
#include "node/storage_fencing.hpp"

#include "tests/support/fencing_disk.hpp"

namespace scoutfs::node {
namespace {

struct Fixture {
  testing::FencingDisk disk{SCOUTFS_DISK_PLUGIN};
  EventLoop loop;
  HostFencing host{loop.scheduler(), host_id()};
  StorageFencing fencing{loop, host, disk.server->uri(), disk.ticket(9)};
  HostId elsewhere{.machine = "another", .boot = "boot", .process = 1, .process_start = 1};
};

BOOST_FIXTURE_TEST_SUITE(storage_fencing, Fixture)

BOOST_AUTO_TEST_CASE(a_living_victim_is_fenced_and_its_name_refused) {
  BOOST_TEST((fencing.level() == FenceLevel::storage));
  const nbd::Ticket victim = disk.ticket(1);
  const nbd::Handshake connected =
      nbd::shake_hands(disk.server->uri(), &victim, std::stop_token{});
  BOOST_TEST((connected.handle != nullptr));
  BOOST_TEST(loop.run(fencing.register_term({2, 0}, {Rid{9}, Epoch{2}})).has_value());
  BOOST_TEST(loop.run(fencing.fence({2, 0}, victim.identity.who, elsewhere)).value());
  const nbd::Handshake again = nbd::shake_hands(disk.server->uri(), &victim, std::stop_token{});
  BOOST_TEST((again.handle == nullptr));
  BOOST_TEST(again.refused);
}

BOOST_AUTO_TEST_CASE(an_older_term_fences_nobody) {
  BOOST_TEST(loop.run(fencing.register_term({5, 1}, {Rid{9}, Epoch{5}})).has_value());
  const Incarnation victim{Rid{1}, Epoch{1}};
  BOOST_TEST(failed_with(loop.run(fencing.fence({4, 0}, victim, elsewhere)), Errc::fenced));
  BOOST_TEST(
      failed_with(loop.run(fencing.register_term({4, 0}, {Rid{8}, Epoch{4}})), Errc::fenced));
}

BOOST_AUTO_TEST_CASE(of_other_hosts_nothing_is_known_without_a_fence) {
  const Incarnation victim{Rid{1}, Epoch{1}};
  BOOST_TEST(!loop.run(fencing.confirm_dead(victim, elsewhere)).value());
}

BOOST_AUTO_TEST_CASE(a_server_that_is_gone_is_no_answer) {
  disk.server->stop();
  const Incarnation victim{Rid{1}, Epoch{1}};
  BOOST_TEST(
      failed_with(loop.run(fencing.fence({1, 0}, victim, elsewhere)), Errc::disconnected));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
