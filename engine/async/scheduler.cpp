#include "engine/async/scheduler.hpp"

#include "engine/async/scope.hpp"

namespace scoutfs {

void Waiter::disarm() {
  if (!timer_armed_) return;
  scheduler_.timers_.erase(timer_);
  timer_armed_ = false;
}

void Cancellation::request() {
  requested_ = true;
  while (!waiters_.empty()) scheduler_.wake(waiters_.front(), Wake::cancelled);
}

Scheduler::~Scheduler() {
  SCOUTFS_ASSERT(timers_.empty());
  SCOUTFS_ASSERT(ready_.empty());
  SCOUTFS_ASSERT(scopes_.empty());
}

void Scheduler::wake(Waiter& waiter, Wake outcome) {
  static_cast<ListHook<QueueTag>&>(waiter).unlink();
  static_cast<ListHook<CancelTag>&>(waiter).unlink();
  waiter.disarm();
  waiter.outcome_ = outcome;
  ready_.push_back(waiter);
}

std::uint64_t Scheduler::run(std::uint64_t limit) {
  SCOUTFS_ASSERT(!running_);
  running_ = true;
  std::uint64_t resumed = 0;
  expire_timers();
  while (!ready_.empty() && resumed < limit) {
    Waiter& waiter = ready_.front();
    static_cast<ListHook<QueueTag>&>(waiter).unlink();
    ++resumed;
    waiter.handle_.resume();
    if (ready_.empty()) expire_timers();
  }
  running_ = false;
  return resumed;
}

void Scheduler::arm(Waiter& waiter, TimeNs deadline_ns) {
  waiter.timer_ = timers_.emplace(deadline_ns, &waiter);
  waiter.timer_armed_ = true;
}

void Scheduler::expire_timers() {
  if (timers_.empty()) return;
  const TimeNs now = now_ns();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    wake(*timers_.begin()->second, Wake::timed_out);
  }
}

void Scheduler::kill() {
  SCOUTFS_ASSERT(!running_);
  killed_ = true;
  while (!scopes_.empty()) {
    TaskScope& scope = scopes_.back();
    static_cast<ListHook<ScopeTag>&>(scope).unlink();
    scope.destroy_all();
  }
}

void Suspension::await_suspend(std::coroutine_handle<> handle) {
  SCOUTFS_ASSERT(queue_ != nullptr || deadline_ns_ != kForever || cancellation_ != nullptr);
  waiter_.handle_ = handle;
  if (queue_ != nullptr) queue_->push_back(waiter_);
  if (cancellation_ != nullptr) cancellation_->waiters_.push_back(waiter_);
  if (deadline_ns_ != kForever) waiter_.scheduler().arm(waiter_, deadline_ns_);
}

void Yield::await_suspend(std::coroutine_handle<> handle) {
  waiter_.set_handle(handle);
  waiter_.scheduler().wake(waiter_);
}

}  // namespace scoutfs
