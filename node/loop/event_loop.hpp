// EventLoop: the one thread of a deployed node.
//
// It runs the engine's scheduler, and between two rounds asks the kernel (epoll) which files
// are ready, which signals came and when the next timer is due. Everything of the engine and
// every handler runs on the thread that calls run(); helper threads reach it through post()
// alone.
//
// Fairness: each round resumes a bounded number of coroutines and then polls, so that neither a
// busy engine nor a busy file starves the other.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "engine/async/scheduler.hpp"
#include "engine/async/scope.hpp"
#include "node/loop/system.hpp"
#include "node/loop/unique_fd.hpp"

namespace scoutfs::node {

class EventLoop;

// A file the loop watches until this dies. The descriptor stays the caller's and must live as
// long.
class [[nodiscard]] Watch {
 public:
  Watch() = default;
  Watch(Watch&& other) noexcept { *this = std::move(other); }
  Watch& operator=(Watch&& other) noexcept;
  ~Watch() { reset(); }

  // EPOLLIN, EPOLLOUT, or both; 0 leaves errors and hang-ups.
  void set_events(std::uint32_t events);
  void reset();
  explicit operator bool() const { return loop_ != nullptr; }

 private:
  friend class EventLoop;
  Watch(EventLoop* loop, std::uint64_t id) : loop_(loop), id_(id) {}
  EventLoop* loop_ = nullptr;
  std::uint64_t id_ = 0;
};

class EventLoop {
 public:
  using Handler = std::function<void(std::uint32_t events)>;

  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  // Kills the scheduler if it still has tasks; watches must be gone.
  ~EventLoop();

  Scheduler& scheduler() { return scheduler_; }
  const Clock& clock() const { return clock_; }

  // Calls `handler` on each round in which `fd` is ready (level-triggered). It may destroy its
  // own Watch and any other. Requires: fd can be polled and has no other watch.
  Watch watch(int fd, std::uint32_t events, Handler handler);

  // Runs `function` on the loop's thread, in the order posted. Any thread.
  void post(std::function<void()> function);

  // Calls `handler` for each arrival of the signal instead of its default action. The signal is
  // blocked in the calling thread and those it starts later: call before any helper starts.
  void on_signal(int number, std::function<void()> handler);

  // Until stop(). Again after it if wanted.
  void run();
  void stop() { stopping_ = true; }

  // Runs the loop until the task is done.
  template <class T>
  T run(Task<T> task) {
    TaskScope scope(scheduler_);
    std::optional<T> out;
    scope.spawn(store<T>(std::move(task), &out));
    while (!out.has_value()) turn();
    run_ready(scope);
    return *std::move(out);
  }
  void run(Task<void> task) {
    TaskScope scope(scheduler_);
    bool done = false;
    scope.spawn(note(std::move(task), &done));
    while (!done) turn();
    run_ready(scope);
  }

  // One round: ready coroutines, posted functions, ready files. Waits if there is nothing to
  // do, for `wait_max_ns` at most.
  void turn(TimeNs wait_max_ns = kForever);

 private:
  friend class Watch;
  struct Watched {
    int fd = -1;
    std::uint32_t events = 0;
    // Shared, so that it lives through its own call when it destroys its watch.
    std::shared_ptr<Handler> handler;
  };

  template <class T>
  Task<void> store(Task<T> task, std::optional<T>* out) {
    T value = co_await std::move(task);
    out->emplace(std::move(value));
    poll_only_ = true;
  }
  Task<void> note(Task<void> task, bool* done) {
    co_await std::move(task);
    *done = true;
    poll_only_ = true;
  }
  // Lets the roots of `scope`, whose tasks are done, end.
  void run_ready(TaskScope& scope) {
    while (scope.running() > 0) scheduler_.run(1);
  }

  void unwatch(std::uint64_t id);
  void change(std::uint64_t id, std::uint32_t events);
  bool run_posted();
  void read_signals();
  void poll(TimeNs wait_ns);

  SystemClock clock_;
  Scheduler scheduler_{clock_};
  UniqueFd epoll_;
  UniqueFd wake_;     // eventfd that post() writes
  UniqueFd signals_;  // signalfd
  std::map<std::uint64_t, Watched> watched_;
  std::uint64_t next_id_ = 1;
  std::map<int, std::function<void()>> signal_handlers_;
  std::mutex mutex_;  // posted_
  std::vector<std::function<void()>> posted_;
  bool stopping_ = false;
  bool poll_only_ = false;  // the next poll must not wait: a task that run() waits for is done
};

}  // namespace scoutfs::node
