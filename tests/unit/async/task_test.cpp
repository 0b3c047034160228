#include "engine/async/task.hpp"

#include "engine/async/sync.hpp"
#include "tests/support/run.hpp"
#include "tests/test.hpp"

#include <memory>

using namespace scoutfs;
using scoutfs::testing::World;

namespace {

using Log = std::vector<std::string>;

Task<int> three(Log* log) {
  log->push_back("three runs");
  co_return 3;
}

Task<Result<int>> refuse() {
  co_return fail(Errc::busy);
}

Task<Result<int>> pass_on(Log* log) {
  SCOUTFS_CO_TRY(const int value, co_await refuse());
  log->push_back("went on");
  co_return value;
}

Task<Result<void>> check(Log* log, bool good) {
  if (good) {
    const int value = co_await three(log);
    log->push_back(std::to_string(value));
    co_return Result<void>{};
  }
  SCOUTFS_CO_CHECK(co_await pass_on(log));
  co_return Result<void>{};
}

Task<std::unique_ptr<int>> boxed() {
  co_return std::make_unique<int>(5);
}

Task<int> unbox() {
  const std::unique_ptr<int> box = co_await boxed();
  co_return *box;
}

// Counts the living.
struct Counted {
  explicit Counted(int* count) : count_(count) { ++*count_; }
  Counted(Counted&& other) noexcept : count_(other.count_) { ++*count_; }
  ~Counted() { --*count_; }
  int* count_;
};

Task<int> holds(Counted counted) {
  co_return *counted.count_;
}

Task<std::uint64_t> depth(std::uint64_t levels) {
  if (levels == 0) co_return 0;
  const std::uint64_t below = co_await depth(levels - 1);
  co_return below + 1;
}

Task<std::uint64_t> many(std::uint64_t rounds, Log* log) {
  std::uint64_t sum = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const int value = co_await three(log);
    log->clear();
    sum += static_cast<std::uint64_t>(value);
  }
  co_return sum;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_task_runs_only_when_it_is_awaited) {
  World world;
  Log log;
  {
    const Task<int> dropped = three(&log);
    BOOST_TEST(log.empty());
  }
  BOOST_TEST(log.empty());
  BOOST_TEST(world.run(three(&log)) == 3);
  BOOST_TEST(log == Log{"three runs"});
}

BOOST_AUTO_TEST_CASE(a_dropped_task_destroys_its_arguments) {
  int count = 0;
  {
    const Task<int> dropped = holds(Counted(&count));
    BOOST_TEST(count == 1);
  }
  BOOST_TEST(count == 0);
}

BOOST_AUTO_TEST_CASE(an_awaited_task_destroys_its_arguments) {
  World world;
  int count = 0;
  Task<int> task = holds(Counted(&count));
  BOOST_TEST(world.run(std::move(task)) == 1);
  BOOST_TEST(count == 0);
}

BOOST_AUTO_TEST_CASE(an_error_ends_the_coroutine_that_tries) {
  World world;
  Log log;
  BOOST_TEST(failed_with(world.run(pass_on(&log)), Errc::busy));
  BOOST_TEST(failed_with(world.run(check(&log, false)), Errc::busy));
  BOOST_TEST(log.empty());
  BOOST_TEST(world.run(check(&log, true)).has_value());
  BOOST_TEST(log == (Log{"three runs", "3"}));
}

BOOST_AUTO_TEST_CASE(a_result_that_cannot_be_copied_is_moved_out) {
  World world;
  BOOST_TEST(world.run(unbox()) == 5);
}

// Each await is a tail call in both directions: neither depth nor number of awaits uses the
// stack.
BOOST_AUTO_TEST_CASE(awaiting_uses_no_stack) {
  World world;
  Log log;
  BOOST_TEST(world.run(depth(100'000)) == 100'000);
  BOOST_TEST(world.run(many(1'000'000, &log)) == 3'000'000);
}
