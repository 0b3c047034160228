#include "sim/event_queue.hpp"

#include <algorithm>
#include <utility>

#include "engine/base/assert.hpp"

namespace scoutfs::sim {

void EventQueue::at(TimeNs when, Action action) {
  SCOUTFS_ASSERT(when >= now_);
  heap_.push_back({when, next_number_++, std::move(action)});
  std::ranges::push_heap(heap_, later);
}

void EventQueue::advance(TimeNs when) {
  SCOUTFS_ASSERT(when >= now_);
  SCOUTFS_ASSERT(when <= next_ns());
  now_ = when;
}

void EventQueue::run_next() {
  SCOUTFS_ASSERT(!heap_.empty());
  std::ranges::pop_heap(heap_, later);
  Event event = std::move(heap_.back());
  heap_.pop_back();
  now_ = event.when;
  event.action();
}

void EventQueue::clear() {
  const std::vector<Event> dropped = std::exchange(heap_, {});
}

}  // namespace scoutfs::sim
