// Scenario: what the runs of a campaign are about: which workloads, how many nodes and
// operations, which faults, and what is drawn otherwise than usual.
//
// A seed draws everything as without a scenario first; then what the scenario names is drawn
// again, from a stream of its own. scenarios/README.md has the files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/plan.hpp"

namespace scoutfs::sim {

// Both are in it.
struct DrawRange {
  std::uint64_t low = 0, high = 0;
};

struct Scenario {
  struct Faults {
    DrawRange count;                                         // of a run
    std::vector<std::pair<FaultKind, std::uint64_t>> kinds;  // by weight
  };

  std::string name;         // as --scenario has it
  bool built_in = false;    // otherwise the name is that of a file
  std::string description;  // one sentence
  std::string text;         // the file, so that it can be had again
  std::vector<PlannedWorkload> workloads;
  DrawRange nodes{.low = 1, .high = 5};
  DrawRange operations{.low = 200, .high = 200};
  std::map<std::string, DrawRange> knobs;
  // As without a scenario, if it says nothing.
  std::optional<Faults> faults;
  std::optional<std::uint64_t> disk_errors_percent, full_volume_percent;  // of all seeds
};

// What a scenario may draw otherwise: one number of the plan each.
struct Knob {
  std::string_view name;
  std::uint64_t low, high;  // what it may be
  void (*set)(Plan& plan, std::uint64_t value);
};
const std::vector<Knob>& knobs();  // by name

// The scenario's part of a plan (plan_scenario.cpp).
unsigned draw_nodes(const Scenario& scenario, std::uint64_t seed);
std::uint64_t draw_operations(const Scenario& scenario, std::uint64_t seed);
// Workloads and knobs.
void draw_scenario(const Scenario& scenario, Plan& plan);
// Requires: it has faults.
void draw_scenario_faults(const Scenario& scenario, Plan& plan);

}  // namespace scoutfs::sim
