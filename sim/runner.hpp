// Runner: many runs, in processes of their own, so that a failed assertion ends only its run.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sim/run.hpp"

namespace scoutfs::sim {

struct RangeConfig {
  RunConfig run;  // but for the seed
  std::uint64_t first = 1, last = 1;
  unsigned jobs = 1;                // processes at a time
  unsigned seconds_per_seed = 300;  // of real time; longer is a failure
  std::vector<std::uint64_t> done;  // seeds that are left out, ascending
};

// Runs every seed of the range and tells each verdict as it comes; the order varies if jobs
// > 1. Stops early when `on_verdict` returns false, or `go_on`, which is asked now and then: at
// least every second and after a signal. An interrupt of the terminal (SIGINT) is the caller's.
void run_seeds(
    const RangeConfig& config, const std::function<bool(const Verdict&)>& on_verdict,
    const std::function<bool()>& go_on = [] { return true; });

// Runs of any kind, by number.
struct BatchConfig {
  std::uint64_t first = 1, last = 1;
  unsigned jobs = 1;
  unsigned seconds_per_run = 300;
  std::vector<std::uint64_t> done;
  // What each number is, asked in its process, and how it is run.
  std::function<RunConfig(std::uint64_t number)> config;
  std::function<Verdict(const RunConfig&)> execute = [](const RunConfig& config) {
    return run_seed(config);
  };
};

// As run_seeds().
void run_batch(
    const BatchConfig& batch,
    const std::function<bool(std::uint64_t number, const Verdict&)>& on_verdict,
    const std::function<bool()>& go_on = [] { return true; });

// From now on a failed assertion prints the seed that was running and how to repeat it.
void report_assertions_of(const RunConfig& config);

}  // namespace scoutfs::sim
