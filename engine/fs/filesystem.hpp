// FileSystem: POSIX operations in terms of items and locks. One object a mount.
//
// Each operation is a coroutine, may run beside any other, and is atomic: it takes effect at
// one instant between its call and its return, on the whole cluster. Permission checks are the
// kernel's (default_permissions); what is checked here is what only the filesystem can know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/client/store.hpp"
#include "engine/format/inode.hpp"

namespace scoutfs::fs {

using format::Inode;
using format::Timespec;

// Told the instant at which an operation takes effect: its place in the cluster's one order.
// The simulator checks every result against a model at this point.
class Witness {
 public:
  virtual ~Witness() = default;
  // Called once by an operation that got as far as looking at the tree, with its locks held and
  // without a suspension between the call and the operation's last read or its changes.
  // `txn` is the transaction that carries the changes; 0 if it changed nothing.
  virtual void serialized(TxnNo txn) = 0;
};

// Who asks, and how it can be ended early.
struct Context {
  std::uint32_t uid = 0;  // owner of what is created
  std::uint32_t gid = 0;
  Cancellation* cancellation = nullptr;         // may be null
  Witness* witness = nullptr;                   // may be null
  client::Caller caller = client::Caller::any;  // of read()
};

struct Attributes {
  Ino ino;
  Inode inode;
};

// Fields to change; the others stay.
struct SetAttributes {
  std::optional<std::uint32_t> mode;  // permission bits
  std::optional<std::uint32_t> uid, gid;
  std::optional<std::uint64_t> size;
  std::optional<Timespec> atime, mtime;
  bool atime_now = false, mtime_now = false;
  // Clear set-user-id and set-group-id as a write by somebody else must.
  bool kill_suid = false;
};

struct NewNode {
  std::uint32_t mode = 0;  // type and permission bits, umask already applied
  std::uint64_t rdev = 0;  // of device nodes: major << 32 | minor
  std::string target;      // of symlinks
};

struct DirectoryEntry {
  std::string name;
  Ino ino;
  std::uint32_t type = 0;      // type bits of the mode
  std::uint64_t position = 0;  // pass it to readdir() to go on behind this entry
};

enum class SetXattr : std::uint8_t { any, create_only, replace_only };
enum class RenameFlags : std::uint8_t { none, no_replace };
enum class Seek : std::uint8_t { data, hole };

struct FallocateMode {
  bool keep_size = false;
  bool punch_hole = false;  // requires keep_size
};

// One inode in the change index.
struct IndexEntry {
  Seq seq;
  Ino ino;
  auto operator<=>(const IndexEntry&) const = default;
};
struct IndexPage {
  std::vector<IndexEntry> entries;
  client::Bound bound;
};

struct StatFs {
  std::uint64_t total_blocks = 0, free_blocks = 0;
  // Free: how many empty files the free space would take. Files: those and the inode numbers
  // that were given out, in use or not; numbers are never used twice.
  std::uint64_t files = 0, free_files = 0;
};

struct Options {
  bool atime = true;  // relatime; false: never update
  // How often leftovers of unlinked files are looked for; each time differs by up to a fifth.
  TimeNs orphan_scan_ns = 10 * kSecond;
  // Operations of a node that was fenced wait until they are interrupted or it is unmounted;
  // false: they fail with fenced.
  bool freeze_when_fenced = false;
};

class FileSystem {
 public:
  FileSystem(client::Store& store, Options options);
  ~FileSystem();
  // Ends background work (orphan scan). Call before the store stops; afterwards only destruct.
  Task<void> stop();
  // Starts background work.
  void start();

  // Errors of all operations, besides their own: io_error, corrupt, disconnected, fenced,
  // stopping, interrupted; not_found for an inode that is gone. `name` is checked: invalid
  // (empty, '/', NUL), name_too_long.

  // "." and ".." are the kernel's business. Errors: not_found, not_directory.
  Task<Result<Attributes>> lookup(Context context, Ino dir, std::string name);
  Task<Result<Attributes>> getattr(Context context, Ino ino);
  // Errors: invalid (size of what is not a regular file), is_directory, file_too_large,
  // no_space.
  Task<Result<Attributes>> setattr(Context context, Ino ino, SetAttributes changes);

