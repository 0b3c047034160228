// Who is dead for certain, by what this host knows.
#include "node/host_fencing.hpp"

#include <fmt/core.h>
#include <signal.h>

#include <fstream>

#include "node/loop/event_loop.hpp"
#include "tests/support/node_files.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

HostId id_of(pid_t pid) {
  HostId id = host_id();
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string word;
  // The names of the test's children hold no space.
  for (int field = 1; field <= 22; ++field) in >> word;
  id.process = static_cast<std::uint64_t>(pid);
  id.process_start = std::stoull(word);
  return id;
}

// A process that has its final name.
struct Sleeper {
  Sleeper() { usleep(50'000); }
  testing::ChildProcess child{{"sleep", "600"}};
};

bool confirmed(EventLoop& loop, HostId host) {
  HostFencing fencing(loop.scheduler(), host_id());
  return loop.run(fencing.confirm_dead(Incarnation{}, std::move(host))).value();
}

BOOST_AUTO_TEST_SUITE(host_fencing)

BOOST_AUTO_TEST_CASE(the_own_process_has_an_identity_and_lives) {
  EventLoop loop;
  const HostId own = host_id();
  BOOST_TEST(own.machine.size() >= 32U);
  BOOST_TEST(own.machine.size() <= 64U);
  BOOST_TEST(own.boot.size() == 36U);
  BOOST_TEST(own.process_start != 0U);
  BOOST_TEST((id_of(getpid()) == own));
  BOOST_TEST(!confirmed(loop, own));
}

BOOST_AUTO_TEST_CASE(a_process_that_ended_is_dead_after_the_grace_time) {
  EventLoop loop;
  Sleeper sleeper;
  const HostId host = id_of(sleeper.child.pid());
  BOOST_TEST(!confirmed(loop, host));
  sleeper.child.end(SIGKILL);
  const TimeNs before = loop.clock().now_ns();
  BOOST_TEST(confirmed(loop, host));
  BOOST_TEST(loop.clock().now_ns() - before >= HostFencing::kGrace);
}

BOOST_AUTO_TEST_CASE(a_zombie_is_dead_though_nobody_has_reaped_it) {
  EventLoop loop;
  Sleeper sleeper;
  const HostId host = id_of(sleeper.child.pid());
  ::kill(sleeper.child.pid(), SIGKILL);
  usleep(50'000);
  BOOST_TEST(confirmed(loop, host));
}

BOOST_AUTO_TEST_CASE(a_stopped_process_is_alive) {
  EventLoop loop;
  Sleeper sleeper;
  ::kill(sleeper.child.pid(), SIGSTOP);
  BOOST_TEST(!confirmed(loop, id_of(sleeper.child.pid())));
}

BOOST_AUTO_TEST_CASE(another_process_with_the_number_of_the_dead_one_does_not_count) {
  EventLoop loop;
  HostId host = host_id();
  host.process_start -= 1;
  BOOST_TEST(confirmed(loop, host));
}

BOOST_AUTO_TEST_CASE(an_earlier_boot_is_dead_and_other_machines_are_unknown) {
  EventLoop loop;
  HostId host = host_id();
  host.boot = "00000000-0000-0000-0000-000000000000";
  BOOST_TEST(confirmed(loop, host));
  host.machine[0] = host.machine[0] == 'a' ? 'b' : 'a';
  BOOST_TEST(!confirmed(loop, host));
  BOOST_TEST(!confirmed(loop, HostId{}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
