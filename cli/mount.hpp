// Mounting, as `scoutfs mount` and as the helper that mount(8) calls.
#pragma once

#include <string>
#include <vector>

namespace scoutfs::cli {

// mount.scoutfs DEVICE DIR [-sfnvr] [-o OPTIONS] [-t TYPE] [-N NAMESPACE]. The exit codes are
// those that mount(8) expects: 0, 1 (usage), 32 (failed).
int run_mount_helper(const std::vector<std::string>& arguments);

// umount.fuse.scoutfs DIR [-flnrv] [-t TYPE] [-N NAMESPACE], called by umount(8): returns when
// the volume is unmounted, not just when the directory is.
int run_umount_helper(const std::vector<std::string>& arguments);

}  // namespace scoutfs::cli
