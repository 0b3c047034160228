#include "engine/async/sync.hpp"

#include "engine/async/scope.hpp"
#include "tests/support/run.hpp"
#include "tests/test.hpp"

#include <deque>
#include <memory>

using namespace scoutfs;
using scoutfs::testing::ManualClock;
using Mode = SharedMutex::Mode;

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
  Log take() { return std::exchange(log, {}); }
};

Task<void> wait_event(Node* node, Event* event, std::string text) {
  co_await event->wait();
  node->log.push_back(text);
}
Task<void> wait_event_until(Node* node, Event* event, TimeNs deadline_ns) {
  const bool in_time = co_await event->wait_until(deadline_ns);
  node->log.push_back(in_time ? "set" : "late");
}
// Holds the mutex until its event is set.
Task<void> hold(Node* node, SharedMutex* mutex, Mode mode, std::string text, Event* until) {
  const SharedMutex::Guard guard = co_await mutex->lock(mode);
  node->log.push_back(text);
  co_await until->wait();
}
Task<void> use(Node* node, Semaphore* semaphore, std::uint64_t units, std::string text) {
  co_await semaphore->acquire(units);
  node->log.push_back(text);
}
Task<void> wait_shot(Node* node, OneShot<std::string> shot) {
  const std::string value = co_await shot.wait();
  node->log.push_back(value);
}
Task<void> wait_shot_until(Node* node, OneShot<std::string> shot, Cancellation* cancellation,
                           TimeNs deadline_ns) {
  const std::optional<std::string> value = co_await shot.wait(cancellation, deadline_ns);
  node->log.push_back(value.value_or("nothing"));
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_event_wakes_all_and_stays_set) {
  Node node;
  Event event(node.scheduler);
  node.scope.spawn(wait_event(&node, &event, "a"));
  node.scope.spawn(wait_event(&node, &event, "b"));
  node.scheduler.run();
  BOOST_TEST(node.take().empty());
  event.set();
  node.scheduler.run();
  BOOST_TEST(node.take() == (Log{"a", "b"}));
  node.scope.spawn(wait_event(&node, &event, "c"));
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"c"});
  event.reset();
  node.scope.spawn(wait_event(&node, &event, "d"));
  node.scheduler.run();
  BOOST_TEST(node.take().empty());
  node.scheduler.kill();
}

BOOST_AUTO_TEST_CASE(an_event_that_is_reset_before_its_waiter_runs_is_waited_for_again) {
  Node node;
  Event event(node.scheduler);
  node.scope.spawn(wait_event(&node, &event, "a"));
  node.scheduler.run();
  event.set();
  event.reset();
  node.scheduler.run();
  BOOST_TEST(node.take().empty());
  event.set();
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"a"});
}

BOOST_AUTO_TEST_CASE(waiting_for_an_event_ends_at_the_deadline) {
  Node node;
  Event event(node.scheduler);
  node.scope.spawn(wait_event_until(&node, &event, 10));
  node.scope.spawn(wait_event_until(&node, &event, 20));
  node.scheduler.run();
  node.advance(10);
  BOOST_TEST(node.take() == Log{"late"});
  event.set();
  node.advance(20);
  BOOST_TEST(node.take() == Log{"set"});
}

BOOST_AUTO_TEST_CASE(readers_share_and_a_writer_is_alone) {
  Node node;
  SharedMutex mutex(node.scheduler);
  Event first(node.scheduler), second(node.scheduler), third(node.scheduler);
  node.scope.spawn(hold(&node, &mutex, Mode::shared, "read 1", &first));
  node.scope.spawn(hold(&node, &mutex, Mode::shared, "read 2", &first));
  node.scope.spawn(hold(&node, &mutex, Mode::exclusive, "write 1", &second));
  node.scope.spawn(hold(&node, &mutex, Mode::exclusive, "write 2", &third));
  node.scheduler.run();
  BOOST_TEST(node.take() == (Log{"read 1", "read 2"}));
  first.set();
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"write 1"});
  second.set();
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"write 2"});
  BOOST_TEST(!mutex.idle());
  third.set();
  node.scheduler.run();
  BOOST_TEST(mutex.idle());
}

