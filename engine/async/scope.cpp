#include "engine/async/scope.hpp"

#include <utility>

namespace scoutfs {

namespace detail {
Root::promise_type::promise_type(TaskScope& scope, Task<void>&) {
  scope.roots_.push_back(*this);
}
}  // namespace detail

TaskScope::~TaskScope() {
  if (scheduler_.killed()) destroy_all();
  SCOUTFS_ASSERT(running_ == 0);
  if (gone_ != nullptr) *gone_ = true;
}

detail::Root TaskScope::run(TaskScope& scope, Task<void> task) {
  // The first thing a root does is to queue up, so that spawn() runs nothing.
  co_await Yield(scope.scheduler_);
  co_await std::move(task);
  SCOUTFS_ASSERT(scope.running_ > 0);
  if (--scope.running_ == 0) {
    while (!scope.drainers_.empty()) scope.scheduler_.wake(scope.drainers_.front());
  }
}

void TaskScope::spawn(Task<void> task) {
  SCOUTFS_ASSERT(!scheduler_.killed());
  ++running_;
  run(*this, std::move(task)).handle.resume();
}

Task<void> TaskScope::drain() {
  while (running_ > 0) co_await Suspension(scheduler_, &drainers_);
}

void TaskScope::destroy_all() {
  bool gone = false;
  bool* const outer = std::exchange(gone_, &gone);
  while (!gone && !roots_.empty()) {
    auto& promise = roots_.back();
    static_cast<ListHook<RootTag>&>(promise).unlink();
    --running_;
    std::coroutine_handle<detail::Root::promise_type>::from_promise(promise).destroy();
  }
  if (!gone) gone_ = outer;
  if (gone && outer != nullptr) *outer = true;
}

}  // namespace scoutfs
