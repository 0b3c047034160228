#include "sim/store/run_query.hpp"

#include <fmt/core.h>
#include <zstd.h>

#include <string_view>

#include "sim/store/schema.hpp"

namespace scoutfs::sim {

namespace {

// The condition on a row of `runs`; every parameter is always there, so that each query binds
// them in the same way.
constexpr std::string_view kWhere =
    " WHERE (?1 IS NULL OR seed >= ?1) AND (?2 IS NULL OR seed <= ?2)"
    " AND (?3 IS NULL OR verdict = ?3) AND (?4 IS NULL OR (verdict = 'fail' AND oracle = ?4))"
    " AND (?5 IS NULL OR run IN (SELECT run FROM faults WHERE kind = ?5 AND injected > 0))"
    " AND (?6 IS NULL OR substr(build, 1, length(?6)) = ?6) AND (?7 = 0 OR qualifies)";

void bind(Statement& statement, const RunFilter& filter) {
  const auto number = [&](int parameter, const std::optional<std::uint64_t>& value) {
    if (value.has_value()) statement.bind(parameter, static_cast<std::int64_t>(*value));
  };
  const auto text = [&](int parameter, const std::optional<std::string>& value) {
    if (value.has_value()) statement.bind(parameter, *value);
  };
  number(1, filter.first_seed);
  number(2, filter.last_seed);
  if (filter.passed.has_value()) statement.bind(3, *filter.passed ? "pass" : "fail");
  text(4, filter.oracle);
  text(5, filter.fault);
  text(6, filter.build);
  statement.bind(7, filter.qualifies ? 1 : 0);
}

std::string where(std::string_view before, std::string_view after) {
  return fmt::format("{}{}{}", before, kWhere, after);
}

// The runs that the filter lets through, as a table of their numbers.
std::string among(std::string_view before, std::string_view after) {
  return fmt::format("WITH chosen AS (SELECT run FROM runs{}) {}{}", kWhere, before, after);
}

RunRow row_of(const Statement& at) {
  RunRow row;
  row.run = at.integer(0);
  row.seed = at.count(1);
  int column = 2;
  for (std::string* text : {&row.build, &row.config, &row.finished, &row.verdict, &row.oracle,
                            &row.what, &row.hash}) {
    *text = at.text(column++);
  }
  for (std::uint64_t* count :
       {&row.nodes, &row.virtual_ms, &row.probe_ms, &row.events, &row.steps, &row.operations,
        &row.lost_operations, &row.injected, &row.noticed, &row.deaths, &row.late_writes,
        &row.messages, &row.disk_requests}) {
    *count = at.count(column++);
  }
  row.qualifies = at.integer(column) != 0;
  return row;
}

}  // namespace

RunQuery::RunQuery(const std::string& path) : database_(path, Database::Mode::read) {
  expect_tables(database_);
}

std::vector<RunRow> RunQuery::list(const RunFilter& filter, std::uint64_t limit) {
  Statement find(database_, where("SELECT * FROM runs", " ORDER BY run DESC LIMIT ?8"));
  bind(find, filter);
  find.bind(8, limit == 0 ? -1 : static_cast<std::int64_t>(limit));
  std::vector<RunRow> rows;
  while (find.step()) rows.push_back(row_of(find));
  return rows;
}

std::map<std::string, std::uint64_t> RunQuery::counts(const char* sql, std::int64_t run) {
  Statement find(database_, sql);
  find.bind(1, run);
  std::map<std::string, std::uint64_t> counts;
  while (find.step()) counts[find.text(0)] = find.count(1);
  return counts;
}

std::optional<RunDetails> RunQuery::show(const RunFilter& filter) {
  const std::vector<RunRow> rows = list(filter, 1);
  if (rows.empty()) return std::nullopt;
  RunDetails details;
  details.row = rows.front();
  const std::int64_t run = details.row.run;
  Statement oracles(database_,
                    "SELECT oracle, state, looked FROM oracles WHERE run = ? ORDER BY oracle");
  oracles.bind(1, run);
  while (oracles.step()) {
    details.oracles.push_back({oracles.text(0), oracles.text(1), oracles.count(2)});
  }
  Statement faults(database_,
                   "SELECT kind, injected, noticed FROM faults WHERE run = ? ORDER BY kind");
  faults.bind(1, run);
  while (faults.step()) {
    details.faults.push_back({faults.text(0), faults.count(1), faults.count(2)});
  }
  details.operations = counts("SELECT kind, answered FROM operations WHERE run = ?", run);
  details.errors = counts("SELECT error, answers FROM errors WHERE run = ?", run);
  details.protocol = counts("SELECT event, count FROM protocol WHERE run = ?", run);
  Statement kept(database_, "SELECT bytes FROM traces WHERE run = ?");
  if (kept.bind(1, run).step()) details.trace_bytes = kept.count(0);
  return details;
}

std::optional<std::string> RunQuery::trace(std::int64_t run) {
  Statement find(database_, "SELECT bytes, zstd FROM traces WHERE run = ?");
  if (!find.bind(1, run).step()) return std::nullopt;
  constexpr std::uint64_t kTraceMax = 1u << 30;  // far more than is ever kept
  const std::string packed = find.text(1);
  if (find.count(0) > kTraceMax) database_.fail("a trace is damaged");
  std::string text(find.count(0), '\0');
  const std::size_t size =
      ZSTD_decompress(text.data(), text.size(), packed.data(), packed.size());
  if (size != text.size()) database_.fail("a trace is damaged");
  return text;
}

std::vector<CampaignStats> RunQuery::stats(const RunFilter& filter) {
  Statement find(database_,
                 where("SELECT build, config, min(finished), max(finished), count(*), "
                       "sum(verdict = 'fail'), sum(qualifies), min(seed), max(seed), "
                       "sum(virtual_ms), sum(operations), sum(injected), sum(noticed), "
                       "sum(deaths) FROM runs",
                       " GROUP BY build, config ORDER BY max(run) DESC"));
  bind(find, filter);
  std::vector<CampaignStats> all;
  while (find.step()) {
    CampaignStats& stats = all.emplace_back();
    stats.build = find.text(0);
    stats.config = find.text(1);
    stats.from = find.text(2);
    stats.to = find.text(3);
    int column = 4;
    for (std::uint64_t* count :
         {&stats.runs, &stats.failed, &stats.qualifying, &stats.first_seed, &stats.last_seed,
          &stats.virtual_ms, &stats.operations, &stats.injected, &stats.noticed,
          &stats.deaths}) {
      *count = find.count(column++);
    }
  }
  Statement failures(database_, where("SELECT build, config, oracle, count(*) FROM runs",
                                      " AND verdict = 'fail' GROUP BY build, config, oracle"));
  bind(failures, filter);
  while (failures.step()) {
    for (CampaignStats& stats : all) {
      if (stats.build != failures.text(0) || stats.config != failures.text(1)) continue;
      stats.failures[failures.text(2)] = failures.count(3);
    }
  }
  return all;
}

std::map<std::string, Coverage::Count> RunQuery::count_runs(const RunFilter& filter,
                                                            const std::string& family) {
  Statement find(database_,
                 among("SELECT text, sum(count), count(*) FROM counts JOIN names USING (name) ",
                       "WHERE run IN chosen AND family = ?8 AND count > 0 GROUP BY name"));
  bind(find, filter);
  find.bind(8, family);
  std::map<std::string, Coverage::Count> counts;
  while (find.step()) {
    counts[find.text(0)] = {.count = find.count(1), .runs = find.count(2)};
  }
  return counts;
}

void RunQuery::count_pairs(const RunFilter& filter, Coverage& coverage) {
  const std::uint64_t kinds = coverage.faults.size();
  coverage.fault_pairs = kinds < 2 ? 0 : kinds * (kinds - 1) / 2;
  Statement find(database_,
                 among("SELECT count(*) FROM (SELECT DISTINCT a.name, b.name FROM counts a "
                       "JOIN names ON names.name = a.name AND names.family = 'noticed' "
                       "JOIN counts b ON b.run = a.run AND b.name > a.name AND b.count > 0 "
                       "JOIN names other ON other.name = b.name AND other.family = 'noticed' ",
                       "WHERE a.run IN chosen AND a.count > 0)"));
  bind(find, filter);
  find.step();
  coverage.fault_pairs_seen = find.count(0);
}

Coverage RunQuery::coverage(const RunFilter& filter) {
  Coverage coverage;
  Statement runs(database_, where("SELECT count(*) FROM runs", ""));
  bind(runs, filter);
  runs.step();
  coverage.runs = runs.count(0);
  Statement oracles(database_,
                    among("SELECT oracle, sum(state = 'ran'), sum(state = 'not applicable'), "
                          "sum(state = 'failed'), sum(looked) FROM oracles ",
                          "WHERE run IN chosen GROUP BY oracle"));
  bind(oracles, filter);
  while (oracles.step()) {
    coverage.oracles[oracles.text(0)] = {.ran = oracles.count(1),
                                         .not_applicable = oracles.count(2),
                                         .failed = oracles.count(3),
                                         .looked = oracles.count(4)};
  }
  Statement faults(database_,
                   among("SELECT kind, sum(injected), sum(noticed), sum(injected > 0), "
                         "sum(noticed > 0) FROM faults ",
                         "WHERE run IN chosen GROUP BY kind"));
  bind(faults, filter);
  while (faults.step()) {
    coverage.faults[faults.text(0)] = {.injected = faults.count(1),
                                       .noticed = faults.count(2),
                                       .runs = faults.count(3),
                                       .runs_noticed = faults.count(4)};
  }
  coverage.operations = count_runs(filter, "operation");
  coverage.errors = count_runs(filter, "error");
  coverage.protocol = count_runs(filter, "protocol");
  count_pairs(filter, coverage);
  return coverage;
}

}  // namespace scoutfs::sim
