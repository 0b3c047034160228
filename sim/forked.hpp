// A run in a process of its own, begun from the state of this one: a copy of a whole world
// costs what fork() costs, and a failed assertion or a loop ends only the copy.
#pragma once

#include <functional>

#include "sim/run.hpp"

namespace scoutfs::sim {

// The verdict of `run`, called in a child. Waits for it, at most so many seconds of real time.
// A child that breaks has failed at the oracle "assertion" or "process".
Verdict run_forked(const std::function<Verdict()>& run, unsigned seconds);

}  // namespace scoutfs::sim