BOOST_AUTO_TEST_CASE(no_reader_overtakes_a_waiting_writer) {
  Node node;
  SharedMutex mutex(node.scheduler);
  Event first(node.scheduler), rest(node.scheduler);
  node.scope.spawn(hold(&node, &mutex, Mode::shared, "read 1", &first));
  node.scope.spawn(hold(&node, &mutex, Mode::exclusive, "write", &rest));
  node.scope.spawn(hold(&node, &mutex, Mode::shared, "read 2", &rest));
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"read 1"});
  BOOST_TEST(!mutex.try_lock(Mode::shared).has_value());
  first.set();
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"write"});
  rest.set();
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"read 2"});
}

BOOST_AUTO_TEST_CASE(trying_a_mutex_never_waits) {
  Node node;
  SharedMutex mutex(node.scheduler);
  {
    const auto one = mutex.try_lock(Mode::shared);
    const auto two = mutex.try_lock(Mode::shared);
    BOOST_TEST(one.has_value());
    BOOST_TEST(two.has_value());
    BOOST_TEST(!mutex.try_lock(Mode::exclusive).has_value());
  }
  const auto writer = mutex.try_lock(Mode::exclusive);
  BOOST_TEST(writer.has_value());
  BOOST_TEST(!mutex.try_lock(Mode::shared).has_value());
  BOOST_TEST(!mutex.idle());
}

BOOST_AUTO_TEST_CASE(a_guard_releases_once_wherever_it_is_moved) {
  Node node;
  SharedMutex mutex(node.scheduler);
  SharedMutex::Guard guard = *mutex.try_lock(Mode::exclusive);
  SharedMutex::Guard moved = std::move(guard);
  BOOST_TEST(moved.owns());
  guard = SharedMutex::Guard();
  BOOST_TEST(!mutex.idle());
  moved.release();
  moved.release();
  BOOST_TEST(mutex.idle());
  moved = *mutex.try_lock(Mode::shared);
  moved = *mutex.try_lock(Mode::shared);  // takes the second, then gives the first back
  BOOST_TEST(!mutex.try_lock(Mode::exclusive).has_value());
  moved.release();
  BOOST_TEST(mutex.idle());
}

// Outside a kill too, a frame that waits in line may be destroyed; those behind it go on.
namespace {

struct Loose {
  struct promise_type {
    Loose get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

Loose loose(Task<void> task) {
  co_await std::move(task);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_waiter_that_is_destroyed_in_line_blocks_nobody) {
  Node node;
  SharedMutex mutex(node.scheduler);
  Semaphore semaphore(node.scheduler, 0);
  Event first(node.scheduler), rest(node.scheduler);
  node.scope.spawn(hold(&node, &mutex, Mode::shared, "read 1", &first));
  node.scheduler.run();
  const Loose writer = loose(hold(&node, &mutex, Mode::exclusive, "write", &rest));
  node.scope.spawn(hold(&node, &mutex, Mode::shared, "read 2", &rest));
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"read 1"});
  writer.handle.destroy();
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"read 2"});

  const Loose large = loose(use(&node, &semaphore, 2, "large"));
  node.scope.spawn(use(&node, &semaphore, 1, "small"));
  semaphore.release(1);
  node.scheduler.run();
  BOOST_TEST(node.take().empty());
  large.handle.destroy();
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"small"});
  first.set();
  rest.set();
  node.scheduler.run();
}

BOOST_AUTO_TEST_CASE(a_waiter_that_is_destroyed_after_it_was_woken_passes_the_turn_on) {
  Node node;
  SharedMutex mutex(node.scheduler);
  Event never(node.scheduler);
  auto guard = mutex.try_lock(Mode::exclusive);
  const Loose first = loose(hold(&node, &mutex, Mode::exclusive, "first", &never));
  const Loose second = loose(hold(&node, &mutex, Mode::exclusive, "second", &never));
  guard.reset();  // wakes the first
  first.handle.destroy();
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"second"});
  second.handle.destroy();
  BOOST_TEST(mutex.idle());
}

BOOST_AUTO_TEST_CASE(a_semaphore_serves_in_order_even_if_a_later_one_would_fit) {
  Node node;
  Semaphore semaphore(node.scheduler, 3);
  node.scope.spawn(use(&node, &semaphore, 2, "a"));
  node.scope.spawn(use(&node, &semaphore, 2, "b"));
  node.scope.spawn(use(&node, &semaphore, 1, "c"));
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"a"});
  BOOST_TEST(semaphore.free() == 1);
  semaphore.release(1);
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"b"});
  semaphore.release(1);
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"c"});
  BOOST_TEST(semaphore.free() == 0);
}

