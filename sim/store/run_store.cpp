#include "sim/store/run_store.hpp"

#include <fmt/core.h>
#include <zstd.h>

#include "engine/base/assert.hpp"
#include "engine/base/hash.hpp"
#include "sim/scenario.hpp"
#include "sim/store/schema.hpp"

namespace scoutfs::sim {

namespace {
std::string json_text(std::string_view plain) {
  std::string text = "\"";
  for (const char c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    const bool as_it_is = byte >= 0x20 && c != '"' && c != '\\';
    text += as_it_is ? std::string(1, c) : fmt::format("\\u{:04x}", byte);
  }
  return text + "\"";
}
}  // namespace

std::string config_text(const RunConfig& config) {
  std::string scenario = config.canary_unjudged ? R"(,"canary_unjudged":true)" : "";
  if (config.scenario != nullptr) {
    scenario += fmt::format(R"(,"scenario":{})", json_text(config.scenario->name));
    // The build says what is in those that are built in.
    if (!config.scenario->built_in) {
      scenario +=
          fmt::format(R"(,"scenario_hash":"{:016x}")", checksum64(config.scenario->text, 0));
    }
  }
  return fmt::format(R"({{"nodes":{},"operations":{},"faults":{},"canary":{}{}}})",
                     config.nodes, config.operations, config.faults, config.canary, scenario);
}

RunStore::RunStore(const std::string& path) : database_(path, Database::Mode::create) {
  make_tables(database_);
  // A power cut of this machine may take the newest runs; they are run again.
  database_.execute("PRAGMA synchronous = NORMAL");
}

std::int64_t RunStore::id_of(const char* table, const char* column, const std::string& value) {
  Statement(database_, fmt::format("INSERT OR IGNORE INTO {}({}) VALUES (?)", table, column))
      .bind(1, value)
      .run();
  Statement find(database_, fmt::format("SELECT rowid FROM {} WHERE {} = ?", table, column));
  find.bind(1, value).step();
  return find.integer(0);
}

void RunStore::begin(const std::string& build, const RunConfig& config) {
  Transaction transaction(database_);
  build_ = id_of("builds", "name", build);
  config_ = id_of("configs", "text", config_text(config));
  transaction.commit();
}

RunStore::Recorded RunStore::recorded(std::uint64_t first, std::uint64_t last) {
  Statement find(database_,
                 "SELECT seed, passed FROM verdicts WHERE build = ? AND config = ? "
                 "AND seed BETWEEN ? AND ? ORDER BY seed");
  find.bind(1, build_).bind(2, config_);
  find.bind(3, static_cast<std::int64_t>(first)).bind(4, static_cast<std::int64_t>(last));
  Recorded recorded;
  while (find.step()) {
    recorded.seeds.push_back(find.count(0));
    if (find.integer(1) == 0) ++recorded.failed;
  }
  return recorded;
}

std::int64_t RunStore::name_id(const std::string& family, const std::string& text) {
  const auto known = name_ids_.find({family, text});
  if (known != name_ids_.end()) return known->second;
  Statement(database_, "INSERT OR IGNORE INTO names(family, text) VALUES (?, ?)")
      .bind(1, family)
      .bind(2, text)
      .run();
  Statement find(database_, "SELECT name FROM names WHERE family = ? AND text = ?");
  find.bind(1, family).bind(2, text).step();
  return name_ids_[{family, text}] = find.integer(0);
}

void RunStore::put_counts(std::int64_t run, const std::string& family,
                          const std::map<std::string, std::uint64_t>& counts) {
  Statement put(database_, "INSERT INTO counts(run, name, count) VALUES (?, ?, ?)");
  for (const auto& [text, count] : counts) {
    put.bind(1, run).bind(2, name_id(family, text)).bind(3, static_cast<std::int64_t>(count));
    put.run();
  }
}

std::int64_t RunStore::put_verdict(const Verdict& verdict, std::int64_t finished_s) {
  Statement put(
      database_,
      "INSERT INTO verdicts(build, config, seed, finished_s, passed, oracle, what, "
      "hash, nodes, virtual_ns, probe_ns, events, steps, operations, lost_operations, "
      "injected, noticed, deaths, late_writes, messages, disk_requests) VALUES "
      "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT DO NOTHING RETURNING run");
  put.bind(1, build_).bind(2, config_).bind(3, static_cast<std::int64_t>(verdict.seed));
  put.bind(4, finished_s).bind(5, verdict.passed ? 1 : 0);
  if (verdict.passed) {
    put.bind_null(6).bind_null(7);
  } else {
    put.bind(6, verdict.oracle).bind(7, verdict.what);
  }
  put.bind(8, to_string(verdict.hash));
  std::uint64_t injected = 0, noticed = 0;
  for (const auto& [kind, count] : verdict.faults) injected += count;
  for (const auto& [kind, count] : verdict.noticed) noticed += count;
  int parameter = 9;
  for (const std::uint64_t figure :
       {verdict.nodes, verdict.virtual_ns, verdict.probe_ns, verdict.events, verdict.steps,
        verdict.operations, verdict.lost_operations, injected, noticed, verdict.deaths,
        verdict.late_writes, verdict.messages, verdict.disk_requests}) {
    put.bind(parameter++, static_cast<std::int64_t>(figure));
  }
  if (!put.step()) return 0;
  const std::int64_t run = put.integer(0);
  put.run();
  return run;
}

void RunStore::record(const Verdict& verdict, std::int64_t finished_s,
                      const std::optional<std::string>& trace) {
  SCOUTFS_ASSERT(build_ != 0);
  SCOUTFS_ASSERT(static_cast<std::int64_t>(verdict.seed) >= 0);
  // Before: a transaction holds others up.
  std::string packed;
  if (trace.has_value()) {
    packed.resize(ZSTD_compressBound(trace->size()));
    packed.resize(ZSTD_compress(packed.data(), packed.size(), trace->data(), trace->size(), 3));
  }
  Transaction transaction(database_);
  const std::int64_t run = put_verdict(verdict, finished_s);
  if (run != 0) {
    std::map<std::string, std::uint64_t> oracles = verdict.oracles;
    // A process that broke tells of no oracle.
    if (!verdict.passed) oracles.try_emplace(verdict.oracle, 0);
    put_counts(run, "oracle", oracles);
    put_counts(run, "injected", verdict.faults);
    put_counts(run, "noticed", verdict.noticed);
    put_counts(run, "operation", verdict.answers);
    put_counts(run, "error", verdict.errors);
    put_counts(run, "protocol", verdict.protocol);
    if (trace.has_value()) {
      Statement put(database_, "INSERT INTO traces(run, bytes, zstd) VALUES (?, ?, ?)");
      put.bind(1, run).bind(2, static_cast<std::int64_t>(trace->size()));
      put.bind_blob(3, packed).run();
    }
  }
  transaction.commit();
}

}  // namespace scoutfs::sim
