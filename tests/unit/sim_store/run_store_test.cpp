#include "sim/store/run_store.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sim/build_id.hpp"
#include "sim/store/run_query.hpp"
#include "sim/store/schema.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

// A file name in a directory that goes with it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "run_store.XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file() const { return (path_ / "runs.sqlite").string(); }

 private:
  std::filesystem::path path_;
};

Verdict verdict_of(std::uint64_t seed, bool passed) {
  Verdict verdict;
  verdict.seed = seed;
  verdict.passed = passed;
  if (!passed) {
    verdict.oracle = "check";
    verdict.what = "it's a \"block\"";
  }
  verdict.hash = {.low = seed, .high = 1};
  verdict.nodes = 3;
  verdict.virtual_ns = 2 * kSecond;
  verdict.probe_ns = 30 * kMillisecond;
  verdict.operations = 250;
  verdict.oracles = {{"answer", 250}, {"check", 1}, {"eio", 0}};
  verdict.faults = {{"pause", 3}, {"leave", 1}};
  verdict.noticed = {{"pause", 2}, {"leave", 1}};
  verdict.answers = {{"read", 9}};
  verdict.errors = {{"exists", 4}};
  verdict.protocol = {{"revoke", 5}};
  return verdict;
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const StoreError& error) {
    return error.what();
  }
  return "none";
}

