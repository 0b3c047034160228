// Running the offline checks on an image, outside of simulated time.
#pragma once

#include <optional>

#include "engine/check/check.hpp"
#include "sim/disk.hpp"
#include "sim/event_queue.hpp"

namespace scoutfs::sim {

// A device, a scheduler and a clock that stands still.
class Offline {
 public:
  explicit Offline(const Image& image) : device_(image) {}

  Result<check::Report> check();
  Result<void> visit_items(const check::VisitItem& visit);
  Result<void> visit_server_items(const check::VisitItem& visit);

 private:
  template <class T>
  T run(Task<T> task);

  class StillClock final : public Clock {
   public:
    TimeNs now_ns() const override { return 0; }
    TimeNs wall_ns() const override { return 0; }
  };
  StillClock clock_;
  Scheduler scheduler_{clock_};
  ImageDevice device_;
};

}  // namespace scoutfs::sim
