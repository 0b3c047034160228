// The bug-likelihood curve of a seed: when did its failure become inevitable?
//
// The run is stopped at instants spread over it; at each it is forked into other futures: the
// same past, everything drawn later drawn anew. The share of futures that fail says how much of
// the failure had happened by then. Where the share jumps is where to look.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/run.hpp"

namespace scoutfs::sim {

struct LikelihoodOptions {
  unsigned points = 20;         // instants
  unsigned futures = 10;        // of each
  unsigned jobs = 1;            // processes at a time
  unsigned seconds_each = 300;  // of real time; a future that takes longer has failed
};

struct LikelihoodPoint {
  TimeNs at_ns = 0;
  unsigned futures = 0;
  unsigned failed = 0;
  unsigned same = 0;  // of these, at the oracle that failed in the seed's own run
};

struct Likelihood {
  std::string oracle;  // that failed in the seed's own run; empty: it passed
  TimeNs end_ns = 0;
  std::vector<LikelihoodPoint> points;  // in the order of time
};

// Points are spread by steps of the world, of which there are many where much happens.
Likelihood likelihood_of(const RunConfig& config, const LikelihoodOptions& options);

// To which point the share of futures that fail as the seed did grows most from the one before;
// nullopt: it never grows.
std::optional<std::size_t> steepest(const Likelihood& likelihood);
// From which point on every future fails as the seed did; nullopt: from none.
std::optional<std::size_t> inevitable(const Likelihood& likelihood);

}  // namespace scoutfs::sim
