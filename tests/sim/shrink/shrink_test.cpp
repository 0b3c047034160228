#include "sim/shrink/shrink.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "sim/build_id.hpp"
#include "sim/plan.hpp"
#include "sim/shrink/edits_codec.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

using Name = std::pair<unsigned, std::uint64_t>;

// What was called and injected.
class Seen final : public DecisionRecorder {
 public:
  void operation(const DecidedOperation& decided) override {
    operations.insert({decided.node, decided.ordinal});
  }
  void fault(const DecidedFault& decided) override { faults.insert(decided.number); }
  void trouble(const DecidedFault&) override {}

  std::set<Name> operations;
  std::set<std::size_t> faults;
};

// Keeps what it is told.
struct Lines {
  std::string text;
  DecisionLines recorder{[this](std::string_view line) {
    text += line;
    text += '\n';
  }};
};

Edits recorded(const RunConfig& run) {
  Lines lines;
  record_seed(run, lines.recorder);
  return edits_of_lines(lines.text, make_plan(run));
}

RunConfig with(RunConfig run, const Edits& edits) {
  run.edits = std::make_shared<Edits>(edits);
  return run;
}

BOOST_AUTO_TEST_CASE(a_run_with_all_decisions_left_is_the_recorded_run) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    RunConfig run;
    run.seed = seed;
    const Verdict plain = run_seed(run);
    const Verdict repeated = run_seed(with(run, recorded(run)));
    BOOST_TEST(to_string(repeated.hash) == to_string(plain.hash), "seed " << seed);
  }
}

BOOST_AUTO_TEST_CASE(runs_with_some_decisions_left_are_sound) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    RunConfig run;
    run.seed = seed;
    Edits edits = recorded(run);
    std::erase_if(edits.operations, [seed](const DecidedOperation& decided) {
      return (decided.ordinal + decided.node + seed) % 3 == 0;
    });
    std::erase_if(edits.faults, [seed](const DecidedFault& decided) {
      return (decided.number + seed) % 2 == 0;
    });
    const Verdict once = run_seed(with(run, edits));
    BOOST_TEST(once.passed, to_text(once));
    BOOST_TEST(to_string(once.hash) == to_string(run_seed(with(run, edits)).hash));
    edits.nodes = {0, 2};
    std::erase_if(edits.operations,
                  [](const DecidedOperation& decided) { return decided.node == 1; });
    edits.calm_network_from = seed * 10;
    edits.calm_disk_from = seed * 20;
    const Verdict fewer = run_seed(with(run, edits));
    BOOST_TEST(fewer.passed, to_text(fewer));
    BOOST_TEST(fewer.nodes == 2U);
  }
}

// A failure whose least cause is known: two operations, on different nodes, on nothing but the
// root, and one fault.
struct Planted {
  RunConfig run;
  Name first, second;
  std::size_t fault = 0;

  Verdict execute(const RunConfig& config) const {
    Seen seen;
    Verdict verdict = record_seed(config, seen);
    if (seen.operations.contains(first) && seen.operations.contains(second) &&
        seen.faults.contains(fault)) {
      verdict.passed = false;
      verdict.oracle = "planted";
      verdict.what = fmt::format("{} operations", seen.operations.size());
    }
    return verdict;
  }
};

std::optional<Name> last_on_root(const Edits& edits, unsigned node) {
  std::optional<Name> last;
  for (const DecidedOperation& decided : edits.operations) {
    const bool creates = decided.op.kind == OpKind::create && decided.op.ino == kRootIno;
    if (decided.node == node && creates) last = {node, decided.ordinal};
  }
  return last;
}

Planted planted_in_some_seed() {
  Planted planted;
  planted.run.operations = 60;
  for (planted.run.seed = 1;; ++planted.run.seed) {
    const Edits edits = recorded(planted.run);
    const std::optional<Name> first = last_on_root(edits, 0), second = last_on_root(edits, 2);
    if (edits.faults.size() < 2 || !first.has_value() || !second.has_value()) continue;
    planted.first = *first;
    planted.second = *second;
    planted.fault = edits.faults.back().number;
    return planted;
  }
}

ShrinkOptions options_of(const Planted& planted) {
  ShrinkOptions options;
  options.run = planted.run;
  options.jobs = 2;
  options.execute = [&planted](const RunConfig& config) { return planted.execute(config); };
  return options;
}

