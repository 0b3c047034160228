#include "node/lease_watchdog.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "engine/async/scheduler.hpp"
#include "node/cache_notifier.hpp"
#include "node/loop/system.hpp"

namespace scoutfs::node {

namespace {

// An answer is a system call or two. A daemon that is still in it after this stands still.
constexpr TimeNs kAnswerPatience = 20 * kMillisecond;
// Dropping pages takes a millisecond for a thousand inodes.
constexpr TimeNs kDropPatience = 200 * kMillisecond;
constexpr TimeNs kPoll = kMillisecond;
constexpr TimeNs kSleepMax = kSecond;

constexpr std::size_t kInodesAtOnce = 512;

UniqueFd open_abort_in(const std::string& fusectl, std::uint64_t connection) {
  const std::string path = fmt::format("{}/{}/abort", fusectl, connection);
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
}

// Where the system has not mounted fusectl it is mounted for the instant of an open.
UniqueFd open_abort(std::uint64_t connection, const std::string& run_directory) {
  UniqueFd found = open_abort_in("/sys/fs/fuse/connections", connection);
  if (found) return found;
  std::string place = run_directory + "/fusectl.XXXXXX";
  if (mkdtemp(place.data()) == nullptr) return found;
  if (::mount("none", place.c_str(), "fusectl", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) ==
      0) {
    found = open_abort_in(place, connection);
    umount2(place.c_str(), MNT_DETACH);
  }
  rmdir(place.c_str());
  return found;
}

void close_all_but(std::array<int, 4> kept) {
  std::ranges::sort(kept);
  unsigned first = 0;
  for (const int fd : kept) {
    if (fd < 0) continue;
    const auto number = static_cast<unsigned>(fd);
    if (number > first) close_range(first, number - 1, 0);
    first = number + 1;
  }
  close_range(first, ~0U, 0);
}

}  // namespace

// The child: system calls and the shared memory, nothing else, because it was forked from a
// process with threads.
struct LeaseWatchdog::Child {
  Shared& shared;
  int session;
  int abort_file;  // -1: none
  int inodes;
  int control;
  pid_t daemon;
  SystemClock clock{};

  [[noreturn]] void run() {
    prctl(PR_SET_NAME, "scoutfs-lease");
    setsid();
    [[maybe_unused]] const int moved = chdir("/");
    close_all_but({session, abort_file, inodes, control});
    while (!daemon_gone(kSleepMax)) {
      const TimeNs act_ns = shared.act_ns.load();
      if (clock.now_ns() >= act_ns) let_go(act_ns);
    }
    // Without it the connection is aborted when this process, too, has closed the session.
    if (abort_file >= 0) {
      abort();
      drop();
    }
    _exit(0);
  }

  // Waits for `wait_ns` at most and no longer than until it is time to act. True: the daemon is
  // gone.
  bool daemon_gone(TimeNs wait_ns) const {
    const TimeNs now_ns = clock.now_ns();
    const TimeNs act_ns = std::max(shared.act_ns.load(), now_ns);
    const TimeNs until_ns = std::min(act_ns - now_ns, wait_ns);
    pollfd file{.fd = control, .events = POLLIN, .revents = 0};
    const auto wait_ms = static_cast<int>((until_ns + kMillisecond - 1) / kMillisecond);
    if (poll(&file, 1, wait_ms) <= 0) return false;
    std::array<char, 64> bytes;
    const ssize_t got = ::read(control, bytes.data(), bytes.size());
    return got == 0;
  }

  void pause() const { poll(nullptr, 0, static_cast<int>(kPoll / kMillisecond)); }

  // True: the daemon has the next lease, or has let go by itself.
  bool over(TimeNs act_ns) const { return shared.act_ns.load() != act_ns; }

  void let_go(TimeNs act_ns) const {
    const TimeNs end_ns = shared.end_ns.load();
    // Dropping pages may wait for ever, and only an abort ends that.
    if (abort_file < 0 || stands_in_answer(act_ns)) abort();
    const pid_t dropper = fork();
    if (dropper == 0) {
      drop();
      _exit(0);
    }
    if (dropper < 0 || !ends(dropper, act_ns)) abort();
    if (dropper > 0) waitpid(dropper, nullptr, 0);
    while (clock.now_ns() < end_ns && !over(act_ns)) pause();
    if (stands_in_answer(act_ns)) abort();
    // Done for this lease, unless there is another one by now.
    TimeNs expected_ns = act_ns;
    shared.act_ns.compare_exchange_strong(expected_ns, kForever);
  }

  bool stands_in_answer(TimeNs act_ns) const {
    const TimeNs until_ns = clock.now_ns() + kAnswerPatience;
    while (shared.answering.load() != 0 && !over(act_ns)) {
      if (clock.now_ns() >= until_ns) return true;
      pause();
    }
    return false;
  }

  // False: it takes too long, and the daemon does not come back either.
  bool ends(pid_t dropper, TimeNs act_ns) const {
    const TimeNs until_ns = clock.now_ns() + kDropPatience;
    while (true) {
      siginfo_t info{};
      const int waited =
          waitid(P_PID, static_cast<id_t>(dropper), &info, WEXITED | WNOHANG | WNOWAIT);
      if (waited != 0 || info.si_pid == dropper) return true;
      if (clock.now_ns() >= until_ns && !over(act_ns)) return false;
      pause();
    }
  }

