// One request of the kernel, from its arrival to its answer.
#pragma once

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>
#include <sys/statvfs.h>

#include <string_view>

#include "engine/fs/filesystem.hpp"
#include "node/fuse_mount.hpp"

namespace scoutfs::node {

struct FuseCallTag;

// Lives in the coroutine that serves the request. Answers it exactly once: with EIO if the
// coroutine is destroyed first. A signal to the process that waits cancels the call.
class FuseCall : public ListHook<FuseCallTag> {
 public:
  FuseCall(FuseMount& mount, fuse_req_t request);
  FuseCall(const FuseCall&) = delete;
  FuseCall& operator=(const FuseCall&) = delete;
  ~FuseCall();

  fs::Context context(CacheGrant* grant = nullptr);
  // The request names an inode by what the kernel knows of a path. If it is gone, the path
  // leads elsewhere: ESTALE makes the kernel look again.
  void found_by_path() { found_by_path_ = true; }
  bool by_root() const { return uid_ == 0; }
  pid_t thread() const { return thread_; }  // the one that waits; 0 if it is not visible here
  void cancel() { cancellation_.request(); }
  fs::FileSystem& filesystem() { return mount_.filesystem(); }
  FuseMount& mount() { return mount_; }

  // Each answers; the call is over. 0 is success. An answer that the lease no longer covers
  // becomes EIO: the node stood still between the operation's end and here.
  void error(int number);
  void error(const Error& error);
  void done(const Result<void>& result);
  // `grant` tells how long the kernel may keep it. not_found may be kept, too.
  void entry(const Result<fs::Attributes>& result, CacheGrant& grant);
  // Answers about what was changed are taken by the kernel without a check, so their attributes
  // may not be kept.
  void made(const Result<fs::Attributes>& result, const CacheGrant& grant);
  void attributes(const Result<fs::Attributes>& result, CacheGrant& grant);
  void changed(const Result<fs::Attributes>& result);
  void bytes(std::string_view bytes);
  // False: the kernel might keep them for longer than the lease lasts; they are to be read
  // again, and the call goes on.
  [[nodiscard]] bool pages(std::string_view bytes);
  void text(const Result<std::string>& result);  // of a symlink
  // False: nobody waits for the file any more; the caller closes it.
  [[nodiscard]] bool opened(const fuse_file_info& info);
  [[nodiscard]] bool created(const fs::Attributes& found, const CacheGrant& grant,
                             const fuse_file_info& info);
  void written(std::size_t size);
  void space(const struct statvfs& info);
  void xattr_size(std::size_t size);
  void position(std::uint64_t offset);
  void ioctl(const void* answer, std::size_t size);

  // For fuse_add_direntry().
  fuse_req_t request() const { return request_; }

 private:
  // The request in the expression that answers it; then the answer is given.
  class Taken {
   public:
    Taken(KernelCache& cache, fuse_req_t request) : cache_(cache), request_(request) {}
    Taken(const Taken&) = delete;
    Taken& operator=(const Taken&) = delete;
    ~Taken() { cache_.end_answer(); }
    operator fuse_req_t() const { return request_; }

   private:
    KernelCache& cache_;
    fuse_req_t request_;
  };
  Taken take();
  // False: it was too late for the answer, and it became EIO. Otherwise take() follows.
  bool begin();
  void reply(const fs::Attributes& found, double name_timeout, double attributes_timeout);

  FuseMount& mount_;
  fuse_req_t request_;
  Cancellation cancellation_;
  std::uint32_t uid_;
  std::uint32_t gid_;
  pid_t thread_;
  bool found_by_path_ = false;
};

// Of the FSYNCDIR that stands for sync(2) or syncfs(2); no open file or directory has it.
inline constexpr std::uint64_t kSyncHandle = ~std::uint64_t{0};

inline FuseMount& mount_of(fuse_req_t request) {
  return *static_cast<FuseMount*>(fuse_req_userdata(request));
}

struct stat to_stat(const fs::Attributes& attributes);

// Each fills in its part of the table.
void add_tree_operations(fuse_lowlevel_ops& operations);
void add_file_operations(fuse_lowlevel_ops& operations);
void add_attribute_operations(fuse_lowlevel_ops& operations);
void add_ioctl_operation(fuse_lowlevel_ops& operations);
// File locks that nobody can take.
void add_lock_refusals(fuse_lowlevel_ops& operations);

}  // namespace scoutfs::node
