// Both copies of the superblock, and what decoding one cannot see.
#pragma once

#include "engine/check/problems.hpp"

namespace scoutfs::check {

// The newest good copy. Another that does not verify is a problem unless `after_crash`.
// Errors: corrupt (no copy is good), unsupported (another format), those of the device when
// neither copy can be read.
Task<Result<format::Superblock>> read_superblocks(BlockDevice& device, bool after_crash,
                                                  Problems& problems);

// The server tree's segments among one another. False if the device is too small for the
// volume, which must not be read further then. That regions and segments lie where they may is
// a rule of the superblock's encoding.
bool check_regions(const format::Superblock& superblock, std::uint64_t device_blocks,
                   Problems& problems);

}  // namespace scoutfs::check
