#include "sim/world.hpp"

#include "engine/async/scope.hpp"
#include "sim/random.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

Task<void> sleep_and_note(Scheduler& scheduler, TimeNs delay_ns, std::vector<TimeNs>* out) {
  co_await Sleep(scheduler, delay_ns);
  out->push_back(scheduler.now_ns());
}

BOOST_AUTO_TEST_CASE(events_of_one_instant_happen_in_the_order_they_were_scheduled) {
  EventQueue events;
  std::vector<int> order;
  events.at(20, [&order] { order.push_back(3); });
  for (int i = 0; i < 3; ++i) events.at(10, [&order, i] { order.push_back(i); });
  while (events.next_ns() != kForever) events.run_next();
  BOOST_TEST((order == std::vector<int>{0, 1, 2, 3}));
  BOOST_TEST(events.now_ns() == 20);
}

BOOST_AUTO_TEST_CASE(a_clock_shows_a_time_first_at_the_instant_it_names) {
  EventQueue events;
  for (const std::int64_t drift : {-500, -1, 0, 1, 200, 100'000}) {
    const NodeClock clock(events, {.start_ns = 7'000, .drift_ppm = drift, .wall_start_ns = 0});
    for (const TimeNs local : {7'001ULL, 8'000ULL, 1'000'003ULL, 99'999'999'999ULL}) {
      const TimeNs world = clock.world_time_of(local);
      EventQueue at;
      const NodeClock there(at, {.start_ns = 7'000, .drift_ppm = drift, .wall_start_ns = 0});
      at.advance(world - 1);
      BOOST_TEST(there.now_ns() < local);
      at.advance(world);
      BOOST_TEST(there.now_ns() >= local);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_sleeping_node_wakes_by_its_own_clock) {
  World world;
  const NodeClock fast(world.events(),
                       {.start_ns = 0, .drift_ppm = 100'000, .wall_start_ns = 0});
  Scheduler scheduler(fast);
  Actor actor(0, scheduler, fast);
  world.add(actor);
  std::vector<TimeNs> woke;
  TaskScope scope(scheduler);
  scope.spawn(sleep_and_note(scheduler, kSecond, &woke));
  while (world.step()) {
  }
  BOOST_TEST_REQUIRE(woke.size() == 1);
  BOOST_TEST(woke[0] >= kSecond);
  BOOST_TEST(world.now_ns() < kSecond * 10 / 11 + 2);
  world.remove(actor);
}

BOOST_AUTO_TEST_CASE(a_paused_node_goes_on_where_it_was_when_the_pause_ends) {
  World world;
  const NodeClock clock(world.events(), {});
  Scheduler scheduler(clock);
  Actor actor(0, scheduler, clock);
  world.add(actor);
  actor.pause_until(5 * kSecond);
  std::vector<TimeNs> woke;
  TaskScope scope(scheduler);
  scope.spawn(sleep_and_note(scheduler, kSecond, &woke));
  while (world.step()) {
  }
  BOOST_TEST_REQUIRE(woke.size() == 1);
  // It began to sleep only when it ran again.
  BOOST_TEST(woke[0] == 6 * kSecond);
  world.remove(actor);
}

BOOST_AUTO_TEST_CASE(streams_of_one_seed_are_independent_and_repeat) {
  SimRandom disk(1, Stream::disk);
  SimRandom again(1, Stream::disk);
  SimRandom network(1, Stream::network);
  const std::uint64_t first = disk.next();
  BOOST_TEST(first == again.next());
  BOOST_TEST(first != network.next());
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = disk.log_between(3, 1000);
    BOOST_TEST((value >= 3 && value <= 1000));
  }
}

BOOST_AUTO_TEST_CASE(the_trace_hash_depends_on_every_field_and_their_order) {
  const auto hash_of = [](auto... events) {
    Trace trace;
    (trace.event(events.when, events.node, events.kind, events.digest), ...);
    return trace.hash();
  };
  struct E {
    TimeNs when;
    unsigned node;
    EventKind kind;
    std::uint64_t digest;
  };
  const E a{1, 0, EventKind::run, 5};
  BOOST_TEST((hash_of(a) == hash_of(a)));
  BOOST_TEST(!(hash_of(a) == hash_of(E{2, 0, EventKind::run, 5})));
  BOOST_TEST(!(hash_of(a) == hash_of(E{1, 1, EventKind::run, 5})));
  BOOST_TEST(!(hash_of(a) == hash_of(E{1, 0, EventKind::log, 5})));
  BOOST_TEST(!(hash_of(a) == hash_of(E{1, 0, EventKind::run, 6})));
  const E b{1, 0, EventKind::log, 7};
  BOOST_TEST(!(hash_of(a, b) == hash_of(b, a)));
}

}  // namespace
}  // namespace scoutfs::sim
