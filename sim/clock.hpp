// NodeClock: a node's own idea of time: the world's, skewed and drifting.
#pragma once

#include "engine/async/clock.hpp"
#include "sim/event_queue.hpp"

namespace scoutfs::sim {

struct ClockShape {
  TimeNs start_ns = 0;         // what the monotonic clock showed when the world began
  std::int64_t drift_ppm = 0;  // how much faster it runs, in millionths. Above -1,000,000
  TimeNs wall_start_ns = 0;    // what the wall clock showed when the world began
};

class NodeClock final : public Clock {
 public:
  NodeClock(const EventQueue& events, ClockShape shape) : events_(events), shape_(shape) {}

  TimeNs now_ns() const override { return local(events_.now_ns()); }
  TimeNs wall_ns() const override {
    return shape_.wall_start_ns + local(events_.now_ns()) - shape_.start_ns;
  }
  // The first instant of the world at which now_ns() reaches `local_ns`; kForever for kForever.
  TimeNs world_time_of(TimeNs local_ns) const {
    if (local_ns == kForever) return kForever;
    if (local_ns <= shape_.start_ns) return 0;
    const auto elapsed = static_cast<__int128>(local_ns - shape_.start_ns);
    auto world = static_cast<TimeNs>(elapsed * kMillion / (kMillion + shape_.drift_ppm));
    while (world > 0 && local(world - 1) >= local_ns) --world;
    while (local(world) < local_ns) ++world;
    return world;
  }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;

  TimeNs local(TimeNs world_ns) const {
    const auto gained = static_cast<__int128>(world_ns) * shape_.drift_ppm / kMillion;
    return shape_.start_ns + world_ns + static_cast<TimeNs>(gained);
  }

  const EventQueue& events_;
  ClockShape shape_;
};

}  // namespace scoutfs::sim
