#include "sim/store/schema.hpp"

#include <fmt/core.h>

namespace scoutfs::sim {

namespace {

constexpr std::int64_t kApplicationId = 0x53635273;  // "ScRs"

constexpr const char* kTables = R"sql(
CREATE TABLE builds (build INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE configs (config INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE names (
  name INTEGER PRIMARY KEY,
  family TEXT NOT NULL,
  text TEXT NOT NULL,
  UNIQUE (family, text)
);
CREATE TABLE verdicts (
  run INTEGER PRIMARY KEY,
  build INTEGER NOT NULL REFERENCES builds,
  config INTEGER NOT NULL REFERENCES configs,
  seed INTEGER NOT NULL,
  finished_s INTEGER NOT NULL,
  passed INTEGER NOT NULL,
  oracle TEXT,
  what TEXT,
  hash TEXT NOT NULL,
  nodes INTEGER NOT NULL,
  virtual_ns INTEGER NOT NULL,
  probe_ns INTEGER NOT NULL,
  events INTEGER NOT NULL,
  steps INTEGER NOT NULL,
  operations INTEGER NOT NULL,
  lost_operations INTEGER NOT NULL,
  injected INTEGER NOT NULL,
  noticed INTEGER NOT NULL,
  deaths INTEGER NOT NULL,
  late_writes INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  disk_requests INTEGER NOT NULL,
  UNIQUE (build, config, seed)
);
CREATE INDEX verdicts_by_seed ON verdicts (seed);
CREATE INDEX failures ON verdicts (oracle) WHERE NOT passed;
CREATE TABLE counts (
  run INTEGER NOT NULL REFERENCES verdicts,
  name INTEGER NOT NULL REFERENCES names,
  count INTEGER NOT NULL,
  PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE traces (
  run INTEGER PRIMARY KEY REFERENCES verdicts,
  bytes INTEGER NOT NULL,
  zstd BLOB NOT NULL
);
)sql";

constexpr const char* kViews = R"sql(
CREATE VIEW runs AS
  SELECT run, seed, builds.name AS build, configs.text AS config,
         datetime(finished_s, 'unixepoch') AS finished,
         CASE WHEN passed THEN 'pass' ELSE 'fail' END AS verdict, oracle, what, hash, nodes,
         virtual_ns / 1000000 AS virtual_ms, probe_ns / 1000000 AS probe_ms,
         events, steps, operations, lost_operations,
         injected, noticed, deaths, late_writes, messages, disk_requests,
         nodes BETWEEN 3 AND 5 AND operations >= 200 AND noticed >= 3 AS qualifies
  FROM verdicts JOIN builds USING (build) JOIN configs USING (config);
CREATE VIEW oracles AS
  SELECT run, text AS oracle, count AS looked,
         CASE WHEN NOT passed AND verdicts.oracle = text THEN 'failed'
              WHEN count > 0 THEN 'ran' ELSE 'not applicable' END AS state
  FROM counts JOIN names USING (name) JOIN verdicts USING (run) WHERE family = 'oracle';
CREATE VIEW faults AS
  SELECT run, text AS kind,
         sum(CASE family WHEN 'injected' THEN count ELSE 0 END) AS injected,
         sum(CASE family WHEN 'noticed' THEN count ELSE 0 END) AS noticed
  FROM counts JOIN names USING (name) WHERE family IN ('injected', 'noticed')
  GROUP BY run, text;
CREATE VIEW operations AS
  SELECT run, text AS kind, count AS answered
  FROM counts JOIN names USING (name) WHERE family = 'operation';
CREATE VIEW errors AS
  SELECT run, text AS error, count AS answers
  FROM counts JOIN names USING (name) WHERE family = 'error';
CREATE VIEW protocol AS
  SELECT run, text AS event, count
  FROM counts JOIN names USING (name) WHERE family = 'protocol';
)sql";

bool is_empty(Database& database) {
  Statement count(database, "SELECT count(*) FROM sqlite_schema");
  count.step();
  return count.integer(0) == 0;
}

}  // namespace

void expect_tables(Database& database) {
  if (database.pragma("application_id") != kApplicationId) database.fail("not a run store");
  const std::int64_t version = database.pragma("user_version");
  if (version == kStoreVersion) return;
  database.fail(fmt::format("a run store of version {}; this program knows version {} alone",
                            version, kStoreVersion));
}

void make_tables(Database& database) {
  const bool fresh = database.pragma("application_id") == 0 && is_empty(database);
  if (!fresh) return expect_tables(database);
  database.pragma("journal_mode = WAL");
  Transaction transaction(database);
  // Another process may have been quicker.
  if (is_empty(database)) {
    database.execute(kTables);
    database.execute(kViews);
    database.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                                 kApplicationId, kStoreVersion));
  }
  transaction.commit();
}

}  // namespace scoutfs::sim
