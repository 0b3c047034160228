// EventQueue: virtual time, and what happens when.
//
// Events of one instant happen in the order in which they were scheduled.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/async/clock.hpp"

namespace scoutfs::sim {

class EventQueue {
 public:
  using Action = std::move_only_function<void()>;

  TimeNs now_ns() const { return now_; }
  // Requires: not in the past.
  void at(TimeNs when, Action action);
  void after(TimeNs delay_ns, Action action) { at(now_ + delay_ns, std::move(action)); }

  // When the next event happens; kForever if there is none.
  TimeNs next_ns() const { return heap_.empty() ? kForever : heap_.front().when; }
  // Moves time on. Requires: not back, and past no event.
  void advance(TimeNs when);
  // Moves time to the next event and lets it happen. Requires: there is one.
  void run_next();
  // Forgets all events. Their actions are destroyed, which may schedule nothing.
  void clear();

 private:
  struct Event {
    TimeNs when = 0;
    std::uint64_t number = 0;
    Action action;
  };
  static bool later(const Event& a, const Event& b) {
    return a.when != b.when ? a.when > b.when : a.number > b.number;
  }

  TimeNs now_ = 0;
  std::uint64_t next_number_ = 0;
  std::vector<Event> heap_;
};

}  // namespace scoutfs::sim
