// The space of cases: operations x placement x crash, each case with a number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/env/milestones.hpp"
#include "sim/exhaust/tiny_tree.hpp"

namespace scoutfs::sim {

// Where it happens: nothing, after the answer, after a sync, at a point of the commit that the
// sync waits for, or while leaders change.
enum class CrashTime : std::uint8_t { never, answered, synced, in_commit, at_milestone };

// Points of a commit, in their order.
enum class CommitPoint : std::uint8_t {
  writes_begin,    // of the transaction's blocks, by who changed something
  written,         // the first of these writes is complete
  commit_sent,     // everything is flushed, and the leader is told
  commit_arrived,  // at the leader
  record_begins,   // the leader writes its journal
  recorded,        // that is complete
  answer_sent,
  answer_arrived,
};
inline constexpr std::size_t kCommitPoints = 8;
std::string_view to_string(CommitPoint point);

// Who dies of it: the node that acted last, the other one, both, or both and the array loses
// what was not durable.
enum class Victims : std::uint8_t { actor, other, both, power_cut };

struct Crash {
  CrashTime time{};
  Victims victims{};
  bool torn = false;  // power_cut: each sector by itself; else nothing is kept
  CommitPoint point{};
  Milestone milestone{};
};
std::string describe(const Crash& crash);
// Every one, once: never; 5 each after the answer and after a sync; 3 at each point of a
// commit; 1 at each milestone.
std::vector<Crash> all_crashes();

// Who calls the operations: whether each is called by the leader or by the other node, one
// after the other or, by both nodes, at the same time.
struct Placement {
  std::vector<bool> by_leader;  // of each operation
  bool together = false;
};
std::string describe(const Placement& placement);
std::vector<Placement> placements(unsigned operations);

struct ExhaustCase {
  std::uint64_t number = 0;
  std::vector<TinyOperation> operations;
  Placement placement;
  Crash crash;
};
std::string describe(const ExhaustCase& one);

class ExhaustSpace {
 public:
  // `operations`: of each case, 1 or 2.
  explicit ExhaustSpace(unsigned operations);

  unsigned operations() const { return depth_; }
  // Cases are numbered from 1 to this.
  std::uint64_t size() const;
  // Requires: 1 <= number <= size().
  ExhaustCase at(std::uint64_t number) const;

  // How many cases there must be, by the sizes of the sets alone; and how that is reckoned.
  std::uint64_t closed_form() const;
  std::string formula() const;

 private:
  unsigned depth_;
  std::vector<TinyOperation> all_;
  std::vector<Placement> placements_;
  std::vector<Crash> crashes_;
};

}  // namespace scoutfs::sim
