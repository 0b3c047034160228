// What coroutines of one node wait for: queues, events, mutexes, semaphores, one-shot results.
//
// All of them are first come, first served, and none resumes anybody from inside a call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "engine/async/scheduler.hpp"
#include "engine/async/task.hpp"
#include "engine/base/result.hpp"

namespace scoutfs {

// A condition: waiters re-check what they wait for after each wake-up.
//   while (!ready) co_await queue.wait();
class WaitQueue {
 public:
  explicit WaitQueue(Scheduler& scheduler) : scheduler_(scheduler) {}
  // Requires: nobody waits, or the node was killed.
  ~WaitQueue() { SCOUTFS_ASSERT(waiters_.empty() || scheduler_.killed()); }

  Suspension wait(Cancellation* cancellation = nullptr, TimeNs deadline_ns = kForever) {
    return Suspension(scheduler_, &waiters_, deadline_ns, cancellation);
  }
  void wake_one() {
    if (!waiters_.empty()) scheduler_.wake(waiters_.front());
  }
  void wake_all() {
    while (!waiters_.empty()) scheduler_.wake(waiters_.front());
  }
  bool empty() const { return waiters_.empty(); }
  Scheduler& scheduler() const { return scheduler_; }

 private:
  Scheduler& scheduler_;
  WaiterList waiters_;
};

// A flag that stays set until it is reset.
class Event {
 public:
  explicit Event(Scheduler& scheduler) : queue_(scheduler) {}
  void set() {
    set_ = true;
    queue_.wake_all();
  }
  void reset() { set_ = false; }
  bool is_set() const { return set_; }
  Task<void> wait() {
    while (!set_) co_await queue_.wait();
  }
  // Returns false if it was not set in time.
  Task<bool> wait_until(TimeNs deadline_ns) {
    while (!set_) {
      const Wake wake = co_await queue_.wait(nullptr, deadline_ns);
      if (wake == Wake::timed_out) co_return set_;
    }
    co_return true;
  }

 private:
  WaitQueue queue_;
  bool set_ = false;
};

// Those who wait for their turn, first come, first served. Only the first in line is woken. Who
// leaves, admitted or destroyed while waiting, makes room for the next.
class Line {
 public:
  // Lives in the frame of who waits. Requires: the line outlives it.
  class Place : public ListHook<struct PlaceTag> {
   public:
    explicit Place(Line& line) : line_(line) { line.places_.push_back(*this); }
    ~Place() {
      ListHook<PlaceTag>::unlink();
      if (!line_.scheduler_.killed()) line_.wake_first();
    }
    bool first() const { return &line_.places_.front() == this; }
    Suspension wait() { return Suspension(line_.scheduler_, &waiters_); }

   private:
    friend class Line;
    Line& line_;
    WaiterList waiters_;
  };

  explicit Line(Scheduler& scheduler) : scheduler_(scheduler) {}
  bool empty() const { return places_.empty(); }
  void wake_first() {
    if (places_.empty()) return;
    WaiterList& waiters = places_.front().waiters_;
    if (!waiters.empty()) scheduler_.wake(waiters.front());
  }
  Scheduler& scheduler() const { return scheduler_; }

 private:
  Scheduler& scheduler_;
  List<Place, PlaceTag> places_;
};

// Exclusive or shared ownership across suspensions. Nobody overtakes a waiting writer.
// Guards release on destruction and must not outlive the mutex.
class SharedMutex {
 public:
  enum class Mode : std::uint8_t { shared, exclusive };

  class [[nodiscard]] Guard {
   public:
    Guard() = default;
    Guard(Guard&& other) noexcept
        : mutex_(std::exchange(other.mutex_, nullptr)), mode_(other.mode_) {}
    Guard& operator=(Guard&& other) noexcept {
      release();
      mutex_ = std::exchange(other.mutex_, nullptr);
      mode_ = other.mode_;
      return *this;
    }
    ~Guard() { release(); }
    void release() {
      if (mutex_ != nullptr) std::exchange(mutex_, nullptr)->unlock(mode_);
    }
    bool owns() const { return mutex_ != nullptr; }

