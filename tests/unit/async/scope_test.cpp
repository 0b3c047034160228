#include "engine/async/scope.hpp"

#include "engine/async/sync.hpp"
#include "tests/support/run.hpp"
#include "tests/test.hpp"

using namespace scoutfs;
using scoutfs::testing::World;

namespace {

using Log = std::vector<std::string>;

Task<void> log_after(Scheduler* scheduler, TimeNs delay_ns, Log* log, std::string text) {
  co_await Sleep(*scheduler, delay_ns);
  log->push_back(text);
}

Task<void> log_now(Log* log, std::string text) {
  log->push_back(text);
  co_return;
}

Task<void> spawn_two_and_drain(Scheduler* scheduler, Log* log) {
  TaskScope scope(*scheduler);
  scope.spawn(log_after(scheduler, 20, log, "slow"));
  scope.spawn(log_after(scheduler, 10, log, "fast"));
  log->push_back("spawned");
  co_await scope.drain();
  log->push_back("drained");
}

Task<void> spawn_again(Scheduler* scheduler, TaskScope* scope, Log* log, int times) {
  co_await Sleep(*scheduler, 10);
  log->push_back(std::to_string(times));
  if (times > 0) scope->spawn(spawn_again(scheduler, scope, log, times - 1));
}

Task<void> drain_chain(Scheduler* scheduler, Log* log) {
  TaskScope scope(*scheduler);
  scope.spawn(spawn_again(scheduler, &scope, log, 3));
  co_await scope.drain();
  log->push_back("drained");
}

Task<void> drain_then_log(TaskScope* scope, Log* log, std::string text) {
  co_await scope->drain();
  log->push_back(text);
}

}  // namespace

BOOST_AUTO_TEST_CASE(spawning_runs_nothing_by_itself) {
  World world;
  Log log;
  TaskScope scope(world.scheduler);
  scope.spawn(log_now(&log, "a"));
  BOOST_TEST(log.empty());
  BOOST_TEST(scope.running() == 1);
  world.scheduler.run();
  BOOST_TEST(log == Log{"a"});
  BOOST_TEST(scope.running() == 0);
}

BOOST_AUTO_TEST_CASE(draining_waits_for_every_task) {
  World world;
  Log log;
  world.run(spawn_two_and_drain(&world.scheduler, &log));
  BOOST_TEST(log == (Log{"spawned", "fast", "slow", "drained"}));
}

BOOST_AUTO_TEST_CASE(draining_waits_for_tasks_that_tasks_spawn) {
  World world;
  Log log;
  world.run(drain_chain(&world.scheduler, &log));
  BOOST_TEST(log == (Log{"3", "2", "1", "0", "drained"}));
}

BOOST_AUTO_TEST_CASE(draining_an_idle_scope_takes_no_time) {
  World world;
  TaskScope scope(world.scheduler);
  world.run(scope.drain());
  BOOST_TEST(world.clock.now_ns() == 0);
}

BOOST_AUTO_TEST_CASE(several_may_drain_one_scope) {
  World world;
  Log log;
  TaskScope inner(world.scheduler);
  TaskScope outer(world.scheduler);
  inner.spawn(log_after(&world.scheduler, 10, &log, "done"));
  outer.spawn(drain_then_log(&inner, &log, "first"));
  outer.spawn(drain_then_log(&inner, &log, "second"));
  world.run(outer.drain());
  BOOST_TEST(log == (Log{"done", "first", "second"}));
}

BOOST_AUTO_TEST_CASE(tasks_start_in_the_order_in_which_they_were_spawned) {
  World world;
  Log log;
  TaskScope scope(world.scheduler);
  for (const char* text : {"a", "b", "c"}) scope.spawn(log_now(&log, text));
  world.scheduler.run();
  BOOST_TEST(log == (Log{"a", "b", "c"}));
}

BOOST_AUTO_TEST_CASE(a_finished_task_has_freed_its_frame_when_the_drain_completes) {
  World world;
  const auto shared = std::make_shared<int>(1);
  TaskScope scope(world.scheduler);
  scope.spawn([](std::shared_ptr<int>) -> Task<void> { co_return; }(shared));
  world.run(scope.drain());
  BOOST_TEST(shared.use_count() == 1);
}
