#include "engine/async/scheduler.hpp"

#include "engine/async/sync.hpp"
#include "tests/support/run.hpp"
#include "tests/test.hpp"

using namespace scoutfs;
using scoutfs::testing::ManualClock;

namespace {

using Log = std::vector<std::string>;

struct Node {
  ManualClock clock;
  Scheduler scheduler{clock};
  Log log;
  TaskScope scope{scheduler};

  ~Node() { scheduler.kill(); }
  void advance(TimeNs now_ns) {
    clock.set(now_ns);
    scheduler.run();
  }
};

Task<void> sleep_then_log(Node* node, TimeNs delay_ns, std::string text) {
  co_await Sleep(node->scheduler, delay_ns);
  node->log.push_back(text);
}

Task<void> sleep_until_cancelled(Node* node, TimeNs delay_ns, Cancellation* cancellation) {
  co_await Sleep(node->scheduler, delay_ns, cancellation);
  node->log.push_back(cancellation->requested() ? "cancelled" : "slept");
}

Task<void> wait_on(Node* node, WaitQueue* queue, TimeNs deadline_ns,
                   Cancellation* cancellation = nullptr) {
  const Wake wake = co_await queue->wait(cancellation, deadline_ns);
  switch (wake) {
    case Wake::woken:
      node->log.push_back("woken");
      break;
    case Wake::timed_out:
      node->log.push_back("timed out");
      break;
    case Wake::cancelled:
      node->log.push_back("cancelled");
      break;
  }
}

Task<void> yield_and_log(Node* node, std::string text, int times) {
  for (int i = 0; i < times; ++i) {
    node->log.push_back(text);
    co_await Yield(node->scheduler);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(timers_fire_in_the_order_of_their_deadlines_and_then_of_setting) {
  Node node;
  node.scope.spawn(sleep_then_log(&node, 30, "c"));
  node.scope.spawn(sleep_then_log(&node, 10, "a"));
  node.scope.spawn(sleep_then_log(&node, 20, "b1"));
  node.scope.spawn(sleep_then_log(&node, 20, "b2"));
  node.scheduler.run();
  BOOST_TEST(node.log.empty());
  BOOST_TEST(node.scheduler.next_deadline_ns() == 10);
  node.advance(9);
  BOOST_TEST(node.log.empty());
  node.advance(10);
  BOOST_TEST(node.log == Log{"a"});
  BOOST_TEST(node.scheduler.next_deadline_ns() == 20);
  node.advance(1000);
  BOOST_TEST(node.log == (Log{"a", "b1", "b2", "c"}));
  BOOST_TEST(node.scheduler.next_deadline_ns() == kForever);
}

BOOST_AUTO_TEST_CASE(a_deadline_in_the_past_fires_at_once_and_a_huge_one_never) {
  Node node;
  WaitQueue queue(node.scheduler);
  node.clock.set(100);
  node.scope.spawn(wait_on(&node, &queue, 50));
  node.scope.spawn(sleep_then_log(&node, kForever, "never"));
  node.scheduler.run();
  BOOST_TEST(node.log == Log{"timed out"});
  node.advance(kForever - 2);
  BOOST_TEST(node.log == Log{"timed out"});
  node.scheduler.kill();
}

BOOST_AUTO_TEST_CASE(whatever_comes_first_wakes_and_the_others_find_nobody) {
  Node node;
  WaitQueue queue(node.scheduler);
  Cancellation cancellation(node.scheduler);
  node.scope.spawn(wait_on(&node, &queue, 50, &cancellation));
  node.scheduler.run();
  queue.wake_one();
  cancellation.request();
  node.advance(60);
  BOOST_TEST(node.log == Log{"woken"});
  BOOST_TEST(node.scheduler.next_deadline_ns() == kForever);
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_leaves_its_queue) {
  Node node;
  WaitQueue queue(node.scheduler);
  Cancellation cancellation(node.scheduler);
  node.scope.spawn(wait_on(&node, &queue, kForever, &cancellation));
  node.scope.spawn(wait_on(&node, &queue, kForever));
  node.scheduler.run();
  cancellation.request();
  queue.wake_one();  // goes to the second: the first is in the queue no more
  node.scheduler.run();
  BOOST_TEST(node.log == (Log{"cancelled", "woken"}));
  BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(a_wait_that_is_cancelled_before_it_begins_does_not_suspend) {
  Node node;
  WaitQueue queue(node.scheduler);
  Cancellation cancellation(node.scheduler);
  cancellation.request();
  node.scope.spawn(wait_on(&node, &queue, kForever, &cancellation));
  node.scheduler.run();
  BOOST_TEST(node.log == Log{"cancelled"});
}

BOOST_AUTO_TEST_CASE(one_cancellation_wakes_all_who_wait_with_it) {
  Node node;
  Cancellation cancellation(node.scheduler);
  for (int i = 0; i < 3; ++i) {
    node.scope.spawn(sleep_until_cancelled(&node, 100, &cancellation));
  }
  node.scheduler.run();
  cancellation.request();
  cancellation.request();
  node.scheduler.run();
  BOOST_TEST(node.log == (Log{"cancelled", "cancelled", "cancelled"}));
  BOOST_TEST(node.scheduler.next_deadline_ns() == kForever);
}

BOOST_AUTO_TEST_CASE(a_cancellation_may_die_before_those_who_wait_with_it) {
  Node node;
  WaitQueue queue(node.scheduler);
  auto cancellation = std::make_unique<Cancellation>(node.scheduler);
  node.scope.spawn(wait_on(&node, &queue, kForever, cancellation.get()));
  node.scheduler.run();
  cancellation.reset();
  queue.wake_one();
  node.scheduler.run();
  BOOST_TEST(node.log == Log{"woken"});
}

BOOST_AUTO_TEST_CASE(yield_lets_everybody_else_run_first) {
  Node node;
  node.scope.spawn(yield_and_log(&node, "a", 3));
  node.scope.spawn(yield_and_log(&node, "b", 3));
  node.scheduler.run();
  BOOST_TEST(node.log == (Log{"a", "b", "a", "b", "a", "b"}));
}

BOOST_AUTO_TEST_CASE(run_stops_at_its_limit_and_goes_on_where_it_was) {
  Node node;
  node.scope.spawn(yield_and_log(&node, "a", 2));
  node.scope.spawn(yield_and_log(&node, "b", 2));
  BOOST_TEST(node.scheduler.run(3) == 3);
  BOOST_TEST(node.log == (Log{"a", "b", "a"}));
  BOOST_TEST(!node.scheduler.idle());
  BOOST_TEST(node.scheduler.run() == 3);
  BOOST_TEST(node.log == (Log{"a", "b", "a", "b"}));
  BOOST_TEST(node.scheduler.idle());
}

BOOST_AUTO_TEST_CASE(waking_resumes_nobody_until_the_loop_runs) {
  Node node;
  WaitQueue queue(node.scheduler);
  node.scope.spawn(wait_on(&node, &queue, kForever));
  node.scheduler.run();
  queue.wake_all();
  BOOST_TEST(node.log.empty());
  BOOST_TEST(queue.empty());
  node.scheduler.run();
  BOOST_TEST(node.log == Log{"woken"});
}
