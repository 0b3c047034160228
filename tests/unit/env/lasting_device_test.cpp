// A device whose connection breaks, against one that breaks on command.
#include "engine/env/lasting_device.hpp"

#include <deque>

#include "engine/async/scope.hpp"
#include "engine/base/codec.hpp"
#include "tests/support/run.hpp"

namespace scoutfs {
namespace {

class SilentLog final : public Log {
 public:
  void write(LogLevel, std::string_view) override {}
  bool enabled(LogLevel) const override { return false; }
};

// Loses its connection when told; what is asked meanwhile, and what hangs, fails.
class BreakingLink final : public DeviceLink {
 public:
  explicit BreakingLink(Scheduler& scheduler) : released(scheduler), scheduler_(scheduler) {}
  std::uint64_t block_count() const override { return 16; }
  Task<Result<void>> read(BlockNo, std::span<std::byte>) override {
    co_return co_await request();
  }
  Task<Result<void>> write(BlockNo, std::span<const std::byte>, Durability) override {
    co_return co_await request();
  }
  Task<Result<void>> flush() override { co_return co_await request(); }
  Task<Result<void>> reconnect() override {
    ++attempts;
    co_await Sleep(scheduler_, kMillisecond);
    Result<void> answer;
    if (!answers.empty()) {
      answer = answers.front();
      answers.pop_front();
    }
    if (answer.has_value()) broken = false;
    co_return answer;
  }
  void break_now() {
    broken = true;
    released.wake_all();
  }

  bool broken = false;
  bool hangs = false;  // requests wait until the connection breaks
  int done = 0, attempts = 0;
  std::deque<Result<void>> answers;  // of reconnect(); then success
  WaitQueue released;

 private:
  Task<Result<void>> request() {
    if (hangs && !broken) co_await released.wait();
    if (broken) co_return fail(Errc::disconnected);
    ++done;
    co_return Result<void>{};
  }
  Scheduler& scheduler_;
};

struct Fixture {
  testing::World world;
  SilentLog log;
  BreakingLink link{world.scheduler};
  LastingDevice device{world.scheduler,
                       world.clock,
                       log,
                       link,
                       {.patience_ns = kSecond, .retry_ns = 100 * kMillisecond}};
  std::string block = std::string(kBlockSize, 'x');
  Result<void> write() {
    return world.run(device.write(BlockNo{1}, as_bytes(block), Durability::after_flush));
  }
};

Task<void> write_and_count(LastingDevice& device, int* written, int* failed) {
  const std::string block(kBlockSize, 'x');
  const std::string_view bytes = block;
  const Result<void> result =
      co_await device.write(BlockNo{1}, as_bytes(bytes), Durability::after_flush);
  ++(result.has_value() ? *written : *failed);
}

BOOST_FIXTURE_TEST_SUITE(lasting_device, Fixture)

BOOST_AUTO_TEST_CASE(without_trouble_it_only_passes_on) {
  BOOST_TEST(write().has_value());
  BOOST_TEST(world.run(device.flush()).has_value());
  BOOST_TEST(link.done == 2);
  BOOST_TEST(link.attempts == 0);
}

BOOST_AUTO_TEST_CASE(a_request_outlives_the_connection_it_was_sent_on) {
  link.broken = true;
  link.answers = {fail(Errc::disconnected), fail(Errc::disconnected)};
  BOOST_TEST(write().has_value());
  BOOST_TEST(link.attempts == 3);
  BOOST_TEST(link.done == 1);
  BOOST_TEST(device.connected());
  BOOST_TEST(device.reconnects() == 1u);
}

BOOST_AUTO_TEST_CASE(requests_in_flight_share_one_new_connection) {
  int written = 0, failed = 0;
  link.hangs = true;
  TaskScope scope(world.scheduler);
  for (int i = 0; i < 5; ++i) scope.spawn(write_and_count(device, &written, &failed));
  for (int i = 0; i < 10; ++i) world.scheduler.run(100);
  BOOST_TEST(written == 0);
  link.hangs = false;
  link.break_now();
  world.run(scope.drain());
  BOOST_TEST(written == 5);
  BOOST_TEST(failed == 0);
  BOOST_TEST(link.attempts == 1);
}

BOOST_AUTO_TEST_CASE(when_the_patience_runs_out_the_device_is_over) {
  link.broken = true;
  for (int i = 0; i < 100; ++i) link.answers.push_back(fail(Errc::disconnected));
  BOOST_TEST(failed_with(write(), Errc::disconnected));
  const int attempts = link.attempts;
  BOOST_TEST(failed_with(write(), Errc::disconnected));
  BOOST_TEST(link.attempts == attempts);
  BOOST_TEST(!device.connected());
}

BOOST_AUTO_TEST_CASE(a_fenced_incarnation_is_told_so_and_does_not_try_again) {
  link.broken = true;
  link.answers = {fail(Errc::fenced)};
  BOOST_TEST(failed_with(write(), Errc::fenced));
  BOOST_TEST(failed_with(world.run(device.flush()), Errc::fenced));
  BOOST_TEST(link.attempts == 1);
}

BOOST_AUTO_TEST_CASE(what_the_storage_may_have_lost_ends_the_device) {
  link.broken = true;
  link.answers = {fail(Errc::stale)};
  BOOST_TEST(failed_with(write(), Errc::stale));
}

BOOST_AUTO_TEST_CASE(giving_up_ends_the_attempts) {
  int written = 0, failed = 0;
  link.broken = true;
  for (int i = 0; i < 100; ++i) link.answers.push_back(fail(Errc::disconnected));
  TaskScope scope(world.scheduler);
  scope.spawn(write_and_count(device, &written, &failed));
  world.scheduler.run(100);
  device.give_up();
  world.run(scope.drain());
  BOOST_TEST(failed == 1);
  BOOST_TEST(link.attempts <= 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs
