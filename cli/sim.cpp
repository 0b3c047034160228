// `scoutfs sim run` and `scoutfs sim replay`.
#include "cli/sim.hpp"

#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/oracle_states.hpp"
#include "sim/runner.hpp"

namespace scoutfs::cli {

namespace {

struct SimArguments {
  sim::RunConfig run;
  std::string seeds = "1..1000";
  unsigned jobs = 1;
  unsigned failures_max = 20;
  bool json = false;
  bool quiet = false;
  bool no_faults = false;
  bool verbose = false;
  std::uint64_t until_ms = 0;
  std::uint64_t seed = 1;
};

// "A..B" or "A".
bool parse_seeds(const std::string& text, std::uint64_t& first, std::uint64_t& last) {
  const std::size_t dots = text.find("..");
  const std::string from = text.substr(0, dots);
  const std::string to = dots == std::string::npos ? from : text.substr(dots + 2);
  for (const std::string& number : {from, to}) {
    if (number.empty() || number.find_first_not_of("0123456789") != std::string::npos)
      return false;
    if (number.size() > 19) return false;
  }
  first = std::stoull(from);
  last = std::stoull(to);
  return first <= last;
}

nlohmann::json to_json(const sim::Verdict& verdict) {
  nlohmann::json json = {
      {"seed", verdict.seed},
      {"verdict", verdict.passed ? "pass" : "fail"},
      {"hash", sim::to_string(verdict.hash)},
      {"virtual_ms", verdict.virtual_ns / kMillisecond},
      {"events", verdict.events},
      {"operations", verdict.operations},
      {"lost_operations", verdict.lost_operations},
      {"nodes", verdict.nodes},
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

// What a range of seeds did, summed up.
class Summary {
 public:
  explicit Summary(const SimArguments& arguments) : arguments_(arguments) {}

  bool add(const sim::Verdict& verdict) {
    ++seeds_;
    for (const auto& [kind, count] : verdict.faults) faults_ += count;
    operations_ += verdict.operations;
    deaths_ += verdict.deaths;
    if (arguments_.json) fmt::print("{}\n", to_json(verdict).dump());
    if (!verdict.passed) {
      ++failures_;
      sim::RunConfig config = arguments_.run;
      config.seed = verdict.seed;
      std::FILE* out = arguments_.json ? stderr : stdout;
      fmt::print(out, "{}  repeat with: {} --verbose\n", sim::to_text(verdict),
                 sim::replay_command(config));
      std::fflush(out);
    }
    if (seeds_ % 100 == 0) progress();
    return failures_ < arguments_.failures_max;
  }
  void finish() const {
    fmt::print(arguments_.json ? stderr : stdout,
               "{} seeds, {} failed; {} operations, {} faults, {} deaths; {:.1f} s, "
               "{:.1f} seeds/s\n",
               seeds_, failures_, operations_, faults_, deaths_, seconds(), rate());
  }
  unsigned failures() const { return failures_; }

 private:
  double seconds() const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began_;
    return passed.count();
  }
  double rate() const { return static_cast<double>(seeds_) / seconds(); }
  void progress() const {
    if (arguments_.quiet) return;
    fmt::print(stderr, "\r{} seeds, {} failed, {:.1f} seeds/s ", seeds_, failures_, rate());
    std::fflush(stderr);
  }

  const SimArguments& arguments_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::uint64_t seeds_ = 0, operations_ = 0, faults_ = 0, deaths_ = 0;
  unsigned failures_ = 0;
};

void run_range(SimArguments& arguments) {
  arguments.run.faults = !arguments.no_faults;
  sim::RangeConfig range;
  range.run = arguments.run;
  range.jobs = arguments.jobs;
  if (!parse_seeds(arguments.seeds, range.first, range.last)) {
    throw CLI::ValidationError("--seeds", "a number, or a range as 1..1000");
  }
  Summary summary(arguments);
  sim::run_seeds(range,
                 [&summary](const sim::Verdict& verdict) { return summary.add(verdict); });
  summary.finish();
  if (summary.failures() > 0) throw CLI::RuntimeError(1);
}

void replay(SimArguments& arguments) {
  arguments.run.faults = !arguments.no_faults;
  arguments.run.seed = arguments.seed;
  sim::report_assertions_of(arguments.run);
  sim::Trace::Sink sink;
  if (arguments.verbose) {
    sink = [](std::string_view line) { fmt::print("{}\n", line); };
  }
  const TimeNs until = arguments.until_ms == 0 ? kForever : arguments.until_ms * kMillisecond;
  const sim::Verdict verdict = sim::run_seed(arguments.run, std::move(sink), until);
  if (arguments.json) {
    fmt::print("{}\n", to_json(verdict).dump(2));
  } else {
    fmt::print("{}{}", sim::to_text(verdict), sim::describe_coverage(verdict));
  }
  if (!verdict.passed) throw CLI::RuntimeError(1);
}

void add_run_options(CLI::App& command, SimArguments& arguments) {
  command
      .add_option("--nodes", arguments.run.nodes, "nodes of the cluster; 0: drawn by the seed")
      ->capture_default_str()
      ->check(CLI::Range(0, 15));
  command
      .add_option("--ops", arguments.run.operations, "operations in all; 0: drawn by the seed")
      ->capture_default_str();
  command.add_flag("--no-faults", arguments.no_faults, "inject no faults");
  command.add_flag("--json", arguments.json, "verdicts as JSON, one a line");
}

}  // namespace

void add_sim_command(CLI::App& app) {
  const auto arguments = std::make_shared<SimArguments>();
  CLI::App& sim = *app.add_subcommand("sim", "Run the cluster in a simulated world.");
  sim.require_subcommand(1);

  CLI::App& run = *sim.add_subcommand("run", "Run a range of seeds");
  run.add_option("--seeds", arguments->seeds, "the seeds, as A..B")->capture_default_str();
  run.add_option("--jobs", arguments->jobs, "processes at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  run.add_option("--failures", arguments->failures_max, "stop after so many failed seeds")
      ->capture_default_str();
  run.add_flag("--quiet", arguments->quiet, "no progress");
  add_run_options(run, *arguments);
  run.callback([arguments] { run_range(*arguments); });

  CLI::App& again = *sim.add_subcommand("replay", "Run one seed again");
  again.add_option("SEED", arguments->seed, "the seed")->required();
  again.add_flag("--verbose", arguments->verbose, "tell the whole story");
  again.add_option("--until", arguments->until_ms, "end at this virtual time, in milliseconds");
  add_run_options(again, *arguments);
  again.callback([arguments] { replay(*arguments); });
}

}  // namespace scoutfs::cli
