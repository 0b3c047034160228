// The event loop: files, timers, posted functions, signals.
#include "node/loop/event_loop.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "engine/async/sync.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    SCOUTFS_ASSERT(pipe(ends.data()) == 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  void fill() const { SCOUTFS_ASSERT(::write(in.get(), "x", 1) == 1); }
  UniqueFd out, in;
};

Task<TimeNs> sleep_for(Scheduler& scheduler, TimeNs delay_ns) {
  const TimeNs before = scheduler.now_ns();
  co_await Sleep(scheduler, delay_ns);
  co_return scheduler.now_ns() - before;
}

BOOST_AUTO_TEST_SUITE(event_loop)

BOOST_AUTO_TEST_CASE(a_timer_wakes_the_loop_not_much_too_late) {
  EventLoop loop;
  const TimeNs slept = loop.run(sleep_for(loop.scheduler(), 20 * kMillisecond));
  BOOST_TEST(slept >= 20 * kMillisecond);
  BOOST_TEST(slept < 2 * kSecond);
}

BOOST_AUTO_TEST_CASE(a_watched_file_calls_its_handler_while_it_is_ready) {
  EventLoop loop;
  Pipe pipe;
  int calls = 0;
  const Watch watch = loop.watch(pipe.out.get(), EPOLLIN, [&](std::uint32_t events) {
    BOOST_TEST((events & EPOLLIN) != 0U);
    if (++calls < 3) return;
    char byte = 0;
    BOOST_TEST(::read(pipe.out.get(), &byte, 1) == 1);
    loop.stop();
  });
  pipe.fill();
  loop.run();
  BOOST_TEST(calls == 3);
  loop.turn(0);
  BOOST_TEST(calls == 3);
}

BOOST_AUTO_TEST_CASE(a_handler_may_remove_other_watches_and_itself) {
  EventLoop loop;
  Pipe first, second;
  int calls = 0;
  Watch a, b;
  const auto handler = [&](std::uint32_t) {
    ++calls;
    a.reset();
    b.reset();
  };
  a = loop.watch(first.out.get(), EPOLLIN, handler);
  b = loop.watch(second.out.get(), EPOLLIN, handler);
  first.fill();
  second.fill();
  loop.turn(0);
  loop.turn(0);
  BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(functions_posted_by_threads_run_on_the_loops_thread_in_order) {
  EventLoop loop;
  const auto own = std::this_thread::get_id();
  std::vector<int> seen;
  std::thread helper([&] {
    for (int i = 0; i < 1000; ++i) {
      loop.post([&seen, &loop, own, i] {
        SCOUTFS_ASSERT(std::this_thread::get_id() == own);
        seen.push_back(i);
        if (i == 999) loop.stop();
      });
    }
  });
  loop.run();
  helper.join();
  BOOST_REQUIRE(seen.size() == 1000U);
  for (int i = 0; i < 1000; ++i) BOOST_TEST(seen[static_cast<std::size_t>(i)] == i);
}

BOOST_AUTO_TEST_CASE(signals_become_calls) {
  EventLoop loop;
  int calls = 0;
  loop.on_signal(SIGUSR1, [&] { ++calls; });
  loop.on_signal(SIGUSR2, [&] { loop.stop(); });
  ::kill(getpid(), SIGUSR1);
  ::kill(getpid(), SIGUSR2);
  loop.run();
  BOOST_TEST(calls == 1);
}

Task<void> spin(Scheduler& scheduler, const bool* end) {
  while (!*end) co_await Yield(scheduler);
}

BOOST_AUTO_TEST_CASE(a_busy_engine_does_not_starve_files) {
  EventLoop loop;
  Pipe pipe;
  bool end = false;
  const Watch watch = loop.watch(pipe.out.get(), EPOLLIN, [&](std::uint32_t) { end = true; });
  pipe.fill();
  loop.run(spin(loop.scheduler(), &end));
  BOOST_TEST(end);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
