// SpacePool: the device space this node may use, granted by the leader and not yet used.
//
// Two sets: data takes what comes; segments need runs, so theirs are kept apart.
#pragma once

#include <cstdint>

#include "engine/base/extent_set.hpp"

namespace scoutfs::client {

struct SpacePool {
  ExtentSet data;
  ExtentSet segments;

  std::uint64_t blocks() const { return data.blocks() + segments.blocks(); }
};

}  // namespace scoutfs::client
