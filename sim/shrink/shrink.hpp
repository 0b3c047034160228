// Shrink: a run that fails, with less: fewer operations, faults and nodes, shorter delays,
// while the same oracle fails.
//
// The run is recorded once (edits.hpp). From then on only decisions are left out: each
// candidate is a run of its own, in a process of its own, since it may fail by an assertion.
// Which candidates are tried, and so the result, does not depend on how many run at a time;
// only how far it comes in a given time does.
#pragma once

#include <expected>
#include <functional>
#include <string>

#include "sim/edits.hpp"
#include "sim/run.hpp"

namespace scoutfs::sim {

struct ShrinkProgress {
  const Edits& best;
  std::uint64_t runs = 0;  // so far
};

struct ShrinkOptions {
  RunConfig run;  // without edits
  unsigned jobs = 1;
  unsigned seconds_per_run = 300;  // of real time; longer is a failure of oracle `process`
  // How a run is done and judged.
  std::function<Verdict(const RunConfig&)> execute = [](const RunConfig& config) {
    return run_seed(config);
  };
  // Asked before each candidate and at least every second; false: the best so far is the
  // result.
  std::function<bool()> go_on = [] { return true; };
  // Told after each candidate.
  std::function<void(const ShrinkProgress&)> on_progress = [](const ShrinkProgress&) {};
};

struct Shrunk {
  Verdict before, after;
  Edits all, left;
  std::uint64_t runs = 0;
  bool whole = false;  // nothing more can be left out, one by one
};

// Errors, in words: the run passes; it does not fail alike when its decisions are repeated;
// there was no time for that.
std::expected<Shrunk, std::string> shrink(const ShrinkOptions& options);

}  // namespace scoutfs::sim
