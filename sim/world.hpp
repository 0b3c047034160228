// World: virtual time, and the nodes that live in it.
//
// A node runs when one of its coroutines is ready or one of its timers has expired, in the
// order of the nodes; only when no node has anything to do does time move on to the next event
// or timer.
#pragma once

#include <vector>

#include "engine/async/scheduler.hpp"
#include "sim/clock.hpp"
#include "sim/event_queue.hpp"
#include "sim/oracle_board.hpp"
#include "sim/trace.hpp"

namespace scoutfs::sim {

// A scheduler that the world runs. Linked while it lives.
class Actor {
 public:
  Actor(unsigned node, Scheduler& scheduler, const NodeClock& clock)
      : node_(node), scheduler_(scheduler), clock_(clock) {}

  unsigned node() const { return node_; }
  // It runs no more until then, as a machine that is suspended does.
  void pause_until(TimeNs world_ns) { paused_until_ns_ = world_ns; }
  TimeNs paused_until_ns() const { return paused_until_ns_; }
  // When it wants to run: now or earlier if it is ready.
  TimeNs wants_ns(TimeNs now_ns) const;
  std::uint64_t run() { return scheduler_.run(kResumesMax); }

  // Coroutines resumed at one instant; a node that needs more is spinning.
  static constexpr std::uint64_t kResumesMax = 1'000'000;

 private:
  unsigned node_;
  Scheduler& scheduler_;
  const NodeClock& clock_;
  TimeNs paused_until_ns_ = 0;
};

class World {
 public:
  World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { events_.clear(); }

  EventQueue& events() { return events_; }
  Trace& trace() { return trace_; }
  OracleBoard& board() { return board_; }
  TimeNs now_ns() const { return events_.now_ns(); }

  // Nodes run in the order in which they were added. Not during step().
  void add(Actor& actor) { actors_.push_back(&actor); }
  void remove(const Actor& actor);

  // Runs the nodes that are ready, or moves time on and lets one event happen. False when
  // nothing will ever happen again.
  bool step();

 private:
  EventQueue events_;
  Trace trace_;
  OracleBoard board_;
  std::vector<Actor*> actors_;
};

}  // namespace scoutfs::sim
