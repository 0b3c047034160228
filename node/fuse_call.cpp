#include "node/fuse_call.hpp"

#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "node/errno.hpp"

namespace scoutfs::node {

namespace {

timespec to_timespec(format::Timespec time) {
  return {static_cast<time_t>(time.seconds), static_cast<long>(time.nanoseconds)};
}

// Inode numbers are never reused, so that all generations are the first.
fuse_entry_param to_entry(const fs::Attributes& attributes, double name_timeout,
                          double attributes_timeout) {
  fuse_entry_param entry{};
  entry.ino = attributes.ino.value;
  entry.generation = 1;
  entry.attr = to_stat(attributes);
  entry.entry_timeout = name_timeout;
  entry.attr_timeout = attributes_timeout;
  return entry;
}

}  // namespace

struct stat to_stat(const fs::Attributes& attributes) {
  const fs::Inode& inode = attributes.inode;
  struct stat out{};
  out.st_ino = attributes.ino.value;
  out.st_mode = inode.mode;
  out.st_nlink = inode.nlink;
  out.st_uid = inode.uid;
  out.st_gid = inode.gid;
  out.st_rdev = makedev(static_cast<unsigned>(inode.rdev >> 32),
                        static_cast<unsigned>(inode.rdev & 0xffff'ffff));
  out.st_size = static_cast<off_t>(inode.size);
  out.st_blksize = kBlockSize;
  out.st_blocks = static_cast<blkcnt_t>((inode.online_blocks + inode.offline_blocks) * 8);
  out.st_atim = to_timespec(inode.atime);
  out.st_mtim = to_timespec(inode.mtime);
  out.st_ctim = to_timespec(inode.ctime);
  return out;
}

FuseCall::FuseCall(FuseMount& mount, fuse_req_t request)
    : mount_(mount), request_(request), cancellation_(mount.loop().scheduler()) {
  const fuse_ctx* context = fuse_req_ctx(request);
  uid_ = context->uid;
  gid_ = context->gid;
  thread_ = context->pid;
  mount_.calls().push_back(*this);
  fuse_req_interrupt_func(
      request,
      [](fuse_req_t, void* data) {
        auto& call = *static_cast<FuseCall*>(data);
        call.mount().interrupted(call);
      },
      this);
  if (mount_.finishing()) cancel();
}

FuseCall::~FuseCall() {
  mount_.forget(*this);
  if (request_ != nullptr) error(EIO);
}

fs::Context FuseCall::context(CacheGrant* grant) {
  return {.uid = uid_, .gid = gid_, .cancellation = &cancellation_, .witness = grant};
}

FuseCall::Taken FuseCall::take() {
  SCOUTFS_ASSERT(request_ != nullptr);
  return {mount_.cache(), std::exchange(request_, nullptr)};
}

bool FuseCall::begin() {
  if (mount_.cache().begin_answer(KernelCache::Answer::other)) return true;
  error(EIO);
  return false;
}

// What the kernel says to an answer is ignored but where a file would stay open: it says no
// only when nobody waits any more.
void FuseCall::error(int number) {
  fuse_reply_err(take(), number);
}

void FuseCall::error(const Error& error) {
  // A call that was ended because the mount ends was not interrupted by anybody.
  const bool ended = mount_.finishing() && error.code == Errc::interrupted;
  const bool stale = found_by_path_ && error.code == Errc::not_found;
  if (error.code != Errc::interrupted && !begin()) return;
  fuse_reply_err(take(), ended ? EIO : stale ? ESTALE : to_errno(error.code));
}

void FuseCall::done(const Result<void>& result) {
  if (!result.has_value()) return error(result.error());
  if (begin()) error(0);
}

// The kernel's reference is counted before it can be told about, and not if nobody waited.
void FuseCall::reply(const fs::Attributes& found, double name_timeout,
                     double attributes_timeout) {
  const fuse_entry_param entry = to_entry(found, name_timeout, attributes_timeout);
  const int failed = fuse_reply_entry(take(), &entry);
  if (failed != 0) mount_.cache().forgotten(found.ino, 1);
}

void FuseCall::entry(const Result<fs::Attributes>& result, CacheGrant& grant) {
  if (failed_with(result, Errc::not_found) && grant.name_timeout() > 0) {
    if (!begin()) return;
    fuse_entry_param nothing{};
    nothing.entry_timeout = grant.name_timeout();
    fuse_reply_entry(take(), &nothing);
    return;
  }
  if (!result.has_value()) return error(result.error());
  if (!begin()) return;
  mount_.cache().looked_up(result->ino);
  reply(*result, grant.name_timeout(), grant.attributes_timeout(*result));
}

void FuseCall::made(const Result<fs::Attributes>& result, const CacheGrant& grant) {
  if (!result.has_value()) return error(result.error());
  if (!begin()) return;
  mount_.cache().looked_up(result->ino);
  reply(*result, grant.name_timeout(), 0);
}

void FuseCall::attributes(const Result<fs::Attributes>& result, CacheGrant& grant) {
  if (!result.has_value()) return error(result.error());
  if (!begin()) return;
  const struct stat info = to_stat(*result);
  fuse_reply_attr(take(), &info, grant.attributes_timeout(*result));
}

void FuseCall::changed(const Result<fs::Attributes>& result) {
  if (!result.has_value()) return error(result.error());
  if (!begin()) return;
  const struct stat info = to_stat(*result);
  fuse_reply_attr(take(), &info, 0);
}

void FuseCall::bytes(std::string_view bytes) {
  if (!begin()) return;
  fuse_reply_buf(take(), bytes.data(), bytes.size());
}

bool FuseCall::pages(std::string_view bytes) {
  if (!mount_.cache().begin_answer(KernelCache::Answer::pages)) return false;
  fuse_reply_buf(take(), bytes.data(), bytes.size());
  return true;
}

void FuseCall::text(const Result<std::string>& result) {
  if (!result.has_value()) return error(result.error());
  if (!begin()) return;
  fuse_reply_readlink(take(), result->c_str());
}

bool FuseCall::opened(const fuse_file_info& info) {
  return begin() && fuse_reply_open(take(), &info) == 0;
}

bool FuseCall::created(const fs::Attributes& found, const CacheGrant& grant,
                       const fuse_file_info& info) {
  if (!begin()) return false;
  const fuse_entry_param entry = to_entry(found, grant.name_timeout(), 0);
  mount_.cache().looked_up(found.ino);
  const bool taken = fuse_reply_create(take(), &entry, &info) == 0;
  if (!taken) mount_.cache().forgotten(found.ino, 1);
  return taken;
}

void FuseCall::written(std::size_t size) {
  if (!begin()) return;
  fuse_reply_write(take(), size);
}

void FuseCall::space(const struct statvfs& info) {
  if (!begin()) return;
  fuse_reply_statfs(take(), &info);
}

void FuseCall::xattr_size(std::size_t size) {
  if (!begin()) return;
  fuse_reply_xattr(take(), size);
}

void FuseCall::position(std::uint64_t offset) {
  if (!begin()) return;
  fuse_reply_lseek(take(), static_cast<off_t>(offset));
}

void FuseCall::ioctl(const void* answer, std::size_t size) {
  if (!begin()) return;
  fuse_reply_ioctl(take(), 0, answer, size);
}

}  // namespace scoutfs::node
