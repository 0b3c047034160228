// Edits: which of a run's decisions are left, so that a failure can be had with less.
//
// What a run decides has a name that does not depend on what else is decided: operation K of
// node N, fault K and trouble K of the plan, delay K of the network or the disk. A run can be
// recorded (`DecisionRecorder`); a run with edits makes of the recorded decisions only those
// that are left, each as it was recorded and at the time at which it was made. Leaving one out
// shifts no other. What depends on one that is gone is left out too: an operation on a file
// that nobody has found, the close of a file that nobody has opened. A run with all of its
// decisions left does what the recorded one did.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/clock.hpp"
#include "sim/operation.hpp"

namespace scoutfs::sim {

struct Plan;

// A time of the world, and how many of its steps at that time have been taken.
struct DecisionTime {
  TimeNs ns = 0;
  std::uint64_t steps = 0;
};

struct DecidedOperation {
  unsigned node = 0;
  std::uint64_t ordinal = 0;  // of the node's operations, from 0
  unsigned worker = 0;        // of the node, who calls it
  TimeNs at_ns = 0;           // by the node's clock, when it is called
  TimeNs think_ns = 0;        // the worker's pause behind it
  Operation op;               // its inodes by the numbers that the recorded run gave them
  Ino found;                  // what its answer told of; none: nothing
  unsigned workload = 0;      // of the plan, whose operation it is
  // Behind it the worker closes what this operation of its own had opened.
  std::optional<std::uint64_t> closes;
};

struct DecidedFault {
  std::size_t number = 0;  // in the plan
  DecisionTime at;
};

struct Edits {
  std::vector<unsigned> nodes;               // that take part, ascending; the rest is not there
  std::vector<DecidedOperation> operations;  // by node and ordinal
  std::vector<DecidedFault> faults;          // by number
  std::vector<DecidedFault> troubles;        // by number
  // From this delay on each is the shortest there is.
  std::uint64_t calm_network_from = ~0ULL;
  std::uint64_t calm_disk_from = ~0ULL;
  bool disk_errors = true;  // those by chance, beside the troubles
  std::string file;         // they were read from; empty: none
};

// Told of each decision when it is made.
class DecisionRecorder {
 public:
  DecisionRecorder() = default;
  DecisionRecorder(const DecisionRecorder&) = delete;
  DecisionRecorder& operator=(const DecisionRecorder&) = delete;
  virtual ~DecisionRecorder() = default;

  // When it is called. One that was not decided before is told once more when it is answered,
  // if it comes to that: then `found`, `closes` and `think_ns` are known.
  virtual void operation(const DecidedOperation& decided) = 0;
  virtual void fault(const DecidedFault& decided) = 0;
  virtual void trouble(const DecidedFault& decided) = 0;
};

// What in the edits is not in the plan of the recorded run; empty: nothing.
std::string misfit(const Edits& edits, const Plan& plan);
// The plan of the recorded run becomes that of the edited one. The nodes that are left move
// together; what a fault was to do to one that is not there it does to the first.
// Requires: the edits fit.
void apply(const Edits& edits, Plan& plan);

}  // namespace scoutfs::sim
