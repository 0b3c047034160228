// FileSystem::Impl: the state all operations share, and the steps they have in common.
//
// The operations are members, defined in the file of their kind: namespace.cpp, unlink.cpp,
// rename.cpp, attributes.cpp, read.cpp, write.cpp, fallocate.cpp, truncate.cpp, deletion.cpp,
// xattr.cpp, walk.cpp, paths.cpp.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>
#include "engine/async/scope.hpp"
#include "engine/fs/data_change.hpp"
#include "engine/fs/filesystem.hpp"
#include "engine/fs/fresh_blocks.hpp"
#include "engine/fs/hold.hpp"
#include "engine/fs/ino_pools.hpp"
#include "engine/fs/inode_change.hpp"
#include "engine/fs/inode_table.hpp"
#include "engine/fs/target_guesses.hpp"

namespace scoutfs::fs {

inline constexpr std::uint32_t kLinksMax = 0x7fffffff;
inline constexpr std::size_t kSymlinkMax = 4095;                             // bytes
inline constexpr std::uint64_t kFileSizeMax = (std::uint64_t{1} << 63) - 1;  // bytes
inline constexpr std::uint32_t kSetUserId = 04000, kSetGroupId = 02000, kGroupExecute = 00010;

// The block behind the last one that can hold data of a file of that size.
constexpr std::uint64_t blocks_of(std::uint64_t size) {
  return size / kBlockSize + (size % kBlockSize != 0 ? 1 : 0);
}

class FileSystem::Impl {
 public:
  Impl(client::Store& store, Options options);

  Task<void> stop();
  void start();

  // The end of every operation: it is answered only while this node's lease is valid. What it
  // saw and changed was under locks that it held then, and nobody else got them if the lease is
  // renewed; so it waits for that. What a fenced node answers is up to the operator.
  template <class T>
  Task<Result<T>> answered(Context context, Task<Result<T>> operation) {
    Result<T> result = co_await std::move(operation);
    if (!store_.lease_valid() && !failed_with(result, Errc::interrupted)) {
      const Result<void> valid = co_await store_.wait_for_lease();
      if (!valid.has_value()) result = std::unexpected(valid.error());
    }
    while (failed_with(result, Errc::fenced) && options_.freeze_when_fenced && !stopping_) {
      const Wake wake = co_await thawed_.wait(context.cancellation);
      if (wake == Wake::cancelled) break;
    }
    co_return result;
  }

  Task<Result<Attributes>> lookup(Context context, Ino dir, std::string name);
  Task<Result<Attributes>> getattr(Context context, Ino ino);
  Task<Result<Attributes>> setattr(Context context, Ino ino, SetAttributes changes);
  enum class Open : std::uint8_t { no, yes };
  Task<Result<Attributes>> create(Context context, Ino dir, std::string name, NewNode node,
                                  Open open);
  enum class Victim : std::uint8_t { other, directory };
  Task<Result<void>> remove(Context context, Ino dir, std::string name, Victim kind);
  Task<Result<void>> rename(Context context, Ino from_dir, std::string from, Ino to_dir,
                            std::string to, RenameFlags flags);
  Task<Result<Attributes>> link(Context context, Ino ino, Ino dir, std::string name);
  Task<Result<std::string>> readlink(Context context, Ino ino);
  Task<Result<std::vector<DirectoryEntry>>> readdir(Context context, Ino dir,
                                                    std::uint64_t position, std::size_t limit);
  Task<Result<Attributes>> open(Context context, Ino ino);
  void close(Ino ino);
  Task<Result<std::size_t>> read(Context context, Ino ino, std::uint64_t offset,
                                 std::span<std::byte> out);
  Task<Result<std::uint64_t>> write(Context context, Ino ino,
                                    std::optional<std::uint64_t> offset, std::string data);
  Task<Result<void>> fallocate(Context context, Ino ino, FallocateMode mode,
                               std::uint64_t offset, std::uint64_t length);
  Task<Result<std::uint64_t>> seek(Context context, Ino ino, std::uint64_t offset, Seek what);
  Task<Result<void>> sync(Context context);
  Task<Result<void>> publish(Context context);
  Task<Result<void>> set_xattr(Context context, Ino ino, std::string name, std::string value,
                               SetXattr how);
  Task<Result<std::string>> get_xattr(Context context, Ino ino, std::string name);
  Task<Result<std::vector<std::string>>> list_xattrs(Context context, Ino ino);
  Task<Result<void>> remove_xattr(Context context, Ino ino, std::string name);
  Task<Result<StatFs>> statfs(Context context);
  Task<Result<IndexPage>> walk_inodes(Context context, format::IndexType index,
                                      IndexEntry first, IndexEntry last, std::size_t limit,
                                      client::Store::Wait wait);
  Task<Result<Path>> ino_path(Context context, Ino ino, Ino after_dir,
                              std::uint64_t after_position);
  void check_invariants() const;

 private:
  // --- common steps (impl.cpp) ---
  static void see(const Context& context, TxnNo txn = {}) {
    if (context.witness != nullptr) context.witness->serialized(txn);
  }
  // The operation's answer is an error about what it saw in the tree. Call it with the locks
  // held, right after the last read.
  static std::unexpected<Error> refuse(
      const Context& context, Errc code,
      std::source_location where = std::source_location::current()) {
    see(context);
    return fail(code, where);
  }
  Timespec now() const;
  // nullopt if there is no such item.
  Task<Result<std::optional<Inode>>> find_inode(const client::Locks& locks, Ino ino);
  // A directory that has a name. Errors: not_found, not_directory (both witnessed).
  Task<Result<Inode>> live_directory(const Context& context, const client::Locks& locks,
                                     Ino ino);
  // The inode of a directory entry: it is there, or the volume is corrupt.
  Task<Result<Inode>> target_inode(const client::Locks& locks, Ino ino);
  Task<Result<std::optional<format::Dirent>>> find_entry(const client::Locks& locks, Ino dir,
                                                         std::string_view name);
  // Locks one inode and reads it: the beginning of most operations on files. An unlinked inode
  // is there for as long as any node has it open, and not an instant longer, whatever is left
  // of it. Errors: not_found (witnessed).
  Task<Result<Inode>> hold_inode(const Context& context, Hold& hold, Ino ino, lock::Mode mode);

