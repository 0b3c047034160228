#include "sim/exhaust/exhaust.hpp"

#include <set>

#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

BOOST_AUTO_TEST_CASE(the_lists_are_as_long_as_the_closed_form_says) {
  BOOST_TEST(tiny_operations().size() == TinySizes{}.operations());
  for (const unsigned operations : {1U, 2U}) {
    const ExhaustSpace space(operations);
    BOOST_TEST(space.size() == space.closed_form());
  }
}

BOOST_AUTO_TEST_CASE(every_case_is_another) {
  const ExhaustSpace space(1);
  std::set<std::string> cases;
  for (std::uint64_t number = 1; number <= space.size(); ++number) {
    cases.insert(describe(space.at(number)));
  }
  BOOST_TEST(cases.size() == space.closed_form());
}

BOOST_AUTO_TEST_CASE(cases_of_two_operations_hold_every_pair_in_every_order) {
  const ExhaustSpace space(2);
  const std::uint64_t each = space.size() / TinySizes{}.operations() / TinySizes{}.operations();
  std::set<std::string> pairs;
  for (std::uint64_t number = 1; number <= space.size(); number += each) {
    const ExhaustCase one = space.at(number);
    pairs.insert(one.operations[0].text + "; " + one.operations[1].text);
  }
  BOOST_TEST(pairs.size() == TinySizes{}.operations() * TinySizes{}.operations());
}

std::vector<Verdict> run(const ExhaustConfig& config) {
  std::vector<Verdict> verdicts;
  run_cases(config, [&verdicts](const Verdict& verdict) {
    verdicts.push_back(verdict);
    return true;
  });
  return verdicts;
}

BOOST_AUTO_TEST_CASE(a_case_does_the_same_on_a_copy_and_alone) {
  const ExhaustConfig config{
      .operations = 2, .first = 1'000, .last = 1'400'000, .every = 233'000};
  const std::vector<Verdict> verdicts = run(config);
  BOOST_TEST(verdicts.size() == config.cases());
  for (const Verdict& verdict : verdicts) {
    BOOST_TEST(verdict.passed, verdict.what);
    const Verdict alone = run_case(config, verdict.seed, {});
    BOOST_TEST(to_string(alone.hash) == to_string(verdict.hash));
  }
}

// The case that crashes at every point of a commit does crash there.
BOOST_AUTO_TEST_CASE(every_crash_point_is_reached) {
  const ExhaustSpace space(1);
  std::set<std::string> not_reached;
  for (const Crash& crash : all_crashes()) not_reached.insert(describe(crash));
  not_reached.erase("no crash");
  for (std::uint64_t number = 1; number <= space.size() && !not_reached.empty(); ++number) {
    const ExhaustCase one = space.at(number);
    if (!one.operations[0].text.starts_with("append")) continue;
    if (!not_reached.contains(describe(one.crash))) continue;
    const ExhaustConfig config{.first = number, .last = number};
    if (run(config).front().deaths > 0) not_reached.erase(describe(one.crash));
  }
  for (const std::string& crash : not_reached) BOOST_TEST(false, crash << " is never reached");
}

BOOST_AUTO_TEST_CASE(a_falsified_answer_fails_its_case) {
  const ExhaustConfig config{.first = 1, .last = 9'000, .every = 1'500, .canary = true};
  for (const Verdict& verdict : run(config)) {
    BOOST_TEST(!verdict.passed);
    BOOST_TEST(verdict.oracle == "answer");
  }
}

}  // namespace
}  // namespace scoutfs::sim
