// `scoutfs sim exhaust`: every small workload, everywhere, with a crash at every point.
#include <fmt/core.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "cli/sim_arguments.hpp"
#include "sim/exhaust/exhaust.hpp"
#include "sim/oracle_states.hpp"

namespace scoutfs::cli {

namespace {

struct Arguments {
  sim::ExhaustConfig config;
  std::uint64_t last = 0;  // 0: all
  std::uint64_t one = 0;   // 0: not one alone
  unsigned failures_max = 20;
  bool verbose = false;
  bool json = false;
  bool quiet = false;
};

std::string replay_of(const Arguments& arguments, std::uint64_t number) {
  return fmt::format("scoutfs sim exhaust --operations {} --case {}{} --verbose",
                     arguments.config.operations, number,
                     arguments.config.canary ? " --canary" : "");
}

std::string text_of(const sim::ExhaustCase& one, const sim::Verdict& verdict) {
  std::string text =
      fmt::format("case {}: {}  {}  {}\n", one.number, verdict.passed ? "pass" : "FAIL",
                  sim::to_string(verdict.hash), sim::describe(one));
  if (!verdict.passed) text += fmt::format("  oracle {}: {}\n", verdict.oracle, verdict.what);
  return text;
}

nlohmann::json json_of(const sim::ExhaustCase& one, const sim::Verdict& verdict) {
  nlohmann::json json = to_json(verdict);
  json.erase("seed");
  json["case"] = one.number;
  json["does"] = sim::describe(one);
  return json;
}

// The exit code.
int run_one(const Arguments& arguments, const sim::ExhaustSpace& space) {
  if (arguments.one > space.size()) {
    return misused("sim exhaust", fmt::format("there are {} cases", space.size()));
  }
  sim::Trace::Sink sink;
  if (arguments.verbose) {
    sink = [](std::string_view line) { fmt::print("{}\n", line); };
  }
  const sim::Verdict verdict = sim::run_case(arguments.config, arguments.one, std::move(sink));
  const sim::ExhaustCase one = space.at(arguments.one);
  if (arguments.json) {
    print_json(json_of(one, verdict));
  } else {
    fmt::print("{}{}", text_of(one, verdict), sim::describe_coverage(verdict));
  }
  return verdict.passed ? kOk : kFailed;
}

// All that were asked for, on their way.
class Lane {
 public:
  Lane(const Arguments& arguments, const sim::ExhaustSpace& space)
      : arguments_(arguments),
        space_(space),
        out_(arguments.json ? stderr : stdout),
        progress_(arguments.quiet ? Progress::Kind::none : Progress::usual(),
                  arguments.config.cases(), 0) {}

  // The exit code.
  int run() {
    sim::run_cases(
        arguments_.config, [this](const sim::Verdict& verdict) { return add(verdict); },
        [this] {
          progress_.tick();
          return !interrupted();
        });
    return finish();
  }

 private:
  bool add(const sim::Verdict& verdict) {
    ++executed_;
    deaths_ += verdict.deaths;
    operations_ += verdict.operations;
    if (verdict.deaths > 0) ++crashed_;
    if (arguments_.json) {
      fmt::print("{}\n", json_of(space_.at(verdict.seed), verdict).dump());
    }
    if (!verdict.passed) {
      ++failures_;
      progress_.hide();
      fmt::print(out_, "{}  repeat with: {}\n", text_of(space_.at(verdict.seed), verdict),
                 replay_of(arguments_, verdict.seed));
      std::fflush(out_);
    }
    progress_.one_done(verdict.passed);
    return failures_ < arguments_.failures_max;
  }

  int finish() {
    progress_.hide();
    const sim::ExhaustConfig& config = arguments_.config;
    const bool whole = config.cases() == space_.size();
    const std::uint64_t expected = whole ? space_.closed_form() : config.cases();
    const double seconds = progress_.figures().seconds;
    fmt::print(out_, "{} = {} cases{}\n", space_.formula(), space_.closed_form(),
               whole ? ""
                     : fmt::format("; asked for: {} to {}, every {}: {}", config.first,
                                   config.last, config.every, expected));
    fmt::print(out_,
               "{} executed, {} failed; {} with a crash, {} deaths, {} operations; {:.1f} s, "
               "{:.1f} cases/s\n",
               executed_, failures_, crashed_, deaths_, operations_, seconds,
               static_cast<double>(executed_) / seconds);
    constexpr int kInterrupted = 128 + SIGINT;
    if (interrupted()) return kInterrupted;
    if (failures_ > 0) return kFailed;
    if (executed_ == expected && space_.size() == space_.closed_form()) return kOk;
    return failed("sim exhaust",
                  fmt::format("{} cases were executed, {} there should be; the lists hold {}",
                              executed_, expected, space_.size()));
  }

  const Arguments& arguments_;
  const sim::ExhaustSpace& space_;
  std::FILE* out_;
  Progress progress_;
  std::uint64_t executed_ = 0, crashed_ = 0, deaths_ = 0, operations_ = 0;
  unsigned failures_ = 0;
};

void run(Arguments& arguments) {
  const sim::ExhaustSpace space(arguments.config.operations);
  sim::ExhaustConfig& config = arguments.config;
  config.last = arguments.last == 0 ? space.size() : arguments.last;
  int code = kOk;
  if (arguments.one != 0) {
    code = run_one(arguments, space);
  } else if (config.first > config.last || config.last > space.size()) {
    code = misused("sim exhaust", fmt::format("cases are 1 to {}", space.size()));
  } else {
    note_interrupts();
    code = Lane(arguments, space).run();
  }
  if (code != kOk) throw CLI::RuntimeError(code);
}

}  // namespace

void add_sim_exhaust(CLI::App& sim) {
  const auto arguments = std::make_shared<Arguments>();
  sim::ExhaustConfig& config = arguments->config;
  CLI::App& command = *sim.add_subcommand(
      "exhaust",
      "Run every workload of one or two operations on a tiny tree, called by either "
      "of two nodes, with a crash at every point");
  command.add_option("--operations", config.operations, "operations of each workload")
      ->capture_default_str()
      ->check(CLI::Range(1, 2));
  CLI::Option* one = command.add_option("--case", arguments->one, "this case alone");
  one->check(CLI::Range(std::uint64_t{1}, ~std::uint64_t{0}));
  command.add_flag("--verbose", arguments->verbose, "tell the whole story of the one case")
      ->needs(one);
  command.add_option("--first", config.first, "begin with this case")
      ->capture_default_str()
      ->excludes(one)
      ->check(CLI::Range(std::uint64_t{1}, ~std::uint64_t{0}));
  command.add_option("--last", arguments->last, "end with this case; 0: the last there is")
      ->capture_default_str()
      ->excludes(one);
  command.add_option("--every", config.every, "every so many cases")
      ->capture_default_str()
      ->excludes(one)
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}));
  command.add_option("--jobs", config.jobs, "processes at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  command.add_option("--failures", arguments->failures_max, "stop after so many failed cases")
      ->capture_default_str();
  command.add_flag("--canary", config.canary,
                   "falsify one answer of each case, to see that a failure is found");
  command.add_flag("--quiet", arguments->quiet, "no progress");
  command.add_flag("--json", arguments->json, "verdicts as JSON, one a line");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace scoutfs::cli