  // --- rename.cpp ---
  struct Rename;
  // True if `dir` is `ancestor` or below it. Requires: the rename lock is held.
  Task<Result<bool>> is_below(const Context& context, Ino dir, Ino ancestor);
  Task<Result<void>> apply_rename(const Context& context, Hold& hold, Rename& rename);

  // --- deletion.cpp ---
  // What becomes of an inode that loses its last link.
  struct Removal {
    bool at_once = false;    // the inode and all of its items go in the same transaction
    bool elsewhere = false;  // another node has it open
    std::vector<lsm::Item> items;
    std::uint64_t item_bytes = 0;
  };
  // Requires: `hold` has the inode for write.
  Task<Result<Removal>> plan_removal(const client::Locks& locks, Ino ino);
  // `inode` has no link left. Afterwards, once nothing more is put, call settle_unlinked().
  void apply_removal(client::Txn& txn, Ino ino, Inode& inode, const Removal& removal);
  void settle_unlinked(const client::Locks& locks, Ino ino, const Removal& removal);
  // Erases items of an inode that is being deleted, other than its inode item, frees their
  // blocks and counts them out of `inode`.
  void erase_items(client::Txn& txn, const std::vector<lsm::Item>& items, Inode& inode);
  void delete_later(Ino ino);
  Task<void> delete_worker();
  Task<Result<void>> delete_inode(Ino ino);
  Task<Result<bool>> delete_step(Ino ino);
  Task<void> scan_orphans();
  Task<Result<void>> scan_orphans_once();

  // --- truncate.cpp ---
  // Sets the size of a regular file and makes `inode` say so. The witness sees it.
  Task<Result<void>> resize(const Context& context, Hold& hold, Ino ino, Inode& inode,
                            std::uint64_t size);
  Task<Result<void>> shrink(const Context& context, Hold& hold, Ino ino, Inode& inode,
                            std::uint64_t size);
  // Frees what a truncate left, if the flag says so.
  Task<Result<void>> finish_truncate(Hold& hold, Ino ino, Inode& inode);
  Task<Result<void>> finish_truncate_step(const client::Locks& locks, Ino ino, Inode& inode);

  // --- read.cpp ---
  Task<Result<void>> read_extents(const client::Locks& locks, Ino ino, std::uint64_t offset,
                                  std::span<std::byte> out);
  Task<Result<void>> read_written(const client::Locks& locks, Ino ino, FileExtent extent,
                                  std::uint64_t offset, std::span<std::byte> out);
  Task<Result<void>> read_blocks(const client::Locks& locks, Ino ino, FileExtent extent,
                                 std::span<std::byte> out);
  bool atime_due(const Inode& inode) const;
  Task<void> update_atime(Ino ino);

  // --- write.cpp ---
  Task<Result<std::string>> merge_blocks(DataChange& change, const client::Locks& locks,
                                         std::uint64_t size, std::uint64_t offset,
                                         std::string data);

  // --- fallocate.cpp ---
  Task<Result<void>> preallocate(const Context& context, Hold& hold, Ino ino, Inode inode,
                                 bool keep_size, std::uint64_t offset, std::uint64_t length);
  Task<Result<void>> punch(const Context& context, Hold& hold, Ino ino, Inode inode,
                           std::uint64_t offset, std::uint64_t length);

  // --- xattr.cpp ---
  struct StoredXattr {
    std::string value;
    std::uint8_t parts = 0;
  };
  Task<Result<std::optional<StoredXattr>>> find_xattr(const client::Locks& locks, Ino ino,
                                                      std::string_view name);
  // nullopt removes it.
  Task<Result<void>> change_xattr(Context context, Ino ino, std::string name,
                                  std::optional<std::string> value, SetXattr how);

  // --- paths.cpp ---
  struct Backref {
    Ino dir;
    std::uint64_t position = 0;
    std::string name;
  };
  // The next directory entry that names the inode, behind (dir, position).
  Task<Result<std::optional<Backref>>> next_backref(const client::Locks& locks, Ino ino,
                                                    Ino after_dir,
                                                    std::uint64_t after_position);
  Task<Result<std::vector<Ino>>> collect_chain(const Context& context, Ino ino, Ino after_dir,
                                               std::uint64_t after_position);

  client::Store& store_;
  Options options_;
  InodeTable inodes_;
  InoPools pools_;
  TargetGuesses guesses_;
  FreshBlocks fresh_;
  // One directory move at a time on this node; the rename lock orders nodes only.
  Mutex rename_mutex_;

  // Inodes that lost their last link while open here: the last close() has them deleted.
  absl::btree_set<Ino> unlinked_open_;
  // To be deleted, in order; and the same with those at work, so that each is deleted once.
  std::deque<Ino> to_delete_;
  absl::btree_set<Ino> deleting_;
  std::size_t delete_workers_ = 0;
  absl::btree_set<Ino> atime_updates_;  // in progress

  bool stopping_ = false;
  Cancellation stop_request_;
  WaitQueue thawed_;  // operations of a node that was fenced and is to stand still
  TaskScope scope_;
};

// Errors: invalid, name_too_long.
Result<void> check_name(std::string_view name);

}  // namespace scoutfs::fs
