// Requests about the contents of files: open, read, write, allocate, seek, make durable.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <memory>

#include "node/fuse_call.hpp"

namespace scoutfs::node {

namespace {

// What is opened for writing, too, goes past the kernel's cache: nothing is written to a file
// without the daemon knowing, and no page is ever dirty.
void set_up(const FuseMount& mount, const fs::Inode& inode, fuse_file_info& info) {
  const bool only_reads = (info.flags & O_ACCMODE) == O_RDONLY && (info.flags & O_TRUNC) == 0;
  const bool bypass = !only_reads || !mount.cache().caches_pages_of(inode);
  info.direct_io = bypass ? 1 : 0;
  info.keep_cache = bypass ? 0 : 1;  // what is in the cache is right, whoever opens the file
  info.fh = bypass ? 1 : 0;
}

// True if the kernel surely keeps all pages of a READ locked and empty until it is answered.
bool locks_pages(const fuse_file_info& info) {
  return info.fh == 0 && (info.flags & O_DIRECT) == 0;
}

// Empties the file an open with O_TRUNC found.
Task<Result<void>> truncate(FuseMount* mount, fs::Context context, Ino ino) {
  const ReadAhead::Change change(mount->read_ahead(), ino);
  fs::SetAttributes changes;
  changes.size = 0;
  const auto done = co_await mount->filesystem().setattr(context, ino, changes);
  if (!done.has_value()) co_return std::unexpected(done.error());
  co_await mount->cache().pages_changed(ino);
  co_return Result<void>{};
}

Task<void> open_file(FuseMount* mount, fuse_req_t request, Ino ino, fuse_file_info info) {
  FuseCall call(*mount, request);
  call.found_by_path();
  const auto found = co_await mount->filesystem().open(call.context(), ino);
  if (!found.has_value()) co_return call.error(found.error());
  mount->opened(ino);
  if ((info.flags & O_TRUNC) != 0) {
    const auto done = co_await truncate(mount, call.context(), ino);
    if (!done.has_value()) {
      mount->closed(ino);
      co_return call.error(done.error());
    }
  }
  set_up(*mount, found->inode, info);
  if (!call.opened(info)) mount->closed(ino);
}

Task<void> create_file(FuseMount* mount, fuse_req_t request, Ino dir, std::string name,
                       fs::NewNode node, fuse_file_info info) {
  FuseCall call(*mount, request);
  CacheGrant grant(mount->cache());
  grant.about_name(dir);
  const auto made = co_await mount->filesystem().create_open(call.context(&grant), dir,
                                                             std::move(name), std::move(node));
  // Somebody was faster. The kernel looks again when it is told that what it knew is stale, and
  // then opens what is there with the checks that takes.
  const bool there = failed_with(made, Errc::exists) && (info.flags & O_EXCL) == 0;
  if (there) co_return call.error(ESTALE);
  if (!made.has_value()) co_return call.error(made.error());
  mount->opened(made->ino);
  set_up(*mount, made->inode, info);
  if (!call.created(*made, grant, info)) mount->closed(made->ino);
}

// Answers a READ past the page cache with what was read ahead of it, if it was. False: it is to
// be read. A private mapping may keep its pages all the same.
Task<bool> read_from_ahead(FuseMount* mount, FuseCall* call, Ino ino, std::size_t size,
                           std::uint64_t offset) {
  Cancellation* const cancellation = call->context().cancellation;
  const std::optional<ReadAhead::Data> data =
      co_await mount->read_ahead().take(ino, offset, size, cancellation);
  if (!data.has_value() || !data->fresh()) co_return false;
  CacheGrant grant(mount->cache());
  grant.about_pages(ino, offset, size, CacheGrant::Pages::not_locked);
  grant.serialized(TxnNo{});
  co_return call->pages(data->bytes());
}

Task<void> read_file(FuseMount* mount, fuse_req_t request, Ino ino, std::size_t size,
                     std::uint64_t offset, CacheGrant::Pages pages) {
  FuseCall call(*mount, request);
  if (pages == CacheGrant::Pages::not_locked) {
    const bool answered = co_await read_from_ahead(mount, &call, ino, size, offset);
    if (answered) co_return;
  }
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(size);
  const std::span<std::byte> out(buffer.get(), size);
  while (true) {
    CacheGrant grant(mount->cache());
    grant.about_pages(ino, offset, size, pages);
    fs::Context context = call.context(&grant);
    // Past the cache, too: a private mapping reads its pages through whatever file it was made
    // of.
    context.caller = client::Caller::page_reader;
    const Result<void> may = co_await mount->cache().wait_to_read(context.cancellation);
    if (!may.has_value()) co_return call.error(may.error());
    const auto got = co_await mount->filesystem().read(context, ino, offset, out);
    if (!got.has_value()) co_return call.error(got.error());
    const std::string_view bytes(reinterpret_cast<const char*>(buffer.get()), *got);
    if (call.pages(bytes)) co_return;
  }
}

// A write by somebody who may not keep them takes the set-id bits of the file away first.
Task<Result<void>> clear_set_id(FuseMount* mount, fs::Context context, Ino ino) {
  SCOUTFS_CO_TRY(const auto found, co_await mount->filesystem().getattr(context, ino));
  if ((found.inode.mode & (S_ISUID | S_ISGID)) == 0) co_return Result<void>{};
  fs::SetAttributes changes;
  changes.kill_suid = true;
  const auto done = co_await mount->filesystem().setattr(context, ino, changes);
  if (!done.has_value()) co_return std::unexpected(done.error());
  co_await mount->cache().attributes_changed(ino);
  co_return Result<void>{};
}

Task<void> write_file(FuseMount* mount, fuse_req_t request, Ino ino, std::string data,
                      std::optional<std::uint64_t> offset, bool kills_set_id) {
  FuseCall call(*mount, request);
  if (kills_set_id) {
    const auto cleared = co_await clear_set_id(mount, call.context(), ino);
    if (!cleared.has_value()) co_return call.error(cleared.error());
  }
  const ReadAhead::Change change(mount->read_ahead(), ino);
  const std::size_t size = data.size();
  const auto at =
      co_await mount->filesystem().write(call.context(), ino, offset, std::move(data));
  if (!at.has_value()) co_return call.error(at.error());
  co_await mount->cache().pages_changed(ino);
  call.written(size);
}

Task<void> allocate(FuseMount* mount, fuse_req_t request, Ino ino, fs::FallocateMode mode,
                    std::uint64_t offset, std::uint64_t length) {
  FuseCall call(*mount, request);
  const ReadAhead::Change change(mount->read_ahead(), ino);
  const auto done =
      co_await mount->filesystem().fallocate(call.context(), ino, mode, offset, length);
  co_await mount->cache().pages_changed(ino);
  call.done(done);
}

Task<void> seek(FuseMount* mount, fuse_req_t request, Ino ino, std::uint64_t offset,
                fs::Seek what) {
  FuseCall call(*mount, request);
  const auto found = co_await mount->filesystem().seek(call.context(), ino, offset, what);
  if (!found.has_value()) co_return call.error(found.error());
  call.position(*found);
}

Task<void> sync(FuseMount* mount, fuse_req_t request) {
  FuseCall call(*mount, request);
  const auto done = co_await mount->filesystem().sync(call.context());
  call.done(done);
}

Task<void> sync_all(FuseMount* mount, fuse_req_t request) {
  FuseCall call(*mount, request);
  const auto done = co_await mount->filesystem().publish(call.context());
  call.done(done);
}

void on_write(fuse_req_t request, fuse_ino_t ino, const char* bytes, std::size_t size,
              off_t offset, fuse_file_info* info) {
  FuseMount& mount = mount_of(request);
  std::optional<std::uint64_t> at;
  if ((info->flags & O_APPEND) == 0) at = static_cast<std::uint64_t>(offset);
  mount.spawn(write_file(&mount, request, Ino{ino}, std::string(bytes, size), at,
                         mount.kills_set_id()));
}

void on_allocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length,
                 fuse_file_info*) {
  if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) != 0) {
    fuse_reply_err(request, EOPNOTSUPP);
    return;
  }
  const fs::FallocateMode kind{.keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0,
                               .punch_hole = (mode & FALLOC_FL_PUNCH_HOLE) != 0};
  FuseMount& mount = mount_of(request);
  mount.spawn(allocate(&mount, request, Ino{ino}, kind, static_cast<std::uint64_t>(offset),
                       static_cast<std::uint64_t>(length)));
}

