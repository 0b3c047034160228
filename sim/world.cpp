#include "sim/world.hpp"

#include <algorithm>

namespace scoutfs::sim {

TimeNs Actor::wants_ns(TimeNs now_ns) const {
  const TimeNs wants =
      scheduler_.idle() ? clock_.world_time_of(scheduler_.next_deadline_ns()) : now_ns;
  return wants == kForever ? kForever : std::max(wants, paused_until_ns_);
}

void World::remove(const Actor& actor) {
  std::erase_if(actors_, [&actor](const Actor* other) { return other == &actor; });
}

bool World::step() {
  const TimeNs now = events_.now_ns();
  TimeNs next = events_.next_ns();
  bool ran = false;
  for (Actor* actor : actors_) {
    const TimeNs wants = actor->wants_ns(now);
    next = std::min(next, wants);
    if (wants > now) continue;
    ran = true;
    const std::uint64_t resumed = actor->run();
    trace_.event(now, actor->node(), EventKind::run, resumed);
    if (resumed == Actor::kResumesMax) board_.fail("spin", "a node never waits");
  }
  if (ran) return true;
  if (next == kForever) return false;
  if (next == events_.next_ns()) {
    events_.run_next();
  } else {
    events_.advance(next);
  }
  return true;
}

}  // namespace scoutfs::sim
