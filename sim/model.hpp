// Model: what POSIX says a tree of files does, without disks, nodes or time.
//
// It executes one operation after the other, at the instant at which the engine says that the
// operation takes effect, and answers what the engine must answer. Inodes have ids of their
// own: the engine's numbers are bound to them from outside. Nothing is ever removed: an inode
// without a link stays, and whether it may be gone is decided where the open files are counted.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/base/result.hpp"
#include "sim/operation.hpp"

namespace scoutfs::sim {

using ModelId = std::uint64_t;  // 1 is the root; 0 is none

// A time that a file carries, in nanoseconds of the wall clock of the node that set it, as far
// as it is known: between these. By default nothing is known.
struct Instant {
  std::int64_t first_ns = std::numeric_limits<std::int64_t>::min();
  std::int64_t last_ns = std::numeric_limits<std::int64_t>::max();
  bool operator==(const Instant&) const = default;
  bool holds(std::int64_t ns) const { return first_ns <= ns && ns <= last_ns; }
};
std::int64_t in_ns(const format::Timespec& time);

struct ModelInode {
  std::uint32_t mode = 0;  // type and permission bits
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t nlink = 0;
  std::string content;  // of a regular file
  std::string target;   // of a symlink
  std::map<std::string, std::string> xattrs;
  std::uint64_t data_version = 0;
  Instant mtime, ctime;
  // Of a directory.
  struct Entry {
    std::string name;
    ModelId id = 0;
  };
  std::map<std::uint64_t, Entry> entries;       // by position
  std::map<std::string, std::uint64_t> places;  // name -> position
  std::uint64_t next_position = format::kFirstPosition;
  ModelId parent = 0;

  std::uint32_t type() const { return mode & format::kTypeMask; }
  bool is_directory() const { return type() == format::kTypeDirectory; }
  bool is_regular() const { return type() == format::kTypeRegular; }
  std::uint64_t size() const;
};

// What the engine must answer: success with these values, or one of the errors if there are
// any.
struct Expected {
  std::vector<Errc> errors;
  bool changed = false;  // the tree is not what it was
  ModelId id = 0;        // the inode that is answered
  // Attributes, as far as they are compared.
  bool has_attributes = false;
  std::uint32_t mode = 0, uid = 0, gid = 0, nlink = 0, xattr_count = 0;
  std::uint64_t size = 0, data_version = 0;
  Instant mtime, ctime;
  struct Entry {
    std::string name;
    ModelId id = 0;
    std::uint32_t type = 0;
    std::uint64_t position = 0;
  };
  std::vector<Entry> entries;
  std::vector<std::string> names;
  std::string bytes;
  std::uint64_t number = 0;
  // Where an inode may be found, if that was asked; those behind a place are meant.
  struct Path {
    ModelId dir = 0;
    std::uint64_t position = 0;
    std::string path;
  };
  bool is_path = false;
  std::vector<Path> paths;
  // A seek is judged by the content it passed over: `bytes` holds it, from the offset to the
  // end.
  bool is_seek = false;

  Hash128 digest() const;
};

// The inodes an operation names, as the model knows them; 0 where there is none.
struct ModelIds {
  ModelId inode = 0;
  ModelId other = 0;
  ModelId created = 0;  // the id that a create gives
  Instant when = {};
};

class Model {
 public:
  explicit Model(std::uint32_t root_mode);

  Expected execute(const Operation& op, ModelIds ids);

  // Errors that the arguments alone justify, so that the tree was not looked at.
  static std::vector<Errc> argument_errors(const Operation& op);

  // Blocks that must be in use, for something other than zeros is in them.
  std::uint64_t blocks_in_use() const;

  const std::map<ModelId, ModelInode>& inodes() const { return inodes_; }
  const ModelInode* find(ModelId id) const;
  // An answer told a time of the inode, which was known as `was`: if it still is, it is known
  // exactly from now on.
  void learn(ModelId id, Instant ModelInode::* time, Instant was, std::int64_t ns);

 private:
  Expected lookup(ModelId dir, const std::string& name) const;
  Expected create(const Operation& op, ModelIds ids);
  Expected remove(const Operation& op, ModelIds ids);
  Expected rename(const Operation& op, ModelIds ids);
  Expected link(const Operation& op, ModelIds ids);
  Expected readdir(const Operation& op, ModelId dir) const;
  Expected set_attributes(const Operation& op, ModelIds ids);
  Expected write(const Operation& op, ModelIds ids);
  Expected fallocate(const Operation& op, ModelIds ids);
  Expected read(const Operation& op, ModelId id) const;
  Expected seek(const Operation& op, ModelId id) const;
  Expected xattr(const Operation& op, ModelIds ids);
  Expected attributes_of(ModelId id) const;
  Expected paths_of(ModelId id) const;
  // From the root, with a slash behind it; the root's is empty.
  std::string prefix_of(ModelId dir) const;

  ModelInode* get(ModelId id);
  // Contents or entries change, and with them the inode; or the inode alone.
  void touch(ModelInode& inode, Instant when);
  void add_entry(ModelId dir, const std::string& name, ModelId id);
  // Takes the entry out; its inode loses a link, a directory all of them.
  void drop_entry(ModelId dir, const std::string& name);
  void take_entry_out(ModelId dir, const std::string& name);
  bool is_within(ModelId id, ModelId ancestor) const;

  std::map<ModelId, ModelInode> inodes_;
};

}  // namespace scoutfs::sim
