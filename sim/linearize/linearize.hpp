// Linearize: is there an order of these calls, each between its call and its answer, in which
// every answer is right? Asked of each object alone: the names of a directory, and the size and
// content of a file (Herlihy and Wing 1990: that is enough for operations on one object; one on
// two, as a rename between directories, is asked for its part in each).
//
// The search is that of Wing and Gong (1993) with the memory of Lowe (2017): it takes one of
// the calls that may come next, and gives up a set of calls that were taken once it has led to
// the same state before.
//
// At the beginning nothing is known of an object; what is not known may be anything, and is
// known once an answer has told it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/linearize/history.hpp"

namespace scoutfs::sim {

struct LinearizeResult {
  std::uint64_t objects = 0;    // for which there is an order, or none
  std::uint64_t undecided = 0;  // too many calls or too many orders
  std::string problem;          // of the first without one; empty: there is none
};

LinearizeResult linearize(const std::vector<HistoryCall>& calls);

}  // namespace scoutfs::sim
