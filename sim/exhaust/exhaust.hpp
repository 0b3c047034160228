// The bounded-exhaustive lane: every case of a space, each from a copy of one prepared cluster.
#pragma once

#include <cstdint>
#include <functional>

#include "sim/exhaust/space.hpp"
#include "sim/run.hpp"

namespace scoutfs::sim {

struct ExhaustConfig {
  unsigned operations = 1;            // of each case, 1 or 2
  std::uint64_t first = 1, last = 1;  // cases, by number
  std::uint64_t every = 1;            // of these every so many
  unsigned jobs = 1;                  // processes at a time
  unsigned seconds_per_case = 60;     // of real time
  bool canary = false;                // one answer of each case is falsified

  std::uint64_t cases() const { return (last - first) / every + 1; }
};

// Runs the cases and tells each verdict as it comes, its seed being the number of the case.
// Stops early when `on_verdict` returns false, or `go_on`, as run_batch() does.
void run_cases(
    const ExhaustConfig& config, const std::function<bool(const Verdict&)>& on_verdict,
    const std::function<bool()>& go_on = [] { return true; });

// One case in this process; the sink gets the story.
Verdict run_case(const ExhaustConfig& config, std::uint64_t number, Trace::Sink sink);

}  // namespace scoutfs::sim
