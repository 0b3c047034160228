// What a device holds already, by the marks that filesystems and partition tables leave.
#pragma once

#include <string>

#include "engine/async/task.hpp"
#include "engine/env/block_device.hpp"

namespace scoutfs::cli {

// The name of what was found ("ext2/3/4", "an XFS filesystem", ...); empty if nothing is known.
// Finds what others wrote, not scoutfs volumes. Errors: those of the device.
Task<Result<std::string>> find_signature(BlockDevice& device);

}  // namespace scoutfs::cli
