// Driving coroutines from a test: a clock set by hand, and a task run to its end.
#pragma once

#include <optional>
#include <utility>

#include "engine/async/clock.hpp"
#include "engine/async/scheduler.hpp"
#include "engine/async/scope.hpp"
#include "engine/async/task.hpp"
#include "engine/base/assert.hpp"

namespace scoutfs::testing {

class ManualClock : public Clock {
 public:
  TimeNs now_ns() const override { return now_; }
  TimeNs wall_ns() const override { return now_; }
  void set(TimeNs now_ns) { now_ = now_ns; }

 private:
  TimeNs now_ = 0;
};

namespace detail {
template <class T>
Task<void> store(Task<T> task, std::optional<T>* out) {
  T value = co_await std::move(task);
  out->emplace(std::move(value));
}
inline Task<void> store_void(Task<void> task, bool* done) {
  co_await std::move(task);
  *done = true;
}
}  // namespace detail

// Runs whatever is ready, moving the clock to the next deadline when nothing is, until the task
// is done. Requires: it can get done that way.
template <class T>
T run(Scheduler& scheduler, ManualClock& clock, Task<T> task) {
  TaskScope scope(scheduler);
  std::optional<T> out;
  scope.spawn(detail::store<T>(std::move(task), &out));
  while (!out.has_value()) {
    if (scheduler.run() > 0) continue;
    SCOUTFS_ASSERT(scheduler.next_deadline_ns() != kForever);
    clock.set(scheduler.next_deadline_ns());
  }
  scheduler.run();
  return *std::move(out);
}

inline void run(Scheduler& scheduler, ManualClock& clock, Task<void> task) {
  TaskScope scope(scheduler);
  bool done = false;
  scope.spawn(detail::store_void(std::move(task), &done));
  while (!done) {
    if (scheduler.run() > 0) continue;
    SCOUTFS_ASSERT(scheduler.next_deadline_ns() != kForever);
    clock.set(scheduler.next_deadline_ns());
  }
  scheduler.run();
}

// A scheduler and its clock: one node.
struct World {
  ManualClock clock;
  Scheduler scheduler{clock};

  template <class T>
  T run(Task<T> task) {
    return testing::run(scheduler, clock, std::move(task));
  }
  void run(Task<void> task) { testing::run(scheduler, clock, std::move(task)); }
};

}  // namespace scoutfs::testing
