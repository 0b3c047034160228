// `scoutfs sim curve`: when a seed's failure became inevitable.
#include <fmt/core.h>

#include <memory>

#include "cli/command.hpp"
#include "cli/sim_arguments.hpp"
#include "cli/table.hpp"
#include "sim/likelihood.hpp"

namespace scoutfs::cli {

namespace {

struct Arguments {
  RunArguments run;
  std::uint64_t seed = 1;
  sim::LikelihoodOptions options;
  bool json = false;
};

std::string seconds(TimeNs time_ns) {
  return fmt::format("{}.{:06}", time_ns / kSecond, time_ns % kSecond / kMicrosecond);
}

nlohmann::json to_json(const sim::Likelihood& likelihood) {
  nlohmann::json json = {{"oracle", likelihood.oracle},
                         {"end_ms", likelihood.end_ns / kMillisecond},
                         {"points", nlohmann::json::array()},
                         {"steepest", nullptr},
                         {"inevitable", nullptr}};
  for (const sim::LikelihoodPoint& point : likelihood.points) {
    json["points"].push_back({{"at_us", point.at_ns / kMicrosecond},
                              {"futures", point.futures},
                              {"failed", point.failed},
                              {"same", point.same}});
  }
  if (const auto jump = sim::steepest(likelihood)) json["steepest"] = *jump;
  if (const auto from = sim::inevitable(likelihood)) json["inevitable"] = *from;
  return json;
}

void print(const sim::Likelihood& likelihood, std::uint64_t seed) {
  const bool passed = likelihood.oracle.empty();
  fmt::print("seed {}: {}, after {} s of virtual time\n", seed,
             passed ? "pass" : "fails at oracle " + likelihood.oracle,
             seconds(likelihood.end_ns));
  Table table({"Drawn anew from", "Futures", "Failed", "Same oracle", ""});
  for (const sim::LikelihoodPoint& point : likelihood.points) {
    constexpr unsigned kBar = 40;
    const unsigned length = point.futures == 0 ? 0 : point.failed * kBar / point.futures;
    table.add({seconds(point.at_ns), std::to_string(point.futures),
               std::to_string(point.failed), std::to_string(point.same),
               std::string(length, '#')});
  }
  fmt::print("{}", table.text());
  if (const auto jump = sim::steepest(likelihood)) {
    fmt::print("it grows most between {} s and {} s\n",
               seconds(likelihood.points[*jump - 1].at_ns),
               seconds(likelihood.points[*jump].at_ns));
  }
  if (const auto from = sim::inevitable(likelihood)) {
    fmt::print("from {} s on every future fails\n", seconds(likelihood.points[*from].at_ns));
  }
}

void run(const Arguments& arguments) {
  const sim::RunConfig config = arguments.run.config(arguments.seed);
  const sim::Likelihood likelihood = sim::likelihood_of(config, arguments.options);
  if (arguments.json) {
    print_json(to_json(likelihood));
  } else {
    print(likelihood, arguments.seed);
  }
}

}  // namespace

void add_sim_curve(CLI::App& sim) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& command = *sim.add_subcommand(
      "curve", "Say when a seed's failure became likely: runs it with other futures");
  command.add_option("SEED", arguments->seed, "the seed")->required();
  command
      .add_option("--points", arguments->options.points,
                  "at so many instants of the run what comes is drawn anew")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command.add_option("--futures", arguments->options.futures, "so often at each")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command.add_option("--jobs", arguments->options.jobs, "processes at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  arguments->run.add_to(command);
  command.add_flag("--json", arguments->json, "print JSON");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace scoutfs::cli
