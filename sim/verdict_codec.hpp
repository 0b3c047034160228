// A verdict as bytes, between the processes of one run of the simulator.
#pragma once

#include <string>
#include <string_view>

#include "sim/run.hpp"

namespace scoutfs::sim {

std::string encode(const Verdict& verdict);
Result<Verdict> decode_verdict(std::string_view bytes);  // Errors: corrupt.

}  // namespace scoutfs::sim
