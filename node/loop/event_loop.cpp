#include "node/loop/event_loop.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace scoutfs::node {

namespace {

constexpr std::uint64_t kResumedPerTurn = 1000;  // coroutines between two polls
constexpr int kEventsPerTurn = 64;

// Ids of the loop's own files; those of watches begin at 1.
constexpr std::uint64_t kWakeId = ~std::uint64_t{0};
constexpr std::uint64_t kSignalsId = kWakeId - 1;

void control(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t id) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  const int status = epoll_ctl(epoll, operation, fd, &event);
  SCOUTFS_ASSERT(status == 0);
}

}  // namespace

Watch& Watch::operator=(Watch&& other) noexcept {
  reset();
  loop_ = std::exchange(other.loop_, nullptr);
  id_ = other.id_;
  return *this;
}

void Watch::set_events(std::uint32_t events) {
  SCOUTFS_ASSERT(loop_ != nullptr);
  loop_->change(id_, events);
}

void Watch::reset() {
  if (loop_ != nullptr) std::exchange(loop_, nullptr)->unwatch(id_);
}

EventLoop::EventLoop()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  SCOUTFS_ASSERT(static_cast<bool>(epoll_));
  SCOUTFS_ASSERT(static_cast<bool>(wake_));
  control(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), EPOLLIN, kWakeId);
}

EventLoop::~EventLoop() {
  scheduler_.kill();
  SCOUTFS_ASSERT(watched_.empty());
}

Watch EventLoop::watch(int fd, std::uint32_t events, Handler handler) {
  const std::uint64_t id = next_id_++;
  control(epoll_.get(), EPOLL_CTL_ADD, fd, events, id);
  watched_.emplace(id, Watched{fd, events, std::make_shared<Handler>(std::move(handler))});
  return Watch(this, id);
}

void EventLoop::unwatch(std::uint64_t id) {
  const auto it = watched_.find(id);
  SCOUTFS_ASSERT(it != watched_.end());
  control(epoll_.get(), EPOLL_CTL_DEL, it->second.fd, 0, id);
  watched_.erase(it);
}

void EventLoop::change(std::uint64_t id, std::uint32_t events) {
  Watched& watched = watched_.at(id);
  if (watched.events == events) return;
  control(epoll_.get(), EPOLL_CTL_MOD, watched.fd, events, id);
  watched.events = events;
}

void EventLoop::post(std::function<void()> function) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(function));
  }
  if (!first) return;
  const std::uint64_t one = 1;
  // A full counter wakes as well as one more would.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
}

void EventLoop::on_signal(int number, std::function<void()> handler) {
  signal_handlers_[number] = std::move(handler);
  sigset_t set;
  sigemptyset(&set);
  for (const auto& [signal_number, unused] : signal_handlers_) sigaddset(&set, signal_number);
  const int status = pthread_sigmask(SIG_BLOCK, &set, nullptr);
  SCOUTFS_ASSERT(status == 0);
  const bool fresh = !signals_;
  const int fd = signalfd(signals_.get(), &set, SFD_NONBLOCK | SFD_CLOEXEC);
  SCOUTFS_ASSERT(fd >= 0);
  if (!fresh) return;
  signals_.reset(fd);
  control(epoll_.get(), EPOLL_CTL_ADD, fd, EPOLLIN, kSignalsId);
}

void EventLoop::read_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
    const auto it = signal_handlers_.find(static_cast<int>(info.ssi_signo));
    if (it != signal_handlers_.end()) it->second();
  }
}

bool EventLoop::run_posted() {
  std::vector<std::function<void()>> posted;
  {
    const std::lock_guard lock(mutex_);
    posted.swap(posted_);
  }
  for (const auto& function : posted) function();
  return !posted.empty();
}

void EventLoop::run() {
  stopping_ = false;
  while (!stopping_) turn();
}

void EventLoop::turn(TimeNs wait_max_ns) {
  scheduler_.run(kResumedPerTurn);
  TimeNs wait_ns = 0;
  if (!run_posted() && scheduler_.idle() && !stopping_ && !poll_only_) {
    const TimeNs deadline = scheduler_.next_deadline_ns();
    const TimeNs now = clock_.now_ns();
    wait_ns = deadline == kForever ? kForever : deadline - std::min(now, deadline);
    wait_ns = std::min(wait_ns, wait_max_ns);
  }
  poll_only_ = false;
  poll(wait_ns);
}

void EventLoop::poll(TimeNs wait_ns) {
  std::array<epoll_event, kEventsPerTurn> events;
  timespec wait{};
  wait.tv_sec = static_cast<time_t>(wait_ns / kSecond);
  wait.tv_nsec = static_cast<long>(wait_ns % kSecond);
  const int count = epoll_pwait2(epoll_.get(), events.data(), kEventsPerTurn,
                                 wait_ns == kForever ? nullptr : &wait, nullptr);
  if (count < 0) {
    SCOUTFS_ASSERT(errno == EINTR);
    return;
  }
  for (int i = 0; i < count; ++i) {
    // By value: the structure is packed.
    const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
    const std::uint32_t ready = events[static_cast<std::size_t>(i)].events;
    if (id == kWakeId) {
      std::uint64_t unused = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &unused, sizeof(unused));
    } else if (id == kSignalsId) {
      read_signals();
    } else if (const auto it = watched_.find(id); it != watched_.end()) {
      // Not there: an earlier handler of this round removed it.
      const std::shared_ptr<Handler> handler = it->second.handler;
      (*handler)(ready);
    }
  }
}

}  // namespace scoutfs::node
