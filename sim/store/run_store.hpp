// RunStore: the verdict of every run, in an SQLite file that plain SQL can read (README.md).
//
// A run is known by build, configuration and seed. Each is recorded in a transaction of its
// own: whoever is interrupted, by whatever, goes on behind the last one. Several processes may
// record into one file at a time; one waits for the other.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/run.hpp"
#include "sim/store/database.hpp"

namespace scoutfs::sim {

// What decides what a seed does, beside the build, as JSON that is the same for equal ones.
std::string config_text(const RunConfig& config);

class RunStore {
 public:
  // Makes the file if there is none. Errors (of everything here): StoreError; what is in the
  // file stays, and this object is of no more use.
  explicit RunStore(const std::string& path);

  // What is recorded from now on is of this build and configuration.
  void begin(const std::string& build, const RunConfig& config);

  struct Recorded {
    std::vector<std::uint64_t> seeds;  // ascending
    std::uint64_t failed = 0;
  };
  // What the store has of the range already. Requires: begin().
  Recorded recorded(std::uint64_t first, std::uint64_t last);

  // Has no effect if that run is there. `finished_s`: Unix time. `trace`: of a failure.
  // Requires: begin(); the seed is below 2^63.
  void record(const Verdict& verdict, std::int64_t finished_s,
              const std::optional<std::string>& trace = std::nullopt);

 private:
  std::int64_t id_of(const char* table, const char* column, const std::string& value);
  std::int64_t name_id(const std::string& family, const std::string& text);
  void put_counts(std::int64_t run, const std::string& family,
                  const std::map<std::string, std::uint64_t>& counts);
  // Its number; 0: it was there.
  std::int64_t put_verdict(const Verdict& verdict, std::int64_t finished_s);

  Database database_;
  std::map<std::pair<std::string, std::string>, std::int64_t> name_ids_;
  std::int64_t build_ = 0, config_ = 0;
};

}  // namespace scoutfs::sim
