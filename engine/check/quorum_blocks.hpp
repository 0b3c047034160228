// Quorum blocks: whether each copy that was ever written verifies.
#pragma once

#include "engine/check/problems.hpp"

namespace scoutfs::check {

Task<void> check_quorum_blocks(BlockDevice& device, const format::Superblock& superblock,
                               Problems& problems);

}  // namespace scoutfs::check
