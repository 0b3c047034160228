// What a verdict says of each oracle: it ran, it did not apply, or it failed.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "sim/run.hpp"

namespace scoutfs::sim {

enum class OracleState : std::uint8_t { not_applicable, ran, failed };
std::string_view to_string(OracleState state);  // "not applicable"

// Of every oracle there is, and of the one that failed: a process that breaks is one, too.
std::map<std::string, OracleState> oracle_states(const Verdict& verdict);

// A line for each state: which oracles, and how often they looked; and a line of the faults:
// injected, and noticed by the engine.
std::string describe_coverage(const Verdict& verdict);

}  // namespace scoutfs::sim
