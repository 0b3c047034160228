// `scoutfs sim`: its subcommands, what they share, and `replay`.
#include "cli/sim.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <expected>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include "cli/command.hpp"
#include "cli/sim_arguments.hpp"
#include "sim/build_id.hpp"
#include "sim/oracle_states.hpp"
#include "sim/runner.hpp"
#include "sim/scenarios/scenarios.hpp"
#include "sim/shrink/edits_codec.hpp"

namespace scoutfs::cli {

namespace {
// Errors: why it cannot be read.
std::expected<std::string, std::string> contents_of(const std::string& file) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  // Of a directory nothing can be read.
  if (stream.is_open()) text << stream.rdbuf();
  if (stream.is_open() && text.good()) return text.str();
  return std::unexpected(errno != 0 ? std::strerror(errno) : "cannot be read");
}
}  // namespace

void RunArguments::add_to(CLI::App& command) {
  command
      .add_option_function<std::string>(
          "--scenario", [](const std::string&) {},
          "what the runs are about: a name, as `sim scenarios` lists them, or a file; the seed "
          "draws nodes and operations as it says")
      ->check([this](const std::string& name) { return use_scenario(name); });
  nodes_ =
      command.add_option("--nodes", run.nodes, "nodes of the cluster; 0: drawn by the seed")
          ->capture_default_str()
          ->check(CLI::Range(0, 15));
  operations_ =
      command.add_option("--ops", run.operations, "operations in all; 0: drawn by the seed")
          ->capture_default_str();
  command.add_flag("--no-faults", no_faults, "inject no faults");
  command.add_flag("--canary", run.canary,
                   "falsify one answer, to see that a failure is found and reported");
  command.add_flag("--canary-unjudged", run.canary_unjudged,
                   "falsify answers in the history alone, which only the oracle linearizable "
                   "looks at");
}

sim::RunConfig RunArguments::config(std::uint64_t seed) const {
  sim::RunConfig config = run;
  config.seed = seed;
  config.faults = !no_faults;
  if (config.scenario != nullptr) {
    if (nodes_->count() == 0) config.nodes = 0;
    if (operations_->count() == 0) config.operations = 0;
  }
  return config;
}

std::string RunArguments::use_scenario(const std::string& name) {
  run.scenario = sim::built_in_scenario(name);
  if (run.scenario != nullptr) return {};
  const bool is_file = name.find('/') != std::string::npos || name.ends_with(".json");
  if (!is_file) {
    return fmt::format("there is no scenario {}; known: {}, and files, as ./{}.json", name,
                       sim::names_of_built_in_scenarios(), name);
  }
  const std::expected<std::string, std::string> text = contents_of(name);
  if (!text.has_value()) return fmt::format("{}: {}", name, text.error());
  std::expected<sim::Scenario, std::string> scenario = sim::decode_scenario(name, *text);
  if (!scenario.has_value()) return fmt::format("{}: {}", name, scenario.error());
  run.scenario = std::make_shared<const sim::Scenario>(*std::move(scenario));
  return {};
}

void RunArguments::add_with_edits_to(CLI::App& command) {
  add_to(command);
  CLI::Option* option = command.add_option(
      "--edits", edits, "only the decisions of this file are left, as `sim shrink` writes it");
  for (const char* other :
       {"--scenario", "--nodes", "--ops", "--no-faults", "--canary", "--canary-unjudged"}) {
    option->excludes(command.get_option(other));
  }
}

sim::RunConfig RunArguments::config_with_edits(const std::string& command,
                                               std::uint64_t seed) const {
  if (edits.empty()) return config(seed);
  const auto refuse = [this, &command](const std::string& why) {
    throw CLI::RuntimeError(failed(command, fmt::format("{}: {}", edits, why)));
  };
  const std::expected<std::string, std::string> text = contents_of(edits);
  if (!text.has_value()) refuse(text.error());
  std::expected<sim::EditsFile, std::string> file = sim::decode_edits(*text);
  if (!file.has_value()) refuse(file.error());
  if (file->run.seed != seed) refuse(fmt::format("edits of seed {}", file->run.seed));
  if (file->build != sim::build_id()) {
    fmt::print(stderr, "{}: written by another build: the run may be another one\n", edits);
  }
  file->edits.file = edits;
  sim::RunConfig config = file->run;
  config.edits = std::make_shared<sim::Edits>(std::move(file->edits));
  return config;
}

