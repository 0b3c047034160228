#include "sim/likelihood.hpp"

#include "sim/random.hpp"

#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

constexpr LikelihoodOptions kFew{.points = 4, .futures = 2, .jobs = 2, .seconds_each = 120};

BOOST_AUTO_TEST_CASE(a_failure_that_nothing_can_avert_happens_in_every_future) {
  RunConfig config;
  config.seed = 2;
  config.canary = true;
  const Likelihood likelihood = likelihood_of(config, kFew);
  BOOST_TEST(likelihood.oracle == "answer");
  BOOST_REQUIRE(likelihood.points.size() == 4U);
  TimeNs before_ns = 0;
  for (const LikelihoodPoint& point : likelihood.points) {
    BOOST_TEST(point.futures == 2U);
    BOOST_TEST(point.failed == 2U);
    BOOST_TEST(point.same == 2U);
    BOOST_TEST(point.at_ns >= before_ns);
    BOOST_TEST(point.at_ns <= likelihood.end_ns);
    before_ns = point.at_ns;
  }
  BOOST_TEST(!steepest(likelihood).has_value());
  BOOST_TEST(inevitable(likelihood).value_or(9) == 0U);
}

BOOST_AUTO_TEST_CASE(a_seed_that_passes_has_no_curve_to_climb) {
  RunConfig config;
  config.seed = 7;
  const Likelihood likelihood = likelihood_of(config, kFew);
  BOOST_TEST(likelihood.oracle == "");
  BOOST_REQUIRE(likelihood.points.size() == 4U);
  for (const LikelihoodPoint& point : likelihood.points) BOOST_TEST(point.failed == 0U);
  BOOST_TEST(!steepest(likelihood).has_value());
  BOOST_TEST(!inevitable(likelihood).has_value());
}

BOOST_AUTO_TEST_CASE(other_futures_are_other_runs_and_repeat) {
  const auto three = [] {
    SimRandom random(5, Stream::test);
    return std::array{random.next(), random.next(), random.next()};
  };
  const auto once = three();
  SimRandom::reseed_all(17);
  const auto other = three();
  SimRandom::reseed_all(18);
  const auto third = three();
  SimRandom::reseed_all(17);
  const auto again = three();
  SimRandom::reseed_all(0);
  BOOST_TEST(other == again);
  for (std::size_t i = 0; i < once.size(); ++i) {
    BOOST_TEST(once[i] != other[i]);
    BOOST_TEST(third[i] != other[i]);
  }
  BOOST_TEST(three() == once);
}

BOOST_AUTO_TEST_CASE(the_steepest_climb_is_found) {
  Likelihood likelihood;
  for (const unsigned same : {4U, 5U, 9U, 8U, 10U}) {
    likelihood.points.push_back({.at_ns = 0, .futures = 10, .failed = 10, .same = same});
  }
  BOOST_TEST(steepest(likelihood).value_or(9) == 2U);
  BOOST_TEST(inevitable(likelihood).value_or(9) == 4U);
}

}  // namespace
}  // namespace scoutfs::sim
