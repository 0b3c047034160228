// A node may die at any moment: whatever its coroutines wait for, their frames are destroyed,
// all of them, once, with what they hold. Run under AddressSanitizer this finds what is left
// linked.
#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "tests/support/run.hpp"
#include "tests/test.hpp"

#include <memory>
#include <optional>

using namespace scoutfs;
using scoutfs::testing::ManualClock;

namespace {

struct Node;

// Lives in a frame and counts the living frames.
struct Alive {
  explicit Alive(int* count) : count_(count) { ++*count_; }
  ~Alive() { --*count_; }
  int* count_;
};

struct Node {
  ManualClock clock;
  std::optional<Scheduler> scheduler{std::in_place, clock};
  int alive = 0;
  std::vector<std::string> log;

  Scheduler& sched() { return *scheduler; }
};

struct Things {
  explicit Things(Scheduler& scheduler)
      : queue(scheduler),
        event(scheduler),
        mutex(scheduler),
        semaphore(scheduler, 1),
        cancellation(scheduler),
        shot(scheduler) {}
  WaitQueue queue;
  Event event;
  SharedMutex mutex;
  Semaphore semaphore;
  Cancellation cancellation;
  OneShot<int> shot;
};

Task<void> wait_queue(Node* node, Things* things) {
  const Alive alive(&node->alive);
  co_await things->queue.wait();
}
Task<void> wait_event(Node* node, Things* things) {
  const Alive alive(&node->alive);
  co_await things->event.wait();
}
Task<void> hold_mutex(Node* node, Things* things, SharedMutex::Mode mode) {
  const Alive alive(&node->alive);
  const SharedMutex::Guard guard = co_await things->mutex.lock(mode);
  co_await things->queue.wait();
}
Task<void> take_semaphore(Node* node, Things* things) {
  const Alive alive(&node->alive);
  co_await things->semaphore.acquire(1);
  co_await things->queue.wait();
}
Task<void> wait_shot(Node* node, Things* things) {
  const Alive alive(&node->alive);
  const int value = co_await things->shot.wait();
  node->log.push_back(std::to_string(value));
}
Task<void> sleep(Node* node, Things* things) {
  const Alive alive(&node->alive);
  co_await Sleep(node->sched(), 1000, &things->cancellation);
}
Task<void> yield_forever(Node* node) {
  const Alive alive(&node->alive);
  while (true) co_await Yield(node->sched());
}
Task<void> nest(Node* node, Things* things, int levels) {
  const Alive alive(&node->alive);
  if (levels == 0) co_await things->queue.wait();
  if (levels > 0) co_await nest(node, things, levels - 1);
}
// A scope of its own inside a frame, with tasks that refer to the frame.
Task<void> wait_for_child(Node* node, Things* things, const int* parent) {
  const Alive alive(&node->alive);
  co_await things->queue.wait();
  node->log.push_back(std::to_string(*parent));
}
Task<void> parent(Node* node, Things* things) {
  const Alive alive(&node->alive);
  const int own = 7;
  TaskScope scope(node->sched());
  scope.spawn(wait_for_child(node, things, &own));
  scope.spawn(wait_for_child(node, things, &own));
  co_await scope.drain();
}

void spawn_everything(Node& node, Things& things, TaskScope& scope) {
  scope.spawn(wait_queue(&node, &things));
  scope.spawn(wait_event(&node, &things));
  scope.spawn(hold_mutex(&node, &things, SharedMutex::Mode::exclusive));
  scope.spawn(hold_mutex(&node, &things, SharedMutex::Mode::shared));
  scope.spawn(hold_mutex(&node, &things, SharedMutex::Mode::exclusive));
  scope.spawn(take_semaphore(&node, &things));
  scope.spawn(take_semaphore(&node, &things));
  scope.spawn(take_semaphore(&node, &things));
  scope.spawn(wait_shot(&node, &things));
  scope.spawn(sleep(&node, &things));
  scope.spawn(yield_forever(&node));
  scope.spawn(nest(&node, &things, 20));
  scope.spawn(parent(&node, &things));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_kill_destroys_every_frame_whatever_it_waits_for) {
  // Killed after each possible number of resumptions.
  for (std::uint64_t steps = 0; steps < 60; ++steps) {
    Node node;
    Things things(node.sched());
    TaskScope scope(node.sched());
    spawn_everything(node, things, scope);
    node.sched().run(steps);
    node.sched().kill();
    BOOST_TEST(node.alive == 0);
    BOOST_TEST(scope.running() == 0);
    BOOST_TEST(node.sched().idle());
    BOOST_TEST(node.sched().next_deadline_ns() == kForever);
    BOOST_TEST(things.queue.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_kill_with_everybody_just_woken_is_clean) {
  Node node;
  Things things(node.sched());
  TaskScope scope(node.sched());
  spawn_everything(node, things, scope);
  node.sched().run(60);
  things.queue.wake_all();
  things.event.set();
  things.cancellation.request();
  things.shot.set(5);
  node.sched().kill();
  BOOST_TEST(node.alive == 0);
  BOOST_TEST(node.log.empty());
}

BOOST_AUTO_TEST_CASE(what_completes_after_a_kill_finds_nobody) {
  std::optional<OneShot<int>> late;
  Node node;
  {
    Things things(node.sched());
    late = things.shot;
    TaskScope scope(node.sched());
    scope.spawn(wait_shot(&node, &things));
    node.sched().run();
    node.sched().kill();
    things.queue.wake_all();
    things.event.set();
    things.cancellation.request();
  }
  late->set(5);
  BOOST_TEST(node.log.empty());
  BOOST_TEST(node.sched().idle());
}

BOOST_AUTO_TEST_CASE(a_kill_before_anything_ran_destroys_the_arguments) {
  Node node;
  const auto shared = std::make_shared<int>(1);
  TaskScope scope(node.sched());
  scope.spawn([](std::shared_ptr<int>) -> Task<void> { co_return; }(shared));
  BOOST_TEST(shared.use_count() == 2);
  node.sched().kill();
  BOOST_TEST(shared.use_count() == 1);
}

namespace {

// What a task of the younger scope refers to lives in a frame of the older one.
struct NameOnDeath {
  ~NameOnDeath() { log->push_back(*name); }
  std::vector<std::string>* log;
  const std::string* name;
};

Task<void> hold_name(Node* node, const std::string** shown) {
  const std::string name = "a name that is too long for the small buffer";
  *shown = &name;
  co_await Sleep(node->sched(), 1000);
}

Task<void> use_name(Node* node, const std::string* const* shown) {
  const NameOnDeath last_word{.log = &node->log, .name = *shown};
  co_await Sleep(node->sched(), 1000);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_youngest_scope_dies_first_while_what_it_refers_to_is_there) {
  Node node;
  const std::string* shown = nullptr;
  TaskScope older(node.sched());
  TaskScope younger(node.sched());
  older.spawn(hold_name(&node, &shown));
  node.sched().run();
  younger.spawn(use_name(&node, &shown));
  node.sched().run();
  node.sched().kill();
  BOOST_TEST(node.log.size() == 1);
  BOOST_TEST(node.log.front().starts_with("a name"));
}

namespace {

struct Session {
  explicit Session(Scheduler& scheduler) : scope(scheduler) {}
  TaskScope scope;
};

Task<void> own_session(Node* node, std::shared_ptr<Session> session) {
  const Alive alive(&node->alive);
  co_await Sleep(node->sched(), 1000);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_task_that_owns_its_own_scope_takes_it_along) {
  Node node;
  auto session = std::make_shared<Session>(node.sched());
  const std::weak_ptr<Session> watch = session;
  session->scope.spawn(own_session(&node, session));
  session->scope.spawn(own_session(&node, session));
  session.reset();
  node.sched().run();
  BOOST_TEST(!watch.expired());
  node.sched().kill();
  BOOST_TEST(watch.expired());
  BOOST_TEST(node.alive == 0);
}

BOOST_AUTO_TEST_CASE(a_task_that_owns_its_own_scope_ends_it_when_it_is_done) {
  Node node;
  auto session = std::make_shared<Session>(node.sched());
  const std::weak_ptr<Session> watch = session;
  session->scope.spawn(own_session(&node, session));
  session.reset();
  node.sched().run();
  node.clock.set(1000);
  node.sched().run();
  BOOST_TEST(watch.expired());
  BOOST_TEST(node.alive == 0);
}

RC_BOOST_PROP(a_kill_at_any_moment_of_any_schedule_is_clean,
              (std::vector<std::uint8_t> steps)) {
  Node node;
  Things things(node.sched());
  TaskScope scope(node.sched());
  for (const std::uint8_t step : steps) {
    switch (step % 12) {
      case 0:
        scope.spawn(wait_queue(&node, &things));
        break;
      case 1:
        scope.spawn(hold_mutex(&node, &things, SharedMutex::Mode::shared));
        break;
      case 2:
        scope.spawn(hold_mutex(&node, &things, SharedMutex::Mode::exclusive));
        break;
      case 3:
        scope.spawn(take_semaphore(&node, &things));
        break;
      case 4:
        scope.spawn(sleep(&node, &things));
        break;
      case 5:
        scope.spawn(parent(&node, &things));
        break;
      case 6:
        things.queue.wake_one();
        break;
      case 7:
        things.queue.wake_all();
        break;
      case 8:
        node.clock.set(node.clock.now_ns() + 300);
        break;
      case 9:
        things.semaphore.release(1);
        break;
      default:
        node.sched().run(step);
        break;
    }
  }
  node.sched().kill();
  RC_ASSERT(node.alive == 0);
  RC_ASSERT(node.sched().idle());
}
