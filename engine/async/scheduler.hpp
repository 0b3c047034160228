// Scheduler: what runs next on one node.
//
// A node is single-threaded. A coroutine that must wait hangs a Waiter, which lives in its own
// frame, in a WaitQueue; whoever makes the awaited thing true moves the Waiter to the ready
// list, and the world's loop (the simulator's, or the deployed node's) resumes it from there.
// Nothing is ever resumed from inside an operation, so an operation never changes under its
// caller's feet.
//
// A Waiter may also carry a deadline and a Cancellation; whatever comes first wakes it, and
// says so. Every Waiter leaves all of its lists when its frame is destroyed, so a killed node
// needs no other clean-up, and a completion that comes late finds nobody.
#pragma once

#include <coroutine>
#include <cstdint>
#include <map>

#include "engine/async/clock.hpp"
#include "engine/async/list.hpp"

namespace scoutfs {

class Scheduler;
class TaskScope;

enum class Wake : std::uint8_t { woken, timed_out, cancelled };

struct QueueTag;
struct CancelTag;
struct ScopeTag;

// One suspended coroutine. Made by awaitables only.
class Waiter : public ListHook<QueueTag>, public ListHook<CancelTag> {
 public:
  explicit Waiter(Scheduler& scheduler) : scheduler_(scheduler) {}
  ~Waiter() { disarm(); }

  Scheduler& scheduler() const { return scheduler_; }
  void set_handle(std::coroutine_handle<> handle) { handle_ = handle; }

 private:
  friend class Scheduler;
  friend class Suspension;
  void disarm();  // leaves the timer map

  Scheduler& scheduler_;
  std::coroutine_handle<> handle_;
  std::multimap<TimeNs, Waiter*>::iterator timer_{};
  bool timer_armed_ = false;
  Wake outcome_ = Wake::woken;
};

using WaiterList = List<Waiter, QueueTag>;

// A request to end an operation early. Whoever waits with it wakes with Wake::cancelled.
class Cancellation {
 public:
  explicit Cancellation(Scheduler& scheduler) : scheduler_(scheduler) {}
  void request();
  bool requested() const { return requested_; }

 private:
  friend class Suspension;
  Scheduler& scheduler_;
  List<Waiter, CancelTag> waiters_;
  bool requested_ = false;
};

class Scheduler {
 public:
  explicit Scheduler(const Clock& clock) : clock_(clock) {}
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  ~Scheduler();

  const Clock& clock() const { return clock_; }
  TimeNs now_ns() const { return clock_.now_ns(); }

  // Makes a waiter ready; it leaves its queue, its timer and its cancellation.
  void wake(Waiter& waiter, Wake outcome = Wake::woken);

  // Resumes ready coroutines in order until none is left, or `limit` were resumed. Expired
  // timers count as ready. Returns how many were resumed. Requires: no coroutine calls it.
  std::uint64_t run(std::uint64_t limit = ~std::uint64_t{0});
  bool idle() const { return ready_.empty(); }
  // When run() should be called again if nothing else happens; kForever without timers.
  TimeNs next_deadline_ns() const {
    return timers_.empty() ? kForever : timers_.begin()->first;
  }

  // Destroys every task of every scope, as the death of the node does: the youngest scope
  // first, since what is younger refers to what is older. The objects the tasks refer to must
  // still be there. After it only destructors may run. Requires: no coroutine calls it.
  void kill();
  bool killed() const { return killed_; }

 private:
  friend class Waiter;
  friend class Suspension;
  friend class TaskScope;
  void arm(Waiter& waiter, TimeNs deadline_ns);
  void expire_timers();

  const Clock& clock_;
  WaiterList ready_;
  // Equal deadlines expire in the order in which they were set.
  std::multimap<TimeNs, Waiter*> timers_;
  List<TaskScope, ScopeTag> scopes_;
  bool running_ = false;
  bool killed_ = false;
};

// The one way to suspend: co_await Suspension(scheduler, queue, deadline, cancellation).
// `queue`, `cancellation` may be null and `deadline_ns` kForever, but not all three.
class [[nodiscard]] Suspension {
 public:
  Suspension(Scheduler& scheduler, WaiterList* queue, TimeNs deadline_ns = kForever,
             Cancellation* cancellation = nullptr)
      : waiter_(scheduler),
        queue_(queue),
        deadline_ns_(deadline_ns),
        cancellation_(cancellation) {}

  bool await_ready() {
    if (cancellation_ == nullptr || !cancellation_->requested()) return false;
    waiter_.outcome_ = Wake::cancelled;
    return true;
  }
  void await_suspend(std::coroutine_handle<> handle);
  Wake await_resume() const { return waiter_.outcome_; }

 private:
  Waiter waiter_;
  WaiterList* queue_;
  TimeNs deadline_ns_;
  Cancellation* cancellation_;
};

// Waits `delay_ns`, or until the cancellation is requested.
class [[nodiscard]] Sleep : public Suspension {
 public:
  Sleep(Scheduler& scheduler, TimeNs delay_ns, Cancellation* cancellation = nullptr)
      : Suspension(scheduler, nullptr, end_of(scheduler.now_ns(), delay_ns), cancellation) {}
  void await_resume() const {}

 private:
  // A delay too long to add up never ends, but stays a deadline.
  static TimeNs end_of(TimeNs now, TimeNs delay) {
    return delay < kForever - now ? now + delay : kForever - 1;
  }
};

// Lets everything that is ready run first.
class [[nodiscard]] Yield {
 public:
  explicit Yield(Scheduler& scheduler) : waiter_(scheduler) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle);
  void await_resume() const {}

 private:
  Waiter waiter_;
};

}  // namespace scoutfs
