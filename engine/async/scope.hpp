// TaskScope: owns tasks that run beside their creator, and outlives none of them.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>

#include "engine/async/scheduler.hpp"
#include "engine/async/task.hpp"

namespace scoutfs {

struct RootTag;

namespace detail {

// The coroutine around a spawned task; frees itself when the task is done.
struct Root {
  struct promise_type : PooledFrame, ListHook<RootTag> {
    promise_type(TaskScope& scope, Task<void>& task);
    Root get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

}  // namespace detail

// Usage:
//   TaskScope scope(scheduler);
//   scope.spawn(flush_journal(journal));   // runs when the scheduler gets to it
//   co_await scope.drain();                // always, on every path out
//
// Arguments of a spawned task are values, or refer to what outlives the scope.
class TaskScope : public ListHook<ScopeTag> {
 public:
  explicit TaskScope(Scheduler& scheduler) : scheduler_(scheduler) {
    scheduler.scopes_.push_back(*this);
  }
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  // Requires: drained, or the node was killed.
  ~TaskScope();

  void spawn(Task<void> task);
  // Completes when every spawned task has. A task of the scope may still spawn others
  // meanwhile.
  Task<void> drain();
  std::size_t running() const { return running_; }

 private:
  friend class Scheduler;
  friend struct detail::Root::promise_type;
  static detail::Root run(TaskScope& scope, Task<void> task);
  void destroy_all();  // the scope itself may be gone afterwards, if a task owned it

  Scheduler& scheduler_;
  List<detail::Root::promise_type, RootTag> roots_;
  WaiterList drainers_;
  std::size_t running_ = 0;
  bool* gone_ = nullptr;  // set by the destructor, for a destroy_all() in progress
};

}  // namespace scoutfs
