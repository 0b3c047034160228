// What a mount is started with.
#pragma once

#include <string>
#include <vector>

#include "engine/env/log.hpp"
#include "engine/mount/mount.hpp"
#include "node/kernel_cache.hpp"

namespace scoutfs::node {

// Whether sync(2) and syncfs(2) reach the volume: they do where the mount is on a block device,
// if only a private one that holds nothing (node/loop_device.hpp).
enum class SyncDelivery : std::uint8_t { where_possible, always, never };

// How lost nodes are fenced.
struct FenceChoice {
  enum class By : std::uint8_t {
    device,  // as the disk or its server can; otherwise nobody alive is
    agent,   // a program
    nobody,  // who is silent is taken for dead
  };
  By by = By::device;
  std::string agent;  // an absolute path
};

struct MountConfig {
  std::string device;     // an NBD or iSCSI URI, a block device or an image file
  std::string directory;  // the mount point
  // For the engine: cluster, listen, slot, caches, intervals. `host` is filled in by the
  // daemon.
  MountOptions engine;
  // For a lost connection to the disk; then the mount fails.
  TimeNs disk_wait_ns = 60 * kSecond;
  FenceChoice fence;
  bool local_locks = false;        // file locks of this node alone, instead of ENOLCK
  std::optional<CacheMode> cache;  // what the kernel may keep; nullopt: the most that it can
  TimeNs cache_settle_ns = KernelCache::kSettleDefault;
  SyncDelivery sync_delivery = SyncDelivery::where_possible;
  // What the kernel enforces: "ro", "nosuid", "nodev", "noexec", "sync", "dirsync",
  // "nodiratime".
  std::vector<std::string> kernel_flags;
  bool needs_network = false;  // "_netdev": kept in mount(8)'s table, for umount -a -O _netdev

  LogLevel log_level = LogLevel::info;
  std::string log_file;         // empty: standard error, or the system's log of a daemon
  std::string metrics_address;  // "IP:PORT" of the Prometheus endpoint; empty: none
  std::string run_directory = "/run/scoutfs";  // where the admin socket is
};

}  // namespace scoutfs::node
