// Clock: the only door to time.
#pragma once

#include <cstdint>

namespace scoutfs {

using TimeNs = std::uint64_t;  // nanoseconds, of a clock or a duration

inline constexpr TimeNs kMicrosecond = 1'000;
inline constexpr TimeNs kMillisecond = 1'000'000;
inline constexpr TimeNs kSecond = 1'000'000'000;
inline constexpr TimeNs kForever = ~TimeNs{0};

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic, from an arbitrary start. For deadlines and leases; runs on while a node sleeps.
  virtual TimeNs now_ns() const = 0;
  // Nanoseconds since 1970 UTC. For timestamps that users see, and nothing else.
  virtual TimeNs wall_ns() const = 0;
};

}  // namespace scoutfs