  // Files, directories, devices, fifos, sockets and symlinks. Errors: exists, not_directory,
  // no_space, name_too_long (symlink target over 4095 bytes).
  // A set-group-id directory hands its group (and, to directories, the bit) down.
  Task<Result<Attributes>> create(Context context, Ino dir, std::string name, NewNode node);
  // Errors: not_found, is_directory.
  Task<Result<void>> unlink(Context context, Ino dir, std::string name);
  // Errors: not_found, not_directory, not_empty, busy (the root).
  Task<Result<void>> rmdir(Context context, Ino dir, std::string name);
  // Errors: not_found, exists (no_replace), is_directory, not_directory, not_empty,
  // invalid (a directory into itself), too_many_links.
  Task<Result<void>> rename(Context context, Ino from_dir, std::string from, Ino to_dir,
                            std::string to, RenameFlags flags);
  // Errors: exists, not_permitted (a directory), too_many_links, not_found (unlinked).
  Task<Result<Attributes>> link(Context context, Ino ino, Ino dir, std::string name);
  Task<Result<std::string>> readlink(Context context, Ino ino);  // Errors: invalid.

  // Entries behind `position` (0: from the beginning, . and .. included with positions 0 -> 1
  // and 1 -> 2 handled here), at most `limit`. In creation order; positions never repeat.
  Task<Result<std::vector<DirectoryEntry>>> readdir(Context context, Ino dir,
                                                    std::uint64_t position, std::size_t limit);

  // An open file or directory stays until as many close() as open() calls. Errors: not_found.
  Task<Result<Attributes>> open(Context context, Ino ino);
  // create() and open() in one: nobody can unlink it in between.
  Task<Result<Attributes>> create_open(Context context, Ino dir, std::string name,
                                       NewNode node);
  void close(Ino ino);

  // Returns how many bytes were read: fewer than out.size() only at the end of the file.
  Task<Result<std::size_t>> read(Context context, Ino ino, std::uint64_t offset,
                                 std::span<std::byte> out);
  // nullopt offset: append at the cluster's size. Returns the offset it was written at.
  // Writes whole or not at all, up to kWriteMax bytes. Errors: no_space, file_too_large.
  static constexpr std::size_t kWriteMax = 1u << 20;  // bytes
  Task<Result<std::uint64_t>> write(Context context, Ino ino,
                                    std::optional<std::uint64_t> offset, std::string data);
  // Errors: operation_unknown, no_space (what was done stays), invalid.
  Task<Result<void>> fallocate(Context context, Ino ino, FallocateMode mode,
                               std::uint64_t offset, std::uint64_t length);
  // Errors: no_such_position.
  Task<Result<std::uint64_t>> seek(Context context, Ino ino, std::uint64_t offset, Seek what);

  // The whole mount's changes so far are durable. fsync of anything is this.
  Task<Result<void>> sync(Context context);
  // The same, and index walks without a barrier see them, unless another node holds an older
  // transaction open. sync(2) is this.
  Task<Result<void>> publish(Context context);

  // Names in user., trusted., security.; others: operation_unknown.
  // Errors: no_attribute, out_of_range (name over 255), too_large (value over 65535), exists.
  Task<Result<void>> set_xattr(Context context, Ino ino, std::string name, std::string value,
                               SetXattr how);
  Task<Result<std::string>> get_xattr(Context context, Ino ino, std::string name);
  Task<Result<std::vector<std::string>>> list_xattrs(Context context, Ino ino);
  Task<Result<void>> remove_xattr(Context context, Ino ino, std::string name);

  Task<Result<StatFs>> statfs(Context context);

  // Entries of the change index from `first` to `last`, at most `limit`, complete up to
  // page.bound.last. Errors: those of the store.
  Task<Result<IndexPage>> walk_inodes(Context context, format::IndexType index,
                                      IndexEntry first, IndexEntry last, std::size_t limit,
                                      client::Store::Wait wait);
  // The next path of an inode behind (dir, position) in that order, without a leading slash;
  // the root's is "". Errors: not_found (no more paths).
  struct Path {
    Ino dir;
    std::uint64_t position = 0;
    std::string path;
  };
  Task<Result<Path>> ino_path(Context context, Ino ino, Ino after_dir,
                              std::uint64_t after_position);

  // The simulator asks at quiet moments.
  void check_invariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The first items of a new volume: the root directory and its index entry.
std::vector<lsm::Item> root_items(Timespec now, std::uint32_t mode, Seq seq);

}  // namespace scoutfs::fs
