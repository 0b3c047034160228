// The story of a run that failed: the run once more, in a process of its own, with its trace.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "sim/run.hpp"

namespace scoutfs::sim {

// What `body` tells, line by line, in a process of its own, up to its end or its death: a
// failed assertion is the last line, "assertion: ...". `seconds`: of real time, after which it
// is ended.
using Tell = std::function<void(std::string_view line)>;
std::string told_by(const std::function<void(const Tell&)>& body, unsigned seconds);

inline constexpr std::size_t kStoryMax = 64u << 20;  // bytes; of a longer one the end is kept

// Runs the seed again and returns what it tells, line by line, up to its failure or to the
// death of its process. `seconds`: of real time, after which it is ended.
std::string retrace(const RunConfig& config, unsigned seconds);

}  // namespace scoutfs::sim
