// One seed: a cluster, a workload, faults, oracles, and a verdict.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "sim/plan.hpp"
#include "sim/trace.hpp"

namespace scoutfs::sim {

struct Verdict {
  std::uint64_t seed = 0;
  bool passed = false;
  std::string oracle;  // that failed first
  std::string what;
  Hash128 hash;  // of every event
  TimeNs virtual_ns = 0;
  TimeNs probe_ns = 0;  // after the last fault, until every node had done an operation
  std::uint64_t events = 0, steps = 0;
  std::uint64_t operations = 0;       // answered
  std::uint64_t lost_operations = 0;  // taken back by a crash, legally
  std::uint64_t nodes = 0;
  std::map<std::string, std::uint64_t> faults;   // how often each was injected
  std::map<std::string, std::uint64_t> noticed;  // of these, how many the engine noticed
  std::uint64_t deaths = 0, late_writes = 0, messages = 0, disk_requests = 0;
  std::map<std::string, std::uint64_t> oracles;  // how often each looked; 0: it did not apply
  std::map<std::string, std::uint64_t> answers;  // by kind of operation
  std::map<std::string, std::uint64_t> errors;   // answers by what they say instead of success
  // Messages by kind, and what else the engine did that not every run makes it do.
  std::map<std::string, std::uint64_t> protocol;
};

// The sink, if any, gets the run's story, and the observer what makes a picture of it.
// `until_ns` ends the run early, as passed.
Verdict run_seed(const RunConfig& config, Trace::Sink sink = {}, TimeNs until_ns = kForever,
                 Observer* observer = nullptr);

// Runs the seed and tells what it decides (edits.hpp).
Verdict record_seed(const RunConfig& config, DecisionRecorder& recorder);

// A few lines for a person. The first says all; the rest explains a failure.
std::string to_text(const Verdict& verdict);
// The command that repeats a run.
std::string replay_command(const RunConfig& config);

}  // namespace scoutfs::sim
