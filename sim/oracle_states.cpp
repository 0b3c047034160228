#include "sim/oracle_states.hpp"

#include <fmt/core.h>

namespace scoutfs::sim {

std::string_view to_string(OracleState state) {
  switch (state) {
    case OracleState::not_applicable:
      return "not applicable";
    case OracleState::ran:
      return "ran";
    case OracleState::failed:
      return "failed";
  }
  return "unknown";
}

std::map<std::string, OracleState> oracle_states(const Verdict& verdict) {
  std::map<std::string, OracleState> states;
  for (const auto& [oracle, looked] : verdict.oracles) {
    states[oracle] = looked > 0 ? OracleState::ran : OracleState::not_applicable;
  }
  if (!verdict.passed) states[verdict.oracle] = OracleState::failed;
  return states;
}

std::string describe_coverage(const Verdict& verdict) {
  std::map<OracleState, std::string> lists;
  for (const auto& [oracle, state] : oracle_states(verdict)) {
    std::string& list = lists[state];
    list += list.empty() ? "" : ", ";
    list += oracle;
    const auto looked = verdict.oracles.find(oracle);
    if (state != OracleState::not_applicable && looked != verdict.oracles.end()) {
      list += fmt::format(" {}", looked->second);
    }
  }
  std::string text;
  for (const auto& [state, list] : lists) {
    text +=
        fmt::format("  oracles that {}{}: {}\n",
                    state == OracleState::not_applicable ? "are " : "", to_string(state), list);
  }
  std::string faults;
  for (const auto& [kind, count] : verdict.faults) {
    const auto noticed = verdict.noticed.find(kind);
    faults += fmt::format("{}{} {}/{}", faults.empty() ? "" : ", ", kind,
                          noticed == verdict.noticed.end() ? 0 : noticed->second, count);
  }
  if (!faults.empty()) text += fmt::format("  faults, noticed of injected: {}\n", faults);
  return text;
}

}  // namespace scoutfs::sim