namespace {
volatile std::sig_atomic_t interrupts = 0;
}  // namespace

void note_interrupts() {
  struct sigaction action{};
  action.sa_handler = [](int) { interrupts = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
}

bool interrupted() {
  return interrupts != 0;
}

SeedRange parse_seeds(const std::string& text) {
  const std::size_t dots = text.find("..");
  const std::string from = text.substr(0, dots);
  const std::string to = dots == std::string::npos ? from : text.substr(dots + 2);
  constexpr std::size_t kDigitsMax = 18;
  for (const std::string& number : {from, to}) {
    if (number.empty() || number.size() > kDigitsMax ||
        number.find_first_not_of("0123456789") != std::string::npos) {
      throw CLI::ValidationError("--seeds", "a number, or a range as 1..1000");
    }
  }
  const SeedRange range{.first = std::stoull(from), .last = std::stoull(to)};
  if (range.first > range.last) {
    throw CLI::ValidationError("--seeds", "the range ends before it begins");
  }
  return range;
}

nlohmann::json to_json(const sim::Verdict& verdict) {
  nlohmann::json json = {
      {"seed", verdict.seed},
      {"verdict", verdict.passed ? "pass" : "fail"},
      {"hash", sim::to_string(verdict.hash)},
      {"nodes", verdict.nodes},
      {"virtual_ms", verdict.virtual_ns / kMillisecond},
      {"probe_ms", verdict.probe_ns / kMillisecond},
      {"events", verdict.events},
      {"operations", verdict.operations},
      {"lost_operations", verdict.lost_operations},
      {"faults", verdict.faults},
      {"noticed", verdict.noticed},
      {"deaths", verdict.deaths},
      {"late_writes", verdict.late_writes},
      {"messages", verdict.messages},
      {"disk_requests", verdict.disk_requests},
      {"answers", verdict.answers},
      {"errors", verdict.errors},
      {"protocol", verdict.protocol},
  };
  for (const auto& [oracle, state] : sim::oracle_states(verdict)) {
    const auto looked = verdict.oracles.find(oracle);
    json["oracles"][oracle] = {{"looked", looked == verdict.oracles.end() ? 0 : looked->second},
                               {"state", to_string(state)}};
  }
  if (!verdict.passed) {
    json["oracle"] = verdict.oracle;
    json["what"] = verdict.what;
  }
  return json;
}

namespace {

struct ReplayArguments {
  RunArguments run;
  std::uint64_t seed = 1;
  std::uint64_t until_ms = 0;
  bool verbose = false;
  bool json = false;
};

void replay(const ReplayArguments& arguments) {
  const sim::RunConfig config = arguments.run.config_with_edits("sim replay", arguments.seed);
  sim::report_assertions_of(config);
  sim::Trace::Sink sink;
  if (arguments.verbose) {
    sink = [](std::string_view line) { fmt::print("{}\n", line); };
  }
  const TimeNs until = arguments.until_ms == 0 ? kForever : arguments.until_ms * kMillisecond;
  const sim::Verdict verdict = sim::run_seed(config, std::move(sink), until);
  if (arguments.json) {
    fmt::print("{}\n", to_json(verdict).dump(2));
  } else {
    fmt::print("{}{}", sim::to_text(verdict), sim::describe_coverage(verdict));
  }
  if (!verdict.passed) throw CLI::RuntimeError(1);
}

}  // namespace

void add_sim_replay(CLI::App& sim) {
  const auto arguments = std::make_shared<ReplayArguments>();
  CLI::App& command = *sim.add_subcommand("replay", "Run one seed again");
  command.add_option("SEED", arguments->seed, "the seed")->required();
  command.add_flag("--verbose", arguments->verbose, "tell the whole story");
  command.add_option("--until", arguments->until_ms,
                     "end at this virtual time, in milliseconds");
  arguments->run.add_with_edits_to(command);
  command.add_flag("--json", arguments->json, "the verdict as JSON");
  command.callback([arguments] { replay(*arguments); });
}

void add_sim_command(CLI::App& app) {
  CLI::App& sim = *app.add_subcommand("sim", "Run the cluster in a simulated world.");
  sim.require_subcommand(1);
  add_sim_run(sim);
  add_sim_replay(sim);
  add_sim_explain(sim);
  add_sim_curve(sim);
  add_sim_shrink(sim);
  add_sim_scenarios(sim);
  add_sim_exhaust(sim);
  add_sim_store(sim);
}

}  // namespace scoutfs::cli
