// nbdkit-scoutfs-sim-plugin.so: a LiveDisk as nbdkit sees it.
//
// One request of a connection at a time, any number of connections beside each other.
#define NBDKIT_API_VERSION 2
#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS

#include <nbdkit-plugin.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "nbd/sim_plugin/control_socket.hpp"
#include "nbd/sim_plugin/live_disk.hpp"

namespace {

using scoutfs::BlockNo;
using scoutfs::Durability;
using scoutfs::kBlockSize;
using scoutfs::Result;
using scoutfs::sim::ControlSocket;
using scoutfs::sim::LiveDisk;

struct Plugin {
  LiveDisk::Options options;
  std::string control_path;
  std::unique_ptr<LiveDisk> disk;
  std::unique_ptr<ControlSocket> control;
};
Plugin* plugin = nullptr;

LiveDisk::Client& client(void* handle) {
  return *static_cast<LiveDisk::Client*>(handle);
}

int failed(const char* what, int error) {
  nbdkit_error("%s: %s", what, std::strerror(error));
  nbdkit_set_error(error);
  return -1;
}
int done(const char* what, const Result<void>& result) {
  if (result.has_value()) return 0;
  return failed(what, result.error().code == scoutfs::Errc::disconnected ? ESHUTDOWN : EIO);
}
bool in_blocks(std::uint64_t offset, std::uint32_t count) {
  return offset % kBlockSize == 0 && count % kBlockSize == 0;
}

void load() {
  plugin = new Plugin;
}
void unload() {
  delete plugin;
  plugin = nullptr;
}

int config(const char* key, const char* value) {
  const std::string name = key;
  if (name == "size") {
    const std::int64_t size = nbdkit_parse_size(value);
    if (size < 0) return -1;
    plugin->options.disk.block_count = static_cast<std::uint64_t>(size) / kBlockSize;
    return 0;
  }
  if (name == "seed") {
    return nbdkit_parse_uint64_t(key, value, &plugin->options.seed);
  }
  if (name == "latency") {
    std::uint64_t microseconds = 0;
    if (nbdkit_parse_uint64_t(key, value, &microseconds) != 0) return -1;
    plugin->options.disk.latency_max_ns =
        std::max(plugin->options.disk.latency_min_ns, microseconds * scoutfs::kMicrosecond);
    return 0;
  }
  if (name == "control") {
    // nbdkit changes its directory before it serves.
    char* const absolute = nbdkit_absolute_path(value);
    if (absolute == nullptr) return -1;
    plugin->control_path = absolute;
    std::free(absolute);
    return 0;
  }
  nbdkit_error("unknown parameter '%s'; there are size, seed, latency and control", key);
  return -1;
}

int config_complete() {
  if (!plugin->control_path.empty()) return 0;
  nbdkit_error("give control=PATH, the socket at which the disk takes commands");
  return -1;
}

// Threads are started when nbdkit has become what it stays.
int after_fork() {
  plugin->disk = std::make_unique<LiveDisk>(plugin->options);
  plugin->control = std::make_unique<ControlSocket>(*plugin->disk);
  if (plugin->control->listen(plugin->control_path).has_value()) return 0;
  nbdkit_error("cannot listen at '%s': %s", plugin->control_path.c_str(), std::strerror(errno));
  return -1;
}

void* open(int) {
  auto opened = plugin->disk->connect();
  if (opened.has_value()) return opened->release();
  failed("the power is off", ESHUTDOWN);
  return nullptr;
}
void close(void* handle) {
  delete &client(handle);
}

std::int64_t get_size(void*) {
  return static_cast<std::int64_t>(plugin->disk->block_count() * kBlockSize);
}
int block_size(void*, std::uint32_t* minimum, std::uint32_t* preferred,
               std::uint32_t* maximum) {
  *minimum = *preferred = kBlockSize;
  *maximum = 32u << 20;
  return 0;
}
int yes(void*) {
  return 1;
}
int can_fua(void*) {
  return NBDKIT_FUA_NATIVE;
}

int pread(void* handle, void* buffer, std::uint32_t count, std::uint64_t offset,
          std::uint32_t) {
  if (!in_blocks(offset, count)) return failed("read", EINVAL);
  return done("read", client(handle).read(BlockNo{offset / kBlockSize},
                                          {static_cast<std::byte*>(buffer), count}));
}
int pwrite(void* handle, const void* buffer, std::uint32_t count, std::uint64_t offset,
           std::uint32_t flags) {
  if (!in_blocks(offset, count)) return failed("write", EINVAL);
  const bool forced = (flags & NBDKIT_FLAG_FUA) != 0;
  return done("write",
              client(handle).write(
                  BlockNo{offset / kBlockSize}, {static_cast<const std::byte*>(buffer), count},
                  forced ? Durability::on_completion : Durability::after_flush));
}
int flush(void* handle, std::uint32_t) {
  return done("flush", client(handle).flush());
}

nbdkit_plugin describe() {
  nbdkit_plugin description{};
  description.name = "scoutfs-sim";
  description.longname = "the simulator's disk";
  description.description = "A disk in memory that loses power, tears writes and cuts clients.";
  description.config_help =
      "control=PATH     (required) the socket at which the disk takes commands\n"
      "size=SIZE        of the disk; default: 32M\n"
      "seed=NUMBER      what chance is drawn from; default: 1\n"
      "latency=NUMBER   microseconds that a request takes at most; default: 400";
  description.load = load;
  description.unload = unload;
  description.config = config;
  description.config_complete = config_complete;
  description.after_fork = after_fork;
  description.open = open;
  description.close = close;
  description.get_size = get_size;
  description.block_size = block_size;
  description.can_write = yes;
  description.can_flush = yes;
  description.can_multi_conn = yes;
  description.can_fua = can_fua;
  description.pread = pread;
  description.pwrite = pwrite;
  description.flush = flush;
  description.errno_is_preserved = 0;
  return description;
}

nbdkit_plugin description = describe();

}  // namespace

extern "C" {
NBDKIT_REGISTER_PLUGIN(description)
}
