// The watchdog where there is no mount: what it does to a daemon whose connection it cannot
// abort.
#include "node/lease_watchdog.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "node/loop/system.hpp"
#include "tests/support/node_files.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

using testing::TemporaryDirectory;

constexpr TimeNs kLease = 50 * kMillisecond;

// In a process that stands for the daemon. Its session takes every notification.
std::unique_ptr<LeaseWatchdog> start(const TemporaryDirectory& directory) {
  std::string why;
  const int session = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  auto watchdog = LeaseWatchdog::start(
      {.fd = session, .directory = "test", .connection = 0, .run_directory = directory.path()},
      why);
  return watchdog.has_value() ? std::move(*watchdog) : nullptr;
}

// How a process that does `body` ends.
template <class Body>
int end_of(Body body) {
  const pid_t daemon = fork();
  if (daemon == 0) _exit(body());
  int status = -1;
  waitpid(daemon, &status, 0);
  return status;
}

// Of this process.
bool kill_only_child() {
  std::ifstream children(fmt::format("/proc/self/task/{}/children", getpid()));
  pid_t child = -1;
  return static_cast<bool>(children >> child) && kill(child, SIGKILL) == 0;
}

BOOST_AUTO_TEST_SUITE(lease_watchdog)

BOOST_AUTO_TEST_CASE(a_daemon_that_stands_still_past_its_lease_is_killed_without_fusectl) {
  const TemporaryDirectory directory;
  const int status = end_of([&directory] {
    const auto watchdog = start(directory);
    if (watchdog == nullptr || watchdog->can_abort()) return 1;
    const TimeNs end_ns = SystemClock{}.now_ns() + kLease;
    watchdog->renewed(end_ns, end_ns);
    raise(SIGSTOP);
    return 2;
  });
  BOOST_TEST(WIFSIGNALED(status));
  BOOST_TEST(WTERMSIG(status) == SIGKILL);
}

BOOST_AUTO_TEST_CASE(one_that_has_let_go_by_itself_is_left_alone) {
  const TemporaryDirectory directory;
  const int status = end_of([&directory] {
    const auto watchdog = start(directory);
    if (watchdog == nullptr) return 1;
    const TimeNs end_ns = SystemClock{}.now_ns() + kLease;
    watchdog->renewed(end_ns, end_ns);
    watchdog->let_go();
    usleep(4 * kLease / 1000);
    return 0;
  });
  BOOST_TEST(WIFEXITED(status));
  BOOST_TEST(WEXITSTATUS(status) == 0);
}

BOOST_AUTO_TEST_CASE(one_that_was_killed_is_noticed_and_another_keeps_the_same_lease) {
  const TemporaryDirectory directory;
  const int status = end_of([&directory] {
    const auto watchdog = start(directory);
    if (watchdog == nullptr) return 1;
    pollfd ended{.fd = watchdog->ended_fd(), .events = POLLIN, .revents = 0};
    if (poll(&ended, 1, 0) != 0) return 2;
    const TimeNs end_ns = SystemClock{}.now_ns() + 4 * kLease;
    watchdog->renewed(end_ns, end_ns);
    if (!kill_only_child()) return 3;
    if (poll(&ended, 1, -1) != 1) return 4;
    std::string why;
    if (!watchdog->start_again(why).has_value()) return 5;
    raise(SIGSTOP);
    return 6;
  });
  BOOST_TEST(WIFSIGNALED(status));
  BOOST_TEST(WTERMSIG(status) == SIGKILL);
}

BOOST_AUTO_TEST_CASE(no_answer_is_given_after_its_limit) {
  const TemporaryDirectory directory;
  const auto watchdog = start(directory);
  BOOST_TEST_REQUIRE(watchdog != nullptr);
  BOOST_TEST(!watchdog->begin_answer(SystemClock{}.now_ns()));
  BOOST_TEST(watchdog->begin_answer(SystemClock{}.now_ns() + 60 * kSecond));
  watchdog->end_answer();
}

BOOST_AUTO_TEST_CASE(places_are_used_again) {
  const TemporaryDirectory directory;
  const auto watchdog = start(directory);
  BOOST_TEST_REQUIRE(watchdog != nullptr);
  const std::uint32_t first = watchdog->add_pages_of(Ino{5});
  const std::uint32_t second = watchdog->add_pages_of(Ino{6});
  BOOST_TEST(first != second);
  watchdog->remove(first);
  BOOST_TEST(watchdog->add_pages_of(Ino{7}) == first);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
