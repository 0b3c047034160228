// nbdkit-scoutfs-plugin.so: a DiskServer as nbdkit sees it. Each call goes to the connection of
// its handle; nothing is decided here.
//
// Thread model: one request of a connection at a time, any number of connections beside each
// other. A client that wants more of its requests to run together opens more connections of its
// session. With several threads for one connection nbdkit 1.32 aborts, and takes the disk from
// everybody, when a client dies while two of its requests are being answered.
#define NBDKIT_API_VERSION 2
#define THREAD_MODEL NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS

#include <nbdkit-plugin.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "nbd/plugin/disk_server.hpp"

namespace {

using scoutfs::Durability;
using scoutfs::Result;
using scoutfs::nbd::DiskServer;

struct Plugin {
  DiskServer::Options options;
  DiskServer server;
};
Plugin* plugin = nullptr;

using Connection = DiskServer::Connection;

Connection& connection(void* handle) {
  return *static_cast<Connection*>(handle);
}

int done(const char* what, const Result<void>& result) {
  if (result.has_value()) return 0;
  const int error = scoutfs::nbd::errno_of(result.error().code);
  nbdkit_error("%s: %s", what, std::strerror(error));
  nbdkit_set_error(error);
  return -1;
}

void load() {
  plugin = new Plugin;
}
void unload() {
  delete plugin;
  plugin = nullptr;
}

int config(const char* key, const char* value) {
  std::string* path = nullptr;
  if (std::strcmp(key, "file") == 0) path = &plugin->options.disk_path;
  if (std::strcmp(key, "table") == 0) path = &plugin->options.table_path;
  if (path == nullptr) {
    nbdkit_error("unknown parameter '%s'; there are file=PATH and table=PATH", key);
    return -1;
  }
  // nbdkit changes its directory before it serves.
  char* const absolute = nbdkit_absolute_path(value);
  if (absolute == nullptr) return -1;
  *path = absolute;
  std::free(absolute);
  return 0;
}

int config_complete() {
  if (!plugin->options.disk_path.empty()) return 0;
  nbdkit_error("give file=PATH, the file or block device to serve");
  return -1;
}

int get_ready() {
  std::string why;
  if (plugin->server.start(plugin->options, why).has_value()) return 0;
  nbdkit_error("%s", why.c_str());
  return -1;
}

int list_exports(int, int, nbdkit_exports* exports) {
  const std::string offer = scoutfs::nbd::encode(plugin->server.offer());
  const std::string status(scoutfs::nbd::kStatusExport);
  if (nbdkit_add_export(exports, "", nullptr) != 0) return -1;
  return nbdkit_add_export(exports, status.c_str(), offer.c_str());
}

void* open(int) {
  const char* const name = nbdkit_export_name();
  if (name == nullptr) return nullptr;
  std::string why;
  auto opened = plugin->server.open(name, why);
  if (opened.has_value()) return opened->release();
  nbdkit_error("refused: %s", why.empty() ? "the disk cannot be read" : why.c_str());
  nbdkit_set_error(scoutfs::nbd::errno_of(opened.error().code));
  return nullptr;
}
void close(void* handle) {
  delete &connection(handle);
}

std::int64_t get_size(void* handle) {
  return static_cast<std::int64_t>(connection(handle).size_bytes());
}
int can_write(void* handle) {
  return connection(handle).writable() ? 1 : 0;
}
int can_flush(void*) {
  return 1;
}
int can_fua(void*) {
  return NBDKIT_FUA_NATIVE;
}
int can_multi_conn(void* handle) {
  return connection(handle).shared() ? 1 : 0;
}

int pread(void* handle, void* buffer, std::uint32_t count, std::uint64_t offset,
          std::uint32_t) {
  return done("read",
              connection(handle).read(offset, {static_cast<std::byte*>(buffer), count}));
}
int pwrite(void* handle, const void* buffer, std::uint32_t count, std::uint64_t offset,
           std::uint32_t flags) {
  const bool forced = (flags & NBDKIT_FLAG_FUA) != 0;
  return done("write", connection(handle).write(
                           offset, {static_cast<const std::byte*>(buffer), count},
                           forced ? Durability::on_completion : Durability::after_flush));
}
int flush(void* handle, std::uint32_t) {
  return done("flush", connection(handle).flush());
}

nbdkit_plugin describe() {
  nbdkit_plugin description{};
  description.name = "scoutfs";
  description.longname = "a disk for scoutfs, with fencing";
  description.description =
      "Serves a file or block device to many nodes; a node can be fenced.";
  description.magic_config_key = "file";
  description.config_help =
      "file=PATH     (required) the file or block device to serve\n"
      "table=PATH    where the fence table is kept; default: beside the file, with .fence";
  description.load = load;
  description.unload = unload;
  description.config = config;
  description.config_complete = config_complete;
  description.get_ready = get_ready;
  description.list_exports = list_exports;
  description.open = open;
  description.close = close;
  description.get_size = get_size;
  description.can_write = can_write;
  description.can_flush = can_flush;
  description.can_fua = can_fua;
  description.can_multi_conn = can_multi_conn;
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
