// sim_hash FIRST LAST: runs the seeds and prints what each did, as one hash a line. The same
// program in another build must print the same (tools/compare_hashes.sh).
#include <fmt/core.h>

#include <cstdlib>

#include "sim/run.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: sim_hash FIRST LAST\n");
    return 2;
  }
  const std::uint64_t first = std::strtoull(argv[1], nullptr, 10);
  const std::uint64_t last = std::strtoull(argv[2], nullptr, 10);
  bool passed = true;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    scoutfs::sim::RunConfig config;
    config.seed = seed;
    const scoutfs::sim::Verdict verdict = scoutfs::sim::run_seed(config);
    fmt::print("{} {} {} {}\n", seed, scoutfs::sim::to_string(verdict.hash), verdict.events,
               verdict.passed ? "pass" : "FAIL " + verdict.oracle);
    passed = passed && verdict.passed;
  }
  return passed ? 0 : 1;
}
