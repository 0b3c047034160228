// How far two clocks may part, and durations that account for it.
//
// Every promise between nodes that is measured in time (leases, a leader's authority) is kept
// by two clocks. The receiver counts it shorter and the giver longer, so that it is over for
// the receiver first, whatever their clocks do within the bound.
#pragma once

#include "engine/async/clock.hpp"

namespace scoutfs {

// Millionths by which a monotonic clock may run faster or slower than true time. Crystals stay
// within 100, a clock that is being slewed within 500.
inline constexpr TimeNs kDriftBoundPpm = 1'000;

// A duration that is over, on any clock within the bound, no later than `duration_ns` of true
// time; and one that is over no earlier.
constexpr TimeNs counted_short(TimeNs duration_ns) {
  return duration_ns - duration_ns / 1'000'000 * kDriftBoundPpm - kDriftBoundPpm;
}
constexpr TimeNs counted_long(TimeNs duration_ns) {
  return duration_ns + duration_ns / 1'000'000 * kDriftBoundPpm + kDriftBoundPpm;
}

// No leader grants a lease for longer, so that the next one knows when all of its predecessors'
// have ended.
inline constexpr TimeNs kLeaseMax = 5 * kSecond;

}  // namespace scoutfs