  void drop() const {
    notify_new_epoch(session);
    std::array<std::uint64_t, kInodesAtOnce> numbers;
    off_t offset = 0;
    while (true) {
      const ssize_t got = pread(inodes, numbers.data(), sizeof(numbers), offset);
      if (got <= 0) return;
      const std::size_t count = static_cast<std::size_t>(got) / sizeof(numbers[0]);
      for (std::size_t i = 0; i < count; ++i) {
        // All of them: a range that ends where it begins reaches to the end of the file.
        if (numbers[i] != 0) notify_pages(session, Ino{numbers[i]}, {0, 0});
      }
      offset += got;
    }
  }

  // Every call of the mount fails from here on. Without fusectl that takes the daemon's death,
  // and this process's, because both hold the session; pages that are mapped stay.
  void abort() const {
    if (abort_file >= 0) {
      [[maybe_unused]] const ssize_t written = ::write(abort_file, "1", 1);
      return;
    }
    if (getppid() == daemon) kill(daemon, SIGKILL);
    _exit(0);
  }
};

Result<std::unique_ptr<LeaseWatchdog>> LeaseWatchdog::start(const Session& session,
                                                            std::string& why) {
  std::unique_ptr<LeaseWatchdog> made(new LeaseWatchdog(session.fd));
  int error = made->prepare(session);
  if (error == 0) error = made->start_child();
  if (error == 0) return made;
  why = fmt::format("cannot start the watchdog of the lease of '{}': {}", session.directory,
                    std::strerror(error));
  return fail(Errc::io_error);
}

int LeaseWatchdog::prepare(const Session& session) {
  inodes_ = UniqueFd(memfd_create("scoutfs-pages", MFD_CLOEXEC));
  if (!inodes_) return errno;
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return errno;
  control_end_ = UniqueFd(ends[0]);
  control_ = UniqueFd(ends[1]);
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  shared_ = new (memory) Shared;
  shared_->act_ns = kForever;
  shared_->end_ns = 0;
  shared_->answering = 0;
  abort_file_ = open_abort(session.connection, session.run_directory);
  return 0;
}

int LeaseWatchdog::start_child() {
  const pid_t daemon = getpid();
  child_ = fork();
  if (child_ == 0) {
    Child{.shared = *shared_,
          .session = session_,
          .abort_file = abort_file_.get(),
          .inodes = inodes_.get(),
          .control = control_end_.get(),
          .daemon = daemon}
        .run();
  }
  if (child_ < 0) return errno;
  // Through the system call: the C library of some hosts has no wrapper.
  ended_ = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child_, 0)));
  if (ended_) return 0;
  const int error = errno;
  kill(child_, SIGKILL);
  end_child();
  return error;
}

void LeaseWatchdog::end_child() {
  if (child_ > 0) waitpid(child_, nullptr, 0);
  child_ = -1;
  ended_.reset();
}

Result<void> LeaseWatchdog::start_again(std::string& why) {
  if (child_ > 0) kill(child_, SIGKILL);
  end_child();
  const int error = start_child();
  if (error == 0) return {};
  why = std::strerror(error);
  return fail(Errc::io_error);
}

LeaseWatchdog::~LeaseWatchdog() {
  control_.reset();
  end_child();
  if (shared_ != nullptr) munmap(shared_, sizeof(Shared));
}

void LeaseWatchdog::renewed(TimeNs act_ns, TimeNs end_ns) {
  shared_->end_ns.store(end_ns);
  const TimeNs before_ns = shared_->act_ns.exchange(act_ns);
  // It sleeps for long.
  if (before_ns != kForever) return;
  [[maybe_unused]] const ssize_t written = ::write(control_.get(), "r", 1);
}

void LeaseWatchdog::let_go() {
  shared_->act_ns.store(kForever);
}

bool LeaseWatchdog::begin_answer(TimeNs limit_ns) {
  // Before the clock is looked at, so that the child sees it if it looks at the lease's end.
  shared_->answering.store(1);
  if (SystemClock{}.now_ns() < limit_ns) return true;
  end_answer();
  return false;
}

void LeaseWatchdog::end_answer() {
  shared_->answering.store(0, std::memory_order_release);
}

std::uint32_t LeaseWatchdog::add_pages_of(Ino ino) {
  std::uint32_t place = places_;
  if (free_.empty()) {
    ++places_;
  } else {
    place = free_.back();
    free_.pop_back();
  }
  const std::uint64_t number = ino.value;
  const auto offset = static_cast<off_t>(place * sizeof(number));
  const ssize_t written = pwrite(inodes_.get(), &number, sizeof(number), offset);
  SCOUTFS_ASSERT(written == static_cast<ssize_t>(sizeof(number)));
  return place;
}

void LeaseWatchdog::remove(std::uint32_t place) {
  const std::uint64_t none = 0;
  const auto offset = static_cast<off_t>(place * sizeof(none));
  const ssize_t written = pwrite(inodes_.get(), &none, sizeof(none), offset);
  SCOUTFS_ASSERT(written == static_cast<ssize_t>(sizeof(none)));
  free_.push_back(place);
}

}  // namespace scoutfs::node