BOOST_AUTO_TEST_CASE(a_run_is_shown_as_it_was_recorded) {
  const Folder folder;
  RunStore store(folder.file());
  store.begin("b1", {});
  store.record(verdict_of(7, false), 1'700'000'000, "line one\nline two\n");
  RunQuery query(folder.file());
  const std::optional<RunDetails> shown = query.show({.first_seed = 7, .last_seed = 7});
  BOOST_REQUIRE(shown.has_value());
  BOOST_TEST(shown->row.verdict == "fail");
  BOOST_TEST(shown->row.what == "it's a \"block\"");
  BOOST_TEST(shown->row.hash == "00000000000000010000000000000007");
  BOOST_TEST(shown->row.finished == "2023-11-14 22:13:20");
  BOOST_TEST(shown->row.virtual_ms == 2000U);
  BOOST_TEST(shown->row.probe_ms == 30U);
  BOOST_TEST(shown->row.injected == 4U);
  BOOST_TEST(shown->row.noticed == 3U);
  BOOST_TEST(shown->row.qualifies);
  BOOST_REQUIRE(shown->oracles.size() == 3U);
  BOOST_TEST(shown->oracles[0].state == "ran");
  BOOST_TEST(shown->oracles[1].state == "failed");
  BOOST_TEST(shown->oracles[2].state == "not applicable");
  BOOST_REQUIRE(shown->faults.size() == 2U);
  BOOST_TEST(shown->faults[1].kind == "pause");
  BOOST_TEST(shown->faults[1].injected == 3U);
  BOOST_TEST(shown->faults[1].noticed == 2U);
  BOOST_TEST(shown->operations.at("read") == 9U);
  BOOST_TEST(shown->errors.at("exists") == 4U);
  BOOST_TEST(shown->protocol.at("revoke") == 5U);
  BOOST_TEST(query.trace(shown->row.run).value_or("") == "line one\nline two\n");
}

BOOST_AUTO_TEST_CASE(a_process_that_broke_is_listed_as_a_failed_oracle) {
  const Folder folder;
  RunStore store(folder.file());
  store.begin("b1", {});
  Verdict verdict;
  verdict.seed = 1;
  verdict.oracle = "assertion";
  store.record(verdict, 0);
  const std::optional<RunDetails> shown = RunQuery(folder.file()).show({});
  BOOST_REQUIRE(shown.has_value());
  BOOST_REQUIRE(shown->oracles.size() == 1U);
  BOOST_TEST(shown->oracles[0].state == "failed");
  BOOST_TEST(shown->trace_bytes == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_recorded_is_known_by_build_and_configuration) {
  const Folder folder;
  RunStore store(folder.file());
  store.begin("b1", {});
  store.record(verdict_of(2, true), 0);
  store.record(verdict_of(3, false), 0);
  store.record(verdict_of(9, true), 0);
  RunStore::Recorded recorded = store.recorded(1, 5);
  BOOST_TEST(recorded.seeds == (std::vector<std::uint64_t>{2, 3}));
  BOOST_TEST(recorded.failed == 1U);
  store.begin("b2", {});
  BOOST_TEST(store.recorded(1, 10).seeds.empty());
  RunConfig other;
  other.nodes = 4;
  store.begin("b1", other);
  BOOST_TEST(store.recorded(1, 10).seeds.empty());
  store.begin("b1", {});
  BOOST_TEST(store.recorded(1, 10).seeds.size() == 3U);
}

BOOST_AUTO_TEST_CASE(two_record_into_one_file_and_the_first_verdict_stays) {
  const Folder folder;
  RunStore one(folder.file()), other(folder.file());
  one.begin("b1", {});
  other.begin("b1", {});
  one.record(verdict_of(1, true), 0);
  other.record(verdict_of(1, false), 0, "story");
  other.record(verdict_of(2, true), 0);
  one.record(verdict_of(3, true), 0);
  const std::vector<RunRow> rows = RunQuery(folder.file()).list({}, 0);
  BOOST_REQUIRE(rows.size() == 3U);
  BOOST_TEST(rows[2].seed == 1U);
  BOOST_TEST(rows[2].verdict == "pass");
}

BOOST_AUTO_TEST_CASE(filters_let_through_what_they_name) {
  const Folder folder;
  RunStore store(folder.file());
  store.begin("abc1", {});
  for (std::uint64_t seed = 1; seed <= 6; ++seed) store.record(verdict_of(seed, seed != 4), 0);
  store.begin("def1", {});
  Verdict calm = verdict_of(1, true);
  calm.noticed = {{"pause", 0}};
  calm.faults = {{"pause", 0}};
  store.record(calm, 0);
  RunQuery query(folder.file());
  const auto count = [&query](const RunFilter& filter) { return query.list(filter, 0).size(); };
  BOOST_TEST(count({}) == 7U);
  BOOST_TEST(query.list({}, 2).size() == 2U);
  BOOST_TEST(count({.first_seed = 2, .last_seed = 3}) == 2U);
  BOOST_TEST(count({.passed = false}) == 1U);
  BOOST_TEST(count({.oracle = "check"}) == 1U);
  BOOST_TEST(count({.oracle = "tree"}) == 0U);
  BOOST_TEST(count({.fault = "pause"}) == 6U);
  BOOST_TEST(count({.build = "de"}) == 1U);
  BOOST_TEST(count({.qualifies = true}) == 6U);
}

BOOST_AUTO_TEST_CASE(stats_and_coverage_add_up) {
  const Folder folder;
  RunStore store(folder.file());
  store.begin("b1", {});
  store.record(verdict_of(1, true), 0);
  store.record(verdict_of(2, false), 0);
  RunQuery query(folder.file());
  const std::vector<CampaignStats> stats = query.stats({});
  BOOST_REQUIRE(stats.size() == 1U);
  BOOST_TEST(stats[0].runs == 2U);
  BOOST_TEST(stats[0].failed == 1U);
  BOOST_TEST(stats[0].qualifying == 2U);
  BOOST_TEST(stats[0].noticed == 6U);
  BOOST_TEST(stats[0].failures.at("check") == 1U);
  const Coverage coverage = query.coverage({});
  BOOST_TEST(coverage.runs == 2U);
  BOOST_TEST(coverage.oracles.at("check").ran == 1U);
  BOOST_TEST(coverage.oracles.at("check").failed == 1U);
  BOOST_TEST(coverage.oracles.at("eio").not_applicable == 2U);
  BOOST_TEST(coverage.faults.at("pause").injected == 6U);
  BOOST_TEST(coverage.faults.at("pause").noticed == 4U);
  BOOST_TEST(coverage.faults.at("pause").runs_noticed == 2U);
  BOOST_TEST(coverage.operations.at("read").count == 18U);
  BOOST_TEST(coverage.fault_pairs == 1U);
  BOOST_TEST(coverage.fault_pairs_seen == 1U);
}

BOOST_AUTO_TEST_CASE(other_files_and_other_versions_are_refused_and_stay_as_they_are) {
  const Folder folder;
  std::ofstream(folder.file()) << "these are no runs, and no database";
  BOOST_TEST(error_of([&] { RunStore{folder.file()}; }).find("not a run store") !=
             std::string::npos);
  BOOST_TEST(std::filesystem::file_size(folder.file()) == 34U);

  const Folder second;
  Database(second.file(), Database::Mode::create).execute("CREATE TABLE theirs(a)");
  BOOST_TEST(error_of([&] { RunStore{second.file()}; }) == second.file() + ": not a run store");

  const Folder third;
  RunStore{third.file()}.begin("b1", {});
  Database(third.file(), Database::Mode::write).execute("PRAGMA user_version = 9");
  const std::string refusal =
      third.file() + ": a run store of version 9; this program knows version 2 alone";
  BOOST_TEST(error_of([&] { RunStore{third.file()}; }) == refusal);
  BOOST_TEST(error_of([&] { RunQuery{third.file()}; }) == refusal);

  const Folder fourth;
  BOOST_TEST(error_of([&] { RunQuery{fourth.file()}; }).find("unable to open") !=
             std::string::npos);
  BOOST_TEST(!std::filesystem::exists(fourth.file()));
}

BOOST_AUTO_TEST_CASE(a_trace_that_is_damaged_is_an_error) {
  const Folder folder;
  RunStore store(folder.file());
  store.begin("b1", {});
  store.record(verdict_of(1, false), 0, std::string(1000, 'x'));
  Database(folder.file(), Database::Mode::write)
      .execute("UPDATE traces SET zstd = substr(zstd, 1, 10)");
  RunQuery query(folder.file());
  BOOST_TEST(error_of([&] { query.trace(1); }).find("damaged") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_build_has_an_id) {
  BOOST_TEST(build_id().size() == 40U);
  BOOST_TEST(build_id() == build_id());
}

}  // namespace
}  // namespace scoutfs::sim
