#include "sim/exhaust/exhaust.hpp"

#include <memory>
#include <utility>

#include "sim/exhaust/tiny_cluster.hpp"
#include "sim/forked.hpp"
#include "sim/runner.hpp"

namespace scoutfs::sim {

namespace {
TinyCluster::Canary canary_of(const ExhaustConfig& config) {
  return config.canary ? TinyCluster::Canary::on : TinyCluster::Canary::off;
}
}  // namespace

void run_cases(const ExhaustConfig& config,
               const std::function<bool(const Verdict&)>& on_verdict,
               const std::function<bool()>& go_on) {
  const ExhaustSpace space(config.operations);
  // Each job makes its own, and a copy of that is what a case runs on.
  std::unique_ptr<TinyCluster> cluster;
  BatchConfig batch;
  batch.first = 1;
  batch.last = config.cases();
  batch.jobs = config.jobs;
  batch.seconds_per_run = 2 * config.seconds_per_case;
  batch.config = [&config](std::uint64_t index) {
    RunConfig run;
    run.seed = config.first + (index - 1) * config.every;
    return run;
  };
  batch.execute = [&](const RunConfig& run) {
    if (cluster == nullptr) cluster = std::make_unique<TinyCluster>();
    const auto one = [&] { return cluster->run(space.at(run.seed), canary_of(config)); };
    Verdict verdict = run_forked(one, config.seconds_per_case);
    verdict.seed = run.seed;
    return verdict;
  };
  run_batch(
      batch,
      [&on_verdict](std::uint64_t, const Verdict& verdict) { return on_verdict(verdict); },
      go_on);
}

Verdict run_case(const ExhaustConfig& config, std::uint64_t number, Trace::Sink sink) {
  TinyCluster cluster(std::move(sink));
  return cluster.run(ExhaustSpace(config.operations).at(number), canary_of(config));
}

}  // namespace scoutfs::sim
