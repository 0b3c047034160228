// explain: runs a seed and makes the page that shows what happened.
#pragma once

#include <functional>
#include <string>

#include "sim/run.hpp"

namespace scoutfs::sim {

// Runs the seed and delivers its page once, at the end. If an assertion of the engine breaks,
// the page shows the run until then, and the process ends when `deliver` returns.
void explain(const RunConfig& config,
             const std::function<void(const Verdict&, const std::string& page)>& deliver);

}  // namespace scoutfs::sim
