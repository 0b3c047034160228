// Operation: one call of the filesystem interface, as data: what the workload draws, the engine
// runs, and the model explains.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "engine/fs/filesystem.hpp"

namespace scoutfs::sim {

enum class OpKind : std::uint8_t {
  lookup,
  getattr,
  set_mode,
  truncate,
  create,
  create_open,
  unlink,
  rmdir,
  rename,
  link,
  readlink,
  readdir,
  open,
  read,
  write,
  append,
  punch,
  allocate,
  seek,
  set_xattr,
  get_xattr,
  list_xattrs,
  remove_xattr,
  sync,
  statfs,
  ino_path,
};
inline constexpr std::size_t kOpKinds = 26;
std::string_view to_string(OpKind kind);

struct Operation {
  OpKind kind{};
  Ino ino;            // of operations on an inode; the directory of those on a name
  Ino other;          // rename: the target directory; link: the directory; ino_path: behind it
  std::string name;   // of the entry or the attribute
  std::string name2;  // rename: the new name; create of a symlink: its target
  std::string data;   // written, or the attribute's value
  std::uint64_t offset = 0;
  std::uint64_t length =
      0;  // read, punch, allocate, truncate (the new size), readdir (the limit)
  std::uint32_t mode = 0;  // create, set_mode
  std::uint32_t uid = 0, gid = 0;
  fs::SetXattr how = fs::SetXattr::any;
  fs::RenameFlags rename_flags = fs::RenameFlags::none;
  fs::Seek seek = fs::Seek::data;
  bool keep_size = false;
  bool publish = false;  // sync: as sync(2) does it, not fsync
};
std::string describe(const Operation& op);
// Its success leaves a file open.
inline bool opens(const Operation& op) {
  return op.kind == OpKind::open || op.kind == OpKind::create_open;
}

// What the engine answered.
struct Outcome {
  std::optional<Errc> error;
  std::optional<fs::Attributes> attributes;
  std::vector<fs::DirectoryEntry> entries;
  std::vector<std::string> names;  // of attributes
  std::string bytes;               // read, link target, attribute value
  std::uint64_t number = 0;        // offset of a write, position of a seek
  std::optional<fs::StatFs> statfs;
  std::optional<fs::FileSystem::Path> path;
};

// Runs the operation. `context` carries the witness.
Task<Outcome> run_operation(fs::FileSystem& filesystem, fs::Context context, Operation op);

}  // namespace scoutfs::sim
