// What the subcommands of `scoutfs sim` share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/run.hpp"

namespace scoutfs::cli {

void add_sim_run(CLI::App& sim);
void add_sim_replay(CLI::App& sim);
void add_sim_explain(CLI::App& sim);
void add_sim_curve(CLI::App& sim);
void add_sim_shrink(CLI::App& sim);
void add_sim_scenarios(CLI::App& sim);
void add_sim_exhaust(CLI::App& sim);
// list, show, stats and coverage.
void add_sim_store(CLI::App& sim);

// What decides what a seed does: --scenario, --nodes, --ops, --no-faults, --canary, --edits.
struct RunArguments {
  sim::RunConfig run;
  bool no_faults = false;

  void add_to(CLI::App& command);
  // The same and --edits, which says all of it in a file.
  void add_with_edits_to(CLI::App& command);
  sim::RunConfig config(std::uint64_t seed = 1) const;
  // Of a file of edits, if there is one, what it says; `command` complains, and exits, if it
  // cannot be used for the seed.
  sim::RunConfig config_with_edits(const std::string& command, std::uint64_t seed) const;

  std::string edits;

 private:
  // What is wrong with it; empty: it is the scenario from now on.
  std::string use_scenario(const std::string& name);

  CLI::Option *nodes_ = nullptr, *operations_ = nullptr;
};

struct SeedRange {
  std::uint64_t first = 1, last = 1;
};
// "A..B" or "A". Throws CLI::ValidationError.
SeedRange parse_seeds(const std::string& text);

nlohmann::json to_json(const sim::Verdict& verdict);

// From now on an interrupt of the terminal is noted, and the second one kills.
void note_interrupts();
bool interrupted();

}  // namespace scoutfs::cli
