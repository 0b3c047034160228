#include "sim/scenarios/scenarios.hpp"

#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

std::string error_of(const std::string& text) {
  const std::expected<Scenario, std::string> scenario = decode_scenario("test", text);
  return scenario.has_value() ? "" : scenario.error();
}

// A file with one more member.
std::string with(const std::string& member) {
  return R"({"description": "d", "workloads": {"appends": 1}, )" + member + "}";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_CASE(every_scenario_that_is_built_in_is_found_by_its_name) {
  BOOST_TEST(built_in_scenarios().size() == 10U);
  for (const auto& scenario : built_in_scenarios()) {
    BOOST_TEST(built_in_scenario(scenario->name) == scenario);
    BOOST_TEST(!scenario->description.empty());
  }
  BOOST_TEST(built_in_scenario("none") == nullptr);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_file_is_said) {
  BOOST_TEST(error_of(with(R"("nodes": 2)")).empty());
  BOOST_TEST(error_of("{") == "no JSON");
  BOOST_TEST(error_of("[]") == "is no object");
  BOOST_TEST(has(error_of("{}"), "description is no text"));
  BOOST_TEST(error_of(with(R"("color": 1)")) == "color is unknown");
  for (const char* nodes : {"0", "16", "[3, 2]", "[1, 2, 3]", "-1", "\"2\"", "1.5"}) {
    const std::string error = error_of(with(std::string("\"nodes\": ") + nodes));
    BOOST_TEST(has(error, "nodes is no number from 1 to 15"), nodes << ": " << error);
  }
  BOOST_TEST(has(error_of(with(R"("knobs": {"lock": 1})")), "there is no knob lock; known: "));
  BOOST_TEST(has(error_of(with(R"("knobs": {"locks": 0})")), "knobs: locks is no number from"));
  BOOST_TEST(has(error_of(with(R"("faults": {"count": 1, "kinds": {"kill": 1}})")),
                 "faults: there is no fault kill; known: kill-one, "));
  BOOST_TEST(has(error_of(with(R"("faults": {"count": 1, "kinds": {"leave": 0}})")),
                 "leave is no weight"));
  BOOST_TEST(has(error_of(with(R"("faults": {"kinds": {"leave": 1}})")), "faults: count"));
  BOOST_TEST(has(error_of(with(R"("disk_errors_percent": 101)")), "no number up to 100"));
  BOOST_TEST(has(error_of(R"({"description": "d", "workloads": {"none": 1}})"),
                 "there is no workload none; known: random-posix, "));
}

Plan plan_of(std::uint64_t seed, const std::string& text) {
  std::expected<Scenario, std::string> scenario = decode_scenario("test", text);
  BOOST_REQUIRE(scenario.has_value());
  RunConfig config;
  config.seed = seed;
  config.nodes = 0;
  config.operations = 0;
  config.scenario = std::make_shared<const Scenario>(*std::move(scenario));
  return make_plan(config);
}

BOOST_AUTO_TEST_CASE(a_seed_draws_what_the_scenario_says) {
  const std::string text = with(R"("nodes": [2, 4], "operations": [10, 20],
      "knobs": {"locks": [5, 6], "level0_count": 1}, "disk_errors_percent": 0,
      "faults": {"count": [1, 3], "kinds": {"leave": 1, "pause": 1}})");
  std::set<unsigned> nodes;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const Plan plan = plan_of(seed, text);
    nodes.insert(plan.nodes);
    BOOST_TEST((plan.operations >= 10 && plan.operations <= 20));
    BOOST_TEST((plan.mount.locks_max >= 5 && plan.mount.locks_max <= 6));
    BOOST_TEST(plan.mount.compaction.level0_count == 1U);
    BOOST_TEST(plan.mount.compaction.level0_stop > 1U);
    BOOST_TEST(!plan.disk_fails);
    BOOST_TEST((!plan.faults.empty() && plan.faults.size() <= 3));
    for (const PlannedFault& fault : plan.faults) {
      BOOST_TEST((fault.kind == FaultKind::leave || fault.kind == FaultKind::pause));
    }
  }
  BOOST_TEST((nodes == std::set<unsigned>{2, 3, 4}));
}

BOOST_AUTO_TEST_CASE(seeds_of_a_mix_leave_workloads_out) {
  std::set<std::size_t> counts;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    RunConfig config;
    config.seed = seed;
    config.scenario = built_in_scenario("mix");
    counts.insert(make_plan(config).workloads.size());
  }
  BOOST_TEST(*counts.begin() <= 2U);
  BOOST_TEST(*counts.rbegin() >= 7U);
}

}  // namespace
}  // namespace scoutfs::sim
