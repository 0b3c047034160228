// The deployed node's clock and chance.
#pragma once

#include <array>
#include <cstddef>

#include "engine/async/clock.hpp"
#include "engine/env/random.hpp"

namespace scoutfs::node {

// CLOCK_BOOTTIME runs on while the machine sleeps, as leases need it.
class SystemClock : public Clock {
 public:
  TimeNs now_ns() const override;
  TimeNs wall_ns() const override;
};

// The kernel's generator, a page at a time.
class SystemRandom : public Random {
 public:
  std::uint64_t next() override;

 private:
  std::array<std::uint64_t, 64> pool_{};
  std::size_t left_ = 0;
};

}  // namespace scoutfs::node
