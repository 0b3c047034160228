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
// list, show, stats and coverage.
void add_sim_store(CLI::App& sim);

// What decides what a seed does: --nodes, --ops, --no-faults, --canary.
struct RunArguments {
  sim::RunConfig run;
  bool no_faults = false;

  void add_to(CLI::App& command);
  sim::RunConfig config(std::uint64_t seed = 1) const;
};

struct SeedRange {
  std::uint64_t first = 1, last = 1;
};
// "A..B" or "A". Throws CLI::ValidationError.
SeedRange parse_seeds(const std::string& text);

nlohmann::json to_json(const sim::Verdict& verdict);

}  // namespace scoutfs::cli
