#include <map>

#include "sim/runner.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

constexpr std::uint64_t kSeeds = 1000;

std::map<std::uint64_t, Verdict> run(std::uint64_t first, std::uint64_t last,
                                     RunConfig config) {
  RangeConfig range;
  range.run = config;
  range.first = first;
  range.last = last;
  range.jobs = 2;
  std::map<std::uint64_t, Verdict> verdicts;
  run_seeds(range, [&verdicts](const Verdict& verdict) {
    verdicts[verdict.seed] = verdict;
    return true;
  });
  return verdicts;
}

BOOST_AUTO_TEST_CASE(a_thousand_seeds_pass) {
  const std::map<std::uint64_t, Verdict> verdicts = run(1, kSeeds, {});
  BOOST_TEST(verdicts.size() == kSeeds);
  for (const auto& [seed, verdict] : verdicts) {
    RunConfig config;
    config.seed = seed;
    BOOST_TEST(verdict.passed,
               to_text(verdict) << "repeat with: " << replay_command(config) << " --verbose");
  }
}

// Beyond the thousand.
BOOST_AUTO_TEST_CASE(seeds_that_found_something_pass) {
  for (const std::uint64_t seed : {1877U, 10545U, 11400U}) {
    for (const auto& [number, verdict] : run(seed, seed, {})) {
      BOOST_TEST(verdict.passed, to_text(verdict));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_seed_repeats_to_the_last_event) {
  const std::map<std::uint64_t, Verdict> once = run(1, 40, {});
  const std::map<std::uint64_t, Verdict> again = run(1, 40, {});
  for (const auto& [seed, verdict] : once) {
    BOOST_TEST(to_string(verdict.hash) == to_string(again.at(seed).hash));
    BOOST_TEST(verdict.events == again.at(seed).events);
  }
}

BOOST_AUTO_TEST_CASE(faults_and_recoveries_happen_in_the_seeds) {
  std::map<std::string, std::uint64_t> faults, noticed, protocol;
  std::uint64_t lost = 0, late = 0;
  for (const auto& [seed, verdict] : run(1, 200, {})) {
    for (const auto& [kind, count] : verdict.faults) faults[kind] += count;
    for (const auto& [kind, count] : verdict.noticed) noticed[kind] += count;
    for (const auto& [kind, count] : verdict.protocol) protocol[kind] += count;
    lost += verdict.lost_operations;
    late += verdict.late_writes;
  }
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind) {
    BOOST_TEST(faults.contains(std::string(to_string(static_cast<FaultKind>(kind)))));
  }
  for (const char* kind : {"long-pause", "long-isolation", "pause-at", "lose-disk"}) {
    BOOST_TEST(faults.contains(kind));
  }
  BOOST_TEST(faults["disk-errors"] > 0U);
  for (const auto& [kind, count] : faults) {
    BOOST_TEST(noticed[kind] > 0, kind << " was never noticed");
    BOOST_TEST(noticed[kind] <= count);
  }
  for (const char* event : {"out-of-service", "fence", "death-confirmed", "leader-registered",
                            "lock-grant", "revoke", "job-offer"}) {
    BOOST_TEST(protocol[event] > 0, event << " never happened");
  }
  BOOST_TEST(protocol["unknown"] == 0U);
  BOOST_TEST(lost > 0);
  BOOST_TEST(late > 0);
}

}  // namespace
}  // namespace scoutfs::sim