   private:
    friend class SharedMutex;
    Guard(SharedMutex& mutex, Mode mode) : mutex_(&mutex), mode_(mode) {}
    SharedMutex* mutex_ = nullptr;
    Mode mode_ = Mode::shared;
  };

  explicit SharedMutex(Scheduler& scheduler) : line_(scheduler) {}
  ~SharedMutex() {
    if (line_.scheduler().killed()) return;
    SCOUTFS_ASSERT(readers_ == 0);
    SCOUTFS_ASSERT(!writer_);
  }

  Task<Guard> lock(Mode mode) {
    Line::Place place(line_);
    // One that may not enter yet holds up those behind it.
    while (!place.first() || !admits(mode)) co_await place.wait();
    co_return enter(mode);
  }
  // The guard if nobody has to be waited for.
  std::optional<Guard> try_lock(Mode mode) {
    if (!line_.empty() || !admits(mode)) return std::nullopt;
    return enter(mode);
  }
  bool idle() const { return line_.empty() && readers_ == 0 && !writer_; }

 private:
  bool admits(Mode mode) const { return !writer_ && (mode == Mode::shared || readers_ == 0); }
  Guard enter(Mode mode) {
    if (mode == Mode::shared) ++readers_;
    if (mode == Mode::exclusive) writer_ = true;
    return Guard(*this, mode);
  }
  void unlock(Mode mode) {
    if (mode == Mode::shared) {
      SCOUTFS_ASSERT(readers_ > 0);
      --readers_;
    } else {
      SCOUTFS_ASSERT(writer_);
      writer_ = false;
    }
    line_.wake_first();
  }

  Line line_;
  std::uint64_t readers_ = 0;
  bool writer_ = false;
};

// Exclusive ownership across suspensions.
class Mutex {
 public:
  using Guard = SharedMutex::Guard;
  explicit Mutex(Scheduler& scheduler) : mutex_(scheduler) {}
  [[clang::coro_wrapper]] Task<Guard> lock() {
    return mutex_.lock(SharedMutex::Mode::exclusive);
  }
  bool idle() const { return mutex_.idle(); }

 private:
  SharedMutex mutex_;
};

// Counts units of something bounded.
class Semaphore {
 public:
  Semaphore(Scheduler& scheduler, std::uint64_t units) : line_(scheduler), free_(units) {}
  Task<void> acquire(std::uint64_t units) {
    Line::Place place(line_);
    while (!place.first() || free_ < units) co_await place.wait();
    free_ -= units;
  }
  void release(std::uint64_t units) {
    free_ += units;
    line_.wake_first();
  }
  std::uint64_t free() const { return free_; }

 private:
  Line line_;
  std::uint64_t free_;
};

// A value that arrives once, from outside the coroutine that waits for it. The two ends share
// the state, so either may go first: a value set after the receiver died touches nothing.
template <class T>
class OneShot {
 public:
  explicit OneShot(Scheduler& scheduler) : state_(std::make_shared<State>(scheduler)) {}

  // Sets the value unless one was set before.
  void set(T value) const {
    if (state_->value.has_value()) return;
    state_->value.emplace(std::move(value));
    state_->queue.wake_all();
  }
  bool is_set() const { return state_->value.has_value(); }
  // Takes the value when it is there. Awaited by one.
  Task<T> wait() const {
    const std::shared_ptr<State> state = state_;
    while (!state->value.has_value()) co_await state->queue.wait();
    co_return std::move(*state->value);
  }
  // nullopt when the cancellation or the deadline came first.
  Task<std::optional<T>> wait(Cancellation* cancellation, TimeNs deadline_ns) const {
    const std::shared_ptr<State> state = state_;
    while (!state->value.has_value()) {
      const Wake wake = co_await state->queue.wait(cancellation, deadline_ns);
      if (wake != Wake::woken && !state->value.has_value()) co_return std::nullopt;
    }
    co_return std::optional<T>(std::move(*state->value));
  }

 private:
  struct State {
    explicit State(Scheduler& scheduler) : queue(scheduler) {}
    WaitQueue queue;
    std::optional<T> value;
  };
  std::shared_ptr<State> state_;
};

}  // namespace scoutfs
