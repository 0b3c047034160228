// The gate, with threads: what the tests wait for happens, whenever it does; nothing is timed.
#include "nbd/plugin/client_gate.hpp"

#include <atomic>
#include <thread>

namespace scoutfs::nbd {
namespace {

using Session = ClientGate::Session;
using Kind = ClientGate::Kind;
constexpr Epoch kEpoch{1};
constexpr unsigned kLongMs = 60'000;

// True once `condition` holds.
template <class Condition>
bool eventually(const Condition& condition) {
  while (!condition()) std::this_thread::yield();
  return true;
}

BOOST_AUTO_TEST_SUITE(client_gate)

BOOST_AUTO_TEST_CASE(a_session_is_let_in_until_the_gate_is_shut) {
  ClientGate gate;
  const Session session{kEpoch, 1};
  BOOST_TEST(gate.connect(session, 5, 0).has_value());
  BOOST_TEST(gate.enter(session, Kind::read, 6));
  gate.leave(session);
  gate.shut(kEpoch);
  BOOST_TEST(!gate.enter(session, Kind::read, 7));
  BOOST_TEST(failed_with(gate.connect({kEpoch, 2}, 8, 0), Errc::fenced));
  const ClientGate::Activity activity = gate.activity();
  BOOST_TEST(activity.shut);
  BOOST_TEST(activity.reads == 1u);
  BOOST_TEST(activity.since_ns == 5);
  BOOST_TEST(activity.last_io_ns == 6);
}

BOOST_AUTO_TEST_CASE(a_newer_session_ends_the_older_one) {
  ClientGate gate;
  BOOST_TEST(gate.connect({kEpoch, 1}, 1, 0).has_value());
  BOOST_TEST(gate.connect({kEpoch, 2}, 1, 0).has_value());
  BOOST_TEST(!gate.enter({kEpoch, 1}, Kind::write, 2));
  BOOST_TEST(gate.enter({kEpoch, 2}, Kind::write, 2));
  gate.leave({kEpoch, 2});
  BOOST_TEST(failed_with(gate.connect({kEpoch, 1}, 3, 0), Errc::stale));
  gate.disconnect({kEpoch, 1});
  BOOST_TEST(gate.activity().connections == 1u);
}

BOOST_AUTO_TEST_CASE(connections_of_one_session_stand_beside_each_other) {
  ClientGate gate;
  const Session session{kEpoch, 4};
  BOOST_TEST(gate.connect(session, 1, 0).has_value());
  BOOST_TEST(gate.enter(session, Kind::write, 2));
  BOOST_TEST(gate.connect(session, 1, 0).has_value());
  BOOST_TEST(gate.activity().connections == 2u);
  gate.leave(session);
}

BOOST_AUTO_TEST_CASE(a_new_session_waits_for_the_requests_of_the_old_one) {
  ClientGate gate;
  const Session old{kEpoch, 1}, young{kEpoch, 2};
  BOOST_TEST(gate.connect(old, 1, 0).has_value());
  BOOST_TEST(gate.enter(old, Kind::write, 2));
  BOOST_TEST(failed_with(gate.connect(young, 3, 1), Errc::busy));
  std::atomic<bool> admitted = false;
  std::jthread waiting([&] { admitted = gate.connect(young, 3, kLongMs).has_value(); });
  BOOST_TEST(eventually([&] { return gate.activity().session == young; }));
  BOOST_TEST(!admitted);
  gate.leave(old);
  waiting.join();
  BOOST_TEST(admitted);
}

BOOST_AUTO_TEST_CASE(a_fence_waits_for_what_is_inside_and_ends_who_waits_to_come_in) {
  ClientGate gate;
  const Session old{kEpoch, 1}, young{kEpoch, 2};
  BOOST_TEST(gate.connect(old, 1, 0).has_value());
  BOOST_TEST(gate.enter(old, Kind::write, 2));
  std::atomic<bool> refused = false, drained = false;
  std::jthread connecting(
      [&] { refused = failed_with(gate.connect(young, 3, kLongMs), Errc::fenced); });
  BOOST_TEST(eventually([&] { return gate.activity().session == young; }));
  gate.shut(kEpoch);
  connecting.join();
  BOOST_TEST(refused);
  std::jthread fencing([&] {
    gate.drain(kEpoch);
    drained = true;
  });
  BOOST_TEST(!drained);
  gate.leave(old);
  fencing.join();
  BOOST_TEST(drained);
}

BOOST_AUTO_TEST_CASE(a_later_epoch_is_not_covered_by_the_fence_of_an_earlier_one) {
  ClientGate gate;
  gate.shut(kEpoch);
  const Session later{Epoch{2}, 1};
  BOOST_TEST(gate.connect(later, 1, 0).has_value());
  BOOST_TEST(gate.enter(later, Kind::write, 2));
  gate.drain(kEpoch);
  gate.leave(later);
}

// Many threads enter and leave; after the drain nobody is inside and nobody gets in.
BOOST_AUTO_TEST_CASE(nothing_runs_after_a_drain) {
  for (int round = 0; round < 50; ++round) {
    ClientGate gate;
    const Session session{kEpoch, 1};
    BOOST_REQUIRE(gate.connect(session, 1, 0).has_value());
    std::atomic<int> inside = 0, turns = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        while (gate.enter(session, Kind::write, 1)) {
          ++inside;
          ++turns;
          std::this_thread::yield();
          --inside;
          gate.leave(session);
        }
      });
    }
    BOOST_REQUIRE(eventually([&] { return turns > 20; }));
    gate.shut(kEpoch);
    gate.drain(kEpoch);
    BOOST_REQUIRE(inside == 0);
    threads.clear();
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::nbd