void on_seek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, fuse_file_info*) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  FuseMount& mount = mount_of(request);
  mount.spawn(seek(&mount, request, Ino{ino}, static_cast<std::uint64_t>(offset),
                   whence == SEEK_DATA ? fs::Seek::data : fs::Seek::hole));
}

void on_create(fuse_req_t request, fuse_ino_t dir, const char* name, mode_t mode,
               fuse_file_info* info) {
  fs::NewNode node{
      .mode = (mode & ~format::kTypeMask) | format::kTypeRegular, .rdev = 0, .target = {}};
  FuseMount& mount = mount_of(request);
  mount.spawn(create_file(&mount, request, Ino{dir}, name, std::move(node), *info));
}

// Everything of the mount is made durable together, whatever file or directory it is.
void on_sync(fuse_req_t request, fuse_ino_t, int, fuse_file_info* info) {
  FuseMount& mount = mount_of(request);
  const bool of_all = info->fh == kSyncHandle;
  mount.spawn(of_all ? sync_all(&mount, request) : sync(&mount, request));
}

}  // namespace

// There is no flush: a write is in the filesystem when it is answered, so closing has nothing
// to say. The kernel learns that from the first one and asks no more.
void add_file_operations(fuse_lowlevel_ops& operations) {
  operations.open = [](fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
    FuseMount& mount = mount_of(request);
    mount.spawn(open_file(&mount, request, Ino{ino}, *info));
  };
  operations.create = on_create;
  operations.read = [](fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset,
                       fuse_file_info* info) {
    FuseMount& mount = mount_of(request);
    const auto pages =
        locks_pages(*info) ? CacheGrant::Pages::locked : CacheGrant::Pages::not_locked;
    mount.spawn(
        read_file(&mount, request, Ino{ino}, size, static_cast<std::uint64_t>(offset), pages));
  };
  operations.write = on_write;
  operations.release = [](fuse_req_t request, fuse_ino_t ino, fuse_file_info*) {
    mount_of(request).closed(Ino{ino});
    fuse_reply_err(request, 0);
  };
  operations.fsync = on_sync;
  operations.fsyncdir = on_sync;
  operations.fallocate = on_allocate;
  operations.lseek = on_seek;
}

}  // namespace scoutfs::node
