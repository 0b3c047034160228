// What a victim of a fence said of itself in its quorum block.
#pragma once

#include <optional>

#include "engine/env/block_device.hpp"
#include "engine/env/fencing.hpp"
#include "engine/format/quorum.hpp"

namespace scoutfs::node {

struct Victim {
  Fsid fsid;                                 // of the volume
  std::optional<format::QuorumBlock> block;  // none: it has no slot
};

// Looks at the volume on `device` for the block of an incarnation, or of the process in which a
// leader's incarnation ran. Errors: those of the device; corrupt.
Task<Result<Victim>> find_victim(BlockDevice& device, Incarnation victim, HostId host);

}  // namespace scoutfs::node
