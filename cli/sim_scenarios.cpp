// `scoutfs sim scenarios`: what runs can be about.
#include <fmt/core.h>

#include <memory>

#include "cli/command.hpp"
#include "cli/sim_arguments.hpp"
#include "cli/table.hpp"
#include "sim/scenarios/scenarios.hpp"

namespace scoutfs::cli {

namespace {

std::string workloads_of(const sim::Scenario& scenario) {
  std::string names;
  for (const sim::PlannedWorkload& planned : scenario.workloads) {
    names += fmt::format("{}{} {}", names.empty() ? "" : ", ", to_string(planned.kind),
                         planned.weight);
  }
  return names;
}

std::string text(sim::DrawRange range) {
  return range.low == range.high ? std::to_string(range.low)
                                 : fmt::format("{}..{}", range.low, range.high);
}

void list_names() {
  for (const auto& scenario : sim::built_in_scenarios()) fmt::print("{}\n", scenario->name);
}

void list(bool json) {
  Table table({"Scenario", "Nodes", "Ops", "Description"});
  auto all = nlohmann::json::object();
  for (const auto& scenario : sim::built_in_scenarios()) {
    all[scenario->name] = nlohmann::json::parse(scenario->text);
    table.add({scenario->name, text(scenario->nodes), text(scenario->operations),
               fmt::format("{} ({})", scenario->description, workloads_of(*scenario))});
  }
  if (json) return print_json(all);
  fmt::print("{}", table.text());
}

}  // namespace

void add_sim_scenarios(CLI::App& sim) {
  const auto json = std::make_shared<bool>(false);
  const auto names = std::make_shared<bool>(false);
  CLI::App& command = *sim.add_subcommand("scenarios", "List what runs can be about");
  command.add_flag("--json", *json, "print the scenarios' files as one JSON object");
  command.add_flag("--names", *names, "print nothing but their names, one a line")
      ->excludes(command.get_option("--json"));
  command.callback([json, names] { *names ? list_names() : list(*json); });
}

}  // namespace scoutfs::cli