BOOST_AUTO_TEST_CASE(a_planted_failure_shrinks_to_its_cause_and_repeats) {
  const Planted planted = planted_in_some_seed();
  const auto shrunk = shrink(options_of(planted));
  BOOST_REQUIRE(shrunk.has_value());
  BOOST_TEST(shrunk->whole);
  BOOST_TEST(shrunk->before.oracle == "planted");
  BOOST_TEST(shrunk->all.operations.size() == 60U);
  const Edits& left = shrunk->left;
  BOOST_TEST(left.nodes == (std::vector<unsigned>{0, 2}));
  BOOST_REQUIRE(left.operations.size() == 2U);
  BOOST_TEST(left.operations[0].ordinal == planted.first.second);
  BOOST_TEST(left.operations[1].ordinal == planted.second.second);
  BOOST_REQUIRE(left.faults.size() == 1U);
  BOOST_TEST(left.faults[0].number == planted.fault);
  BOOST_TEST(left.troubles.empty());
  BOOST_TEST(!left.disk_errors);
  BOOST_TEST(left.calm_network_from == 0U);
  BOOST_TEST(left.calm_disk_from == 0U);

  const auto file = decode_edits(encode({.build = build_id(),
                                         .run = planted.run,
                                         .oracle = shrunk->before.oracle,
                                         .edits = left}));
  BOOST_REQUIRE(file.has_value());
  for (int i = 0; i < 2; ++i) {
    const Verdict again = planted.execute(with(file->run, file->edits));
    BOOST_TEST(again.oracle == "planted");
    BOOST_TEST(to_string(again.hash) == to_string(shrunk->after.hash));
  }
}

BOOST_AUTO_TEST_CASE(the_number_of_jobs_does_not_change_the_result) {
  const Planted planted = planted_in_some_seed();
  ShrinkOptions options = options_of(planted);
  const auto two = shrink(options);
  options.jobs = 1;
  const auto one = shrink(options);
  BOOST_REQUIRE((one.has_value() && two.has_value()));
  BOOST_TEST(to_string(one->after.hash) == to_string(two->after.hash));
}

BOOST_AUTO_TEST_CASE(a_failed_assertion_is_shrunk_as_any_other_failure) {
  RunConfig run;
  run.seed = 3;
  const Edits edits = recorded(run);
  const std::optional<Name> wanted = last_on_root(edits, 1);
  BOOST_REQUIRE(wanted.has_value());
  ShrinkOptions options;
  options.run = run;
  options.jobs = 2;
  options.execute = [&wanted](const RunConfig& config) {
    Seen seen;
    const Verdict verdict = record_seed(config, seen);
    SCOUTFS_ASSERT(!seen.operations.contains(*wanted));
    return verdict;
  };
  const auto shrunk = shrink(options);
  BOOST_REQUIRE(shrunk.has_value());
  BOOST_TEST(shrunk->after.oracle == "assertion");
  BOOST_TEST(shrunk->left.nodes == (std::vector<unsigned>{1}));
  BOOST_REQUIRE(shrunk->left.operations.size() == 1U);
  BOOST_TEST(shrunk->left.operations[0].ordinal == wanted->second);
  BOOST_TEST(shrunk->left.faults.empty());
}

BOOST_AUTO_TEST_CASE(a_search_that_is_stopped_keeps_the_best_so_far) {
  const Planted planted = planted_in_some_seed();
  ShrinkOptions options = options_of(planted);
  std::uint64_t runs = 0;
  options.on_progress = [&runs](const ShrinkProgress& progress) { runs = progress.runs; };
  options.go_on = [&runs] { return runs < 12; };
  const auto shrunk = shrink(options);
  BOOST_REQUIRE(shrunk.has_value());
  BOOST_TEST(!shrunk->whole);
  BOOST_TEST(shrunk->left.operations.size() >= 2U);
  const Verdict again = planted.execute(with(planted.run, shrunk->left));
  BOOST_TEST(again.oracle == "planted");
  BOOST_TEST(to_string(again.hash) == to_string(shrunk->after.hash));
}

BOOST_AUTO_TEST_CASE(a_run_that_passes_is_not_shrunk) {
  ShrinkOptions options;
  options.run.operations = 20;
  const auto shrunk = shrink(options);
  BOOST_REQUIRE(!shrunk.has_value());
  BOOST_TEST(shrunk.error() == "it passes: there is nothing to shrink");
}

}  // namespace
}  // namespace scoutfs::sim
