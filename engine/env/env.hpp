// Env: everything a node reaches the outside through. Two bindings: sim/ and node/.
#pragma once

#include "engine/async/clock.hpp"
#include "engine/async/scheduler.hpp"
#include "engine/env/block_device.hpp"
#include "engine/env/fencing.hpp"
#include "engine/env/log.hpp"
#include "engine/env/milestones.hpp"
#include "engine/env/network.hpp"
#include "engine/env/random.hpp"
#include "engine/env/storage.hpp"

namespace scoutfs {

// Borrowed; each outlives the node.
struct Env {
  Scheduler& scheduler;
  const Clock& clock;
  Random& random;
  BlockDevice& device;
  Network& network;
  Fencing& fencing;
  Log& log;
  Storage* storage = nullptr;        // null: a server shares the device of its mount
  Milestones* milestones = nullptr;  // null: nobody watches

  // The same node with another way to the disk.
  Env with(BlockDevice& other) const {
    return {.scheduler = scheduler,
            .clock = clock,
            .random = random,
            .device = other,
            .network = network,
            .fencing = fencing,
            .log = log,
            .storage = storage,
            .milestones = milestones};
  }
  void reached(Milestone milestone, Term term) const {
    if (milestones != nullptr) milestones->reached(milestone, term);
  }
};

}  // namespace scoutfs
