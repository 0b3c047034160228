// The process of one mount.
#pragma once

#include <functional>

#include "node/mount_config.hpp"

namespace scoutfs::node {

// Exit codes; that of a failure is what mount(8) expects of its helpers.
inline constexpr int kMountOk = 0;
inline constexpr int kMountFailed = 32;

// Mounts in this process and serves until somebody unmounts the directory, or SIGTERM or SIGINT
// asks for the end. Says on standard error what it waits for. Calls `on_mounted` when the
// filesystem can be used; it must not wait, nor look at the mount. Returns the exit code of the
// process; what went wrong has been printed.
int run_mount(MountConfig config, std::function<void()> on_mounted);

// The same in a child process that goes on in the background. Returns in the caller when the
// filesystem can be used or the mount has failed; an interrupt of the caller ends the attempt.
// Requires: the caller has one thread.
int daemonize_and_run(MountConfig config);

}  // namespace scoutfs::node
