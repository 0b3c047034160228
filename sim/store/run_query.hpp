// RunQuery: what `scoutfs sim list`, `show`, `stats` and `coverage` ask of a run store.
//
// Reads alone; others may record meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/store/database.hpp"

namespace scoutfs::sim {

// Which runs; what is not set restricts nothing.
struct RunFilter {
  std::optional<std::uint64_t> first_seed = std::nullopt, last_seed = std::nullopt;
  std::optional<bool> passed = std::nullopt;
  std::optional<std::string> oracle = std::nullopt;  // that failed
  std::optional<std::string> fault = std::nullopt;   // of which at least one was injected
  std::optional<std::string> build = std::nullopt;   // how its name begins
  bool qualifies = false;                            // those alone that do
};

// A row of the view `runs`.
struct RunRow {
  std::int64_t run = 0;
  std::uint64_t seed = 0;
  std::string build, config, finished, verdict, oracle, what, hash;
  std::uint64_t nodes = 0, virtual_ms = 0, probe_ms = 0, events = 0, steps = 0, operations = 0,
                lost_operations = 0, injected = 0, noticed = 0, deaths = 0, late_writes = 0,
                messages = 0, disk_requests = 0;
  bool qualifies = false;
};

struct RunDetails {
  struct Oracle {
    std::string name, state;
    std::uint64_t looked = 0;
  };
  struct Fault {
    std::string kind;
    std::uint64_t injected = 0, noticed = 0;
  };
  RunRow row;
  std::vector<Oracle> oracles;
  std::vector<Fault> faults;
  std::map<std::string, std::uint64_t> operations, errors, protocol;
  std::uint64_t trace_bytes = 0;  // 0: none was kept
};

// Of all runs of one build and configuration.
struct CampaignStats {
  std::string build, config, from, to;
  std::uint64_t runs = 0, failed = 0, qualifying = 0, first_seed = 0, last_seed = 0,
                virtual_ms = 0, operations = 0, injected = 0, noticed = 0, deaths = 0;
  std::map<std::string, std::uint64_t> failures;  // by oracle
};

// What a set of runs has come across.
struct Coverage {
  struct Oracle {
    std::uint64_t ran = 0, not_applicable = 0, failed = 0;  // runs
    std::uint64_t looked = 0;
  };
  struct Fault {
    std::uint64_t injected = 0, noticed = 0;  // faults
    std::uint64_t runs = 0, runs_noticed = 0;
  };
  struct Count {
    std::uint64_t count = 0, runs = 0;
  };
  std::uint64_t runs = 0;
  std::map<std::string, Oracle> oracles;
  std::map<std::string, Fault> faults;
  std::map<std::string, Count> operations, errors, protocol;
  // Of all pairs of kinds of faults that were injected: how many were noticed in one run.
  std::uint64_t fault_pairs = 0, fault_pairs_seen = 0;
};

class RunQuery {
 public:
  // Errors (of everything here): StoreError.
  explicit RunQuery(const std::string& path);

  // The newest first; at most `limit`, 0: all.
  std::vector<RunRow> list(const RunFilter& filter, std::uint64_t limit);
  // The newest run that the filter lets through.
  std::optional<RunDetails> show(const RunFilter& filter);
  // Its story, line by line; nullopt: none was kept.
  std::optional<std::string> trace(std::int64_t run);
  std::vector<CampaignStats> stats(const RunFilter& filter);
  Coverage coverage(const RunFilter& filter);

 private:
  std::map<std::string, std::uint64_t> counts(const char* sql, std::int64_t run);
  std::map<std::string, Coverage::Count> count_runs(const RunFilter& filter,
                                                    const std::string& family);
  void count_pairs(const RunFilter& filter, Coverage& coverage);

  Database database_;
};

}  // namespace scoutfs::sim
