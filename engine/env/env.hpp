// Env: everything a node reaches the outside through. Two bindings: sim/ and node/.
#pragma once

#include "engine/async/clock.hpp"
#include "engine/async/scheduler.hpp"
#include "engine/env/block_device.hpp"
#include "engine/env/fencing.hpp"
#include "engine/env/log.hpp"
#include "engine/env/network.hpp"
#include "engine/env/random.hpp"

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
};

}  // namespace scoutfs
