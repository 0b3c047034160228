// `scoutfs sim run`: verdicts of a range of seeds, on the screen and in a run store.
#include <fmt/core.h>

#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>

#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "cli/sim_arguments.hpp"
#include "sim/build_id.hpp"
#include "sim/retrace.hpp"
#include "sim/runner.hpp"
#include "sim/store/run_store.hpp"

namespace scoutfs::cli {

namespace {

struct Arguments {
  RunArguments run;
  std::string seeds = "1..1000";
  unsigned jobs = 1;
  unsigned failures_max = 20;
  std::string db;
  bool json = false;
  bool quiet = false;
};

// A range of seeds on its way: what is printed, recorded and summed up.
class Campaign {
 public:
  explicit Campaign(const Arguments& arguments)
      : arguments_(arguments), out_(arguments.json ? stderr : stdout) {
    const SeedRange seeds = parse_seeds(arguments.seeds);
    range_.jobs = arguments.jobs;
    range_.first = seeds.first;
    range_.last = seeds.last;
    if (!arguments.run.edits.empty() && seeds.first != seeds.last) {
      throw CLI::ValidationError("--edits", "they are of one seed");
    }
    range_.run = arguments.run.config_with_edits("sim run", seeds.first);
    if (!arguments.db.empty()) open_store();
    progress_.emplace(arguments.quiet ? Progress::Kind::none : Progress::usual(),
                      range_.last - range_.first + 1, range_.done.size());
  }

  void run() {
    sim::run_seeds(
        range_, [this](const sim::Verdict& verdict) { return add(verdict); },
        [this] {
          progress_->tick();
          return !interrupted();
        });
    finish();
  }
  bool failed() const { return failures_ + failures_before_ > 0; }

 private:
  void open_store() {
    store_.emplace(arguments_.db);
    store_->begin(sim::build_id(), range_.run);
    sim::RunStore::Recorded recorded = store_->recorded(range_.first, range_.last);
    range_.done = std::move(recorded.seeds);
    failures_before_ = recorded.failed;
  }

  bool add(const sim::Verdict& verdict) {
    for (const auto& [kind, count] : verdict.faults) faults_ += count;
    operations_ += verdict.operations;
    deaths_ += verdict.deaths;
    if (arguments_.json) fmt::print("{}\n", to_json(verdict).dump());
    std::optional<std::string> story;
    if (!verdict.passed) {
      ++failures_;
      progress_->hide();
      sim::RunConfig config = range_.run;
      config.seed = verdict.seed;
      fmt::print(out_, "{}  repeat with: {} --verbose\n", sim::to_text(verdict),
                 sim::replay_command(config));
      std::fflush(out_);
      if (store_.has_value()) story = sim::retrace(config, range_.seconds_per_seed);
    }
    if (store_.has_value()) store_->record(verdict, std::time(nullptr), story);
    progress_->one_done(verdict.passed);
    return failures_ < arguments_.failures_max;
  }

  void finish() {
    progress_->hide();
    const ProgressFigures& figures = progress_->figures();
    fmt::print(out_,
               "{} seeds, {} failed; {} operations, {} faults, {} deaths; {:.1f} s, "
               "{:.1f} seeds/s\n",
               figures.done, failures_, operations_, faults_, deaths_, figures.seconds,
               static_cast<double>(figures.done) / figures.seconds);
    if (!range_.done.empty()) {
      fmt::print(out_, "{} seeds were in {} already, {} of them failed\n", range_.done.size(),
                 arguments_.db, failures_before_);
    }
    if (interrupted()) {
      fmt::print(stderr, "interrupted{}\n",
                 store_.has_value() ? "; the same command goes on from here" : "");
    }
  }

  const Arguments& arguments_;
  std::FILE* out_;
  sim::RangeConfig range_;
  std::optional<sim::RunStore> store_;
  std::optional<Progress> progress_;
  std::uint64_t operations_ = 0, faults_ = 0, deaths_ = 0;
  unsigned failures_ = 0;
  std::uint64_t failures_before_ = 0;
};

void run(const Arguments& arguments) {
  constexpr int kInterrupted = 128 + SIGINT;
  try {
    Campaign campaign(arguments);
    note_interrupts();
    campaign.run();
    if (interrupted()) throw CLI::RuntimeError(kInterrupted);
    if (campaign.failed()) throw CLI::RuntimeError(kFailed);
  } catch (const sim::StoreError& error) {
    throw CLI::RuntimeError(failed("sim run", error.what()));
  }
}

}  // namespace

void add_sim_run(CLI::App& sim) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App& command = *sim.add_subcommand("run", "Run a range of seeds");
  command.add_option("--seeds", arguments->seeds, "the seeds, as A..B")->capture_default_str();
  command.add_option("--jobs", arguments->jobs, "processes at a time")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  command.add_option("--failures", arguments->failures_max, "stop after so many failed seeds")
      ->capture_default_str();
  command.add_option("--db", arguments->db,
                     "record every run in this SQLite file, and leave out what it has of this "
                     "build and configuration: an interrupted campaign goes on");
  command.add_flag("--quiet", arguments->quiet, "no progress");
  arguments->run.add_with_edits_to(command);
  // A run store knows runs by their configuration.
  command.get_option("--edits")->excludes(command.get_option("--db"));
  command.add_flag("--json", arguments->json, "verdicts as JSON, one a line");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace scoutfs::cli