BOOST_AUTO_TEST_CASE(one_release_may_serve_several) {
  Node node;
  Semaphore semaphore(node.scheduler, 0);
  for (const char* text : {"a", "b", "c"}) {
    node.scope.spawn(use(&node, &semaphore, 1, text));
  }
  node.scheduler.run();
  semaphore.release(3);
  node.scheduler.run();
  BOOST_TEST(node.take() == (Log{"a", "b", "c"}));
}

BOOST_AUTO_TEST_CASE(a_one_shot_carries_one_value_in_either_order) {
  Node node;
  const OneShot<std::string> before(node.scheduler), after(node.scheduler);
  before.set("before");
  before.set("ignored");
  node.scope.spawn(wait_shot(&node, before));
  node.scope.spawn(wait_shot(&node, after));
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"before"});
  after.set("after");
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"after"});
}

BOOST_AUTO_TEST_CASE(a_one_shot_ends_early_by_deadline_or_cancellation) {
  Node node;
  Cancellation cancellation(node.scheduler);
  const OneShot<std::string> shot(node.scheduler), other(node.scheduler);
  node.scope.spawn(wait_shot_until(&node, shot, nullptr, 10));
  node.scope.spawn(wait_shot_until(&node, other, &cancellation, kForever));
  node.scheduler.run();
  node.advance(10);
  BOOST_TEST(node.take() == Log{"nothing"});
  shot.set("too late");
  cancellation.request();
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"nothing"});
}

BOOST_AUTO_TEST_CASE(a_value_that_arrives_with_the_cancellation_is_not_lost) {
  Node node;
  Cancellation cancellation(node.scheduler);
  const OneShot<std::string> shot(node.scheduler);
  node.scope.spawn(wait_shot_until(&node, shot, &cancellation, kForever));
  node.scheduler.run();
  cancellation.request();
  shot.set("value");
  node.scheduler.run();
  BOOST_TEST(node.take() == Log{"value"});
}

// Against a model of a fair reader-writer lock: who is admitted, in which order, at each step.
namespace {

struct Request {
  Mode mode;
  std::unique_ptr<Event> release;
};

// The longest run at the front of `waiting` that may enter beside `holders`.
std::size_t admissible(const std::deque<Mode>& holders, const std::deque<Mode>& waiting) {
  std::size_t count = 0;
  std::size_t readers = 0, writers = 0;
  for (const Mode mode : holders) (mode == Mode::shared ? readers : writers) += 1;
  for (const Mode mode : waiting) {
    if (writers > 0 || (mode == Mode::exclusive && readers > 0)) break;
    (mode == Mode::shared ? readers : writers) += 1;
    ++count;
  }
  return count;
}

}  // namespace

RC_BOOST_PROP(a_shared_mutex_admits_as_its_model_does, (std::vector<std::uint8_t> steps)) {
  Node node;
  SharedMutex mutex(node.scheduler);
  std::vector<Request> requests;
  std::deque<std::size_t> holders, waiting;
  for (const std::uint8_t step : steps) {
    if (step % 3 != 0 || holders.empty()) {
      const Mode mode = step % 2 == 0 ? Mode::shared : Mode::exclusive;
      const std::string name = std::to_string(requests.size());
      requests.push_back({mode, std::make_unique<Event>(node.scheduler)});
      node.scope.spawn(hold(&node, &mutex, mode, name, requests.back().release.get()));
      waiting.push_back(requests.size() - 1);
    } else {
      const std::size_t at = step % holders.size();
      requests[holders[at]].release->set();
      holders.erase(holders.begin() + static_cast<std::ptrdiff_t>(at));
    }
    node.scheduler.run();
    std::deque<Mode> held, queued;
    for (const std::size_t i : holders) held.push_back(requests[i].mode);
    for (const std::size_t i : waiting) queued.push_back(requests[i].mode);
    Log expected;
    for (std::size_t count = admissible(held, queued); count > 0; --count) {
      expected.push_back(std::to_string(waiting.front()));
      holders.push_back(waiting.front());
      waiting.pop_front();
    }
    RC_ASSERT(node.take() == expected);
    RC_ASSERT(mutex.idle() == (holders.empty() && waiting.empty()));
  }
  node.scheduler.kill();
}
