// Every scenario that is built in, with some seeds.
#include "sim/scenarios/scenarios.hpp"
#include "sim/runner.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

constexpr std::uint64_t kSeeds = 100;

BOOST_AUTO_TEST_CASE(a_hundred_seeds_of_every_scenario_pass) {
  for (const auto& scenario : built_in_scenarios()) {
    RangeConfig range;
    range.run.scenario = scenario;
    range.run.nodes = 0;
    range.run.operations = 0;
    range.last = kSeeds;
    range.jobs = 2;
    std::uint64_t seeds = 0, checked = 0;
    run_seeds(range, [&](const Verdict& verdict) {
      RunConfig config = range.run;
      config.seed = verdict.seed;
      BOOST_TEST(verdict.passed,
                 to_text(verdict) << "repeat with: " << replay_command(config) << " --verbose");
      ++seeds;
      if (verdict.oracles.at("workload") > 0) ++checked;
      return true;
    });
    BOOST_TEST(seeds == kSeeds);
    BOOST_TEST(checked > kSeeds / 2, scenario->name << ": " << checked);
  }
}

BOOST_AUTO_TEST_CASE(a_seed_of_a_scenario_repeats_to_the_last_event) {
  RunConfig config;
  config.scenario = built_in_scenario("mix");
  for (config.seed = 1; config.seed <= 5; ++config.seed) {
    BOOST_TEST(to_string(run_seed(config).hash) == to_string(run_seed(config).hash));
  }
}

}  // namespace
}  // namespace scoutfs::sim
