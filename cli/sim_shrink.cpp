// `scoutfs sim shrink`: a failing seed with fewer operations, faults, nodes and delays.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>

#include "cli/command.hpp"
#include "cli/sim_arguments.hpp"
#include "sim/build_id.hpp"
#include "sim/shrink/edits_codec.hpp"
#include "sim/shrink/shrink.hpp"

namespace scoutfs::cli {

namespace {

struct Arguments {
  RunArguments run;
  std::uint64_t seed = 1;
  unsigned seconds = 60;
  unsigned jobs = 2;
  std::string output;
  bool json = false;
};

std::string left_of(std::size_t left, std::size_t all, const char* what) {
  return fmt::format("{} of {} {}", left, all, what);
}

std::size_t faults_of(const sim::Edits& edits) {
  return edits.faults.size() + edits.troubles.size();
}

// One line on a terminal, drawn over and over; nothing elsewhere.
class ShrinkLine {
 public:
  using Clock = std::chrono::steady_clock;

  ~ShrinkLine() { hide(); }
  void show(const sim::ShrinkProgress& progress, Clock::duration left) {
    const Clock::time_point now = Clock::now();
    if (!terminal_ || now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    visible_ = true;
    fmt::print(stderr, "\r{} operations, {} faults, {} nodes left  {} runs  {} s\033[K",
               progress.best.operations.size(), faults_of(progress.best),
               progress.best.nodes.size(), progress.runs,
               std::chrono::duration_cast<std::chrono::seconds>(left).count());
    std::fflush(stderr);
  }
  void hide() {
    if (visible_) fmt::print(stderr, "\r\033[K");
    visible_ = false;
  }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) != 0;
  bool visible_ = false;
  Clock::time_point shown_;
};

// A file that is either as it was or whole.
class OutputFile {
 public:
  explicit OutputFile(std::string name) : name_(std::move(name)), part_(name_ + ".part") {
    stream_.open(part_, std::ios::binary | std::ios::trunc);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() {
    if (stream_.is_open()) std::remove(part_.c_str());
  }
  bool good() const { return stream_.good(); }
  // False, and errno, if that does not work.
  bool write(const std::string& text) {
    stream_ << text;
    stream_.flush();
    if (!stream_.good() || std::rename(part_.c_str(), name_.c_str()) != 0) return false;
    stream_.close();
    return true;
  }

 private:
  std::string name_, part_;
  std::ofstream stream_;
};

std::string end_of(const sim::Shrunk& shrunk, unsigned seconds) {
  if (interrupted()) return "interrupted: it may go smaller";
  if (!shrunk.whole) return fmt::format("after {} s: it may go smaller", seconds);
  return "nothing more can be left out";
}

std::string describe(const sim::Shrunk& shrunk, const sim::Plan& plan) {
  const sim::Edits& left = shrunk.left;
  const sim::Edits& all = shrunk.all;
  std::string text =
      fmt::format("left: {}, {}, {}\n",
                  left_of(left.operations.size(), all.operations.size(), "operations"),
                  left_of(faults_of(left), faults_of(all), "faults"),
                  left_of(left.nodes.size(), all.nodes.size(), "nodes"));
  const auto calm = [&text](const char* what, std::uint64_t from) {
    if (from == ~0ULL) return;
    text += fmt::format("  {} as short as can be{}\n", what,
                        from == 0 ? "" : fmt::format(" from number {} on", from));
  };
  constexpr std::size_t kTold = 40;
  for (std::size_t i = 0; i < left.operations.size() && i < kTold; ++i) {
    const sim::DecidedOperation& decided = left.operations[i];
    text += fmt::format("  node {}, operation {}: {}\n", decided.node, decided.ordinal,
                        sim::describe(decided.op));
  }
  if (left.operations.size() > kTold) {
    text += fmt::format("  and {} more operations\n", left.operations.size() - kTold);
  }
  for (const sim::DecidedFault& decided : left.faults) {
    text += fmt::format("  fault {}: {}\n", decided.number,
                        sim::to_string(plan.faults[decided.number].kind));
  }
  for (const sim::DecidedFault& decided : left.troubles) {
    text += fmt::format("  fault: errors of the disk ({})\n", decided.number);
  }
  calm("delays of messages", left.calm_network_from);
  calm("delays of the disk", left.calm_disk_from);
  return text;
}

nlohmann::json to_json(const sim::Shrunk& shrunk, const std::string& file,
                       const std::string& command) {
  const auto counted = [](std::size_t left, std::size_t all) {
    return nlohmann::json{{"left", left}, {"all", all}};
  };
  return {{"seed", shrunk.before.seed},
          {"oracle", shrunk.before.oracle},
          {"what", shrunk.after.what},
          {"hash", sim::to_string(shrunk.after.hash)},
          {"operations", counted(shrunk.left.operations.size(), shrunk.all.operations.size())},
          {"faults", counted(faults_of(shrunk.left), faults_of(shrunk.all))},
          {"nodes", counted(shrunk.left.nodes.size(), shrunk.all.nodes.size())},
          {"runs", shrunk.runs},
          {"whole", shrunk.whole},
          {"file", file},
          {"replay", command}};
}

int run(const Arguments& arguments) {
  using Clock = ShrinkLine::Clock;
  const std::string name =
      arguments.output.empty() ? fmt::format("seed-{}.json", arguments.seed) : arguments.output;
  OutputFile output(name);
  if (!output.good()) {
    return failed("sim shrink", fmt::format("{}: {}", name, std::strerror(errno)));
  }
  note_interrupts();
  const Clock::time_point end = Clock::now() + std::chrono::seconds(arguments.seconds);
  ShrinkLine line;
  sim::ShrinkOptions options;
  options.run = arguments.run.config(arguments.seed);
  options.jobs = arguments.jobs;
  options.seconds_per_run = std::min(options.seconds_per_run, arguments.seconds);
  options.go_on = [&end] { return !interrupted() && Clock::now() < end; };
  options.on_progress = [&line, &end](const sim::ShrinkProgress& progress) {
    line.show(progress, end - Clock::now());
  };
  const std::expected<sim::Shrunk, std::string> shrunk = sim::shrink(options);
  line.hide();
  if (!shrunk.has_value()) {
    return failed("sim shrink", fmt::format("seed {}: {}", arguments.seed, shrunk.error()));
  }
  sim::EditsFile file{.build = sim::build_id(),
                      .run = options.run,
                      .oracle = shrunk->before.oracle,
                      .edits = shrunk->left};
  if (!output.write(sim::encode(file))) {
    return failed("sim shrink", fmt::format("{}: {}", name, std::strerror(errno)));
  }
  file.edits.file = name;
  sim::RunConfig left = options.run;
  left.edits = std::make_shared<sim::Edits>(file.edits);
  const std::string command = sim::replay_command(left);
  if (arguments.json) {
    print_json(to_json(*shrunk, name, command));
  } else {
    fmt::print("{}{}  {} runs, {}\n  repeat with: {} --verbose\n", sim::to_text(shrunk->after),
               describe(*shrunk, sim::make_plan(options.run)), shrunk->runs,
               end_of(*shrunk, arguments.seconds), command);
  }
  return interrupted() ? 128 + SIGINT : kOk;
}

}  // namespace

void add_sim_shrink(CLI::App& sim) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& command = *sim.add_subcommand(
      "shrink",
      "Find the part of a failing seed that still fails: fewer operations, faults, "
      "nodes and delays");
  command.add_option("SEED", arguments->seed, "the seed")->required();
  command.add_option("-o,--output", arguments->output,
                     "the file to write, for `sim replay --edits`; else seed-SEED.json");
  command.add_option("--seconds", arguments->seconds, "search so long at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command.add_option("--jobs", arguments->jobs, "processes at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  arguments->run.add_to(command);
  command.add_flag("--json", arguments->json, "the result as JSON");
  command.callback([arguments] {
    const int code = run(*arguments);
    std::fflush(stdout);
    if (code != kOk) throw CLI::RuntimeError(code);
  });
}

}  // namespace scoutfs::cli
