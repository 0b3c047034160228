// The page that explains a run: one HTML file that needs nothing else.
#pragma once

#include <cstddef>
#include <string>

#include "sim/explain/recording.hpp"
#include "sim/run.hpp"

namespace scoutfs::sim {

inline constexpr std::size_t kPageMax = 5'000'000;  // bytes

// Of a run too long for one page the beginning is left out, and the page says so.
std::string page_of(const RunConfig& config, const Verdict& verdict,
                    const Recording& recording);

}  // namespace scoutfs::sim
