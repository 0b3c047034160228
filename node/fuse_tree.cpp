// Requests about names: lookup, create, remove, rename, read a directory.
#include <linux/fs.h>
#include <sys/sysmacros.h>

#include "node/fuse_call.hpp"

namespace scoutfs::node {

namespace {

// Bytes of a directory entry in a READDIR answer, besides its name.
constexpr std::size_t kEntrySizeMin = 32;

std::uint64_t to_rdev(dev_t device) {
  return static_cast<std::uint64_t>(major(device)) << 32 | minor(device);
}

Task<void> lookup(FuseMount* mount, fuse_req_t request, Ino dir, std::string name) {
  FuseCall call(*mount, request);
  CacheGrant grant(mount->cache());
  grant.about_name(dir);
  const auto found =
      co_await mount->filesystem().lookup(call.context(&grant), dir, std::move(name));
  call.entry(found, grant);
}

Task<void> make(FuseMount* mount, fuse_req_t request, Ino dir, std::string name,
                fs::NewNode node) {
  FuseCall call(*mount, request);
  CacheGrant grant(mount->cache());
  grant.about_name(dir);
  const auto made = co_await mount->filesystem().create(call.context(&grant), dir,
                                                        std::move(name), std::move(node));
  call.made(made, grant);
}

Task<void> unlink(FuseMount* mount, fuse_req_t request, Ino dir, std::string name) {
  FuseCall call(*mount, request);
  const auto done = co_await mount->filesystem().unlink(call.context(), dir, std::move(name));
  call.done(done);
}

Task<void> rmdir(FuseMount* mount, fuse_req_t request, Ino dir, std::string name) {
  FuseCall call(*mount, request);
  const auto done = co_await mount->filesystem().rmdir(call.context(), dir, std::move(name));
  call.done(done);
}

Task<void> rename(FuseMount* mount, fuse_req_t request, Ino from_dir, std::string from,
                  Ino to_dir, std::string to, fs::RenameFlags flags) {
  FuseCall call(*mount, request);
  CacheGrant grant(mount->cache());
  grant.about_move(to_dir);
  const auto done = co_await mount->filesystem().rename(
      call.context(&grant), from_dir, std::move(from), to_dir, std::move(to), flags);
  call.done(done);
}

Task<void> link(FuseMount* mount, fuse_req_t request, Ino ino, Ino dir, std::string name) {
  FuseCall call(*mount, request);
  CacheGrant grant(mount->cache());
  grant.about_name(dir);
  const auto made =
      co_await mount->filesystem().link(call.context(&grant), ino, dir, std::move(name));
  call.made(made, grant);
}

Task<void> readlink(FuseMount* mount, fuse_req_t request, Ino ino) {
  FuseCall call(*mount, request);
  call.found_by_path();
  const auto target = co_await mount->filesystem().readlink(call.context(), ino);
  call.text(target);
}

Task<void> open_directory(FuseMount* mount, fuse_req_t request, Ino ino, fuse_file_info info) {
  FuseCall call(*mount, request);
  call.found_by_path();
  const auto found = co_await mount->filesystem().open(call.context(), ino);
  if (!found.has_value()) co_return call.error(found.error());
  mount->opened(ino);
  if (!call.opened(info)) mount->closed(ino);
}

Task<void> read_directory(FuseMount* mount, fuse_req_t request, Ino ino, std::size_t size,
                          std::uint64_t position) {
  FuseCall call(*mount, request);
  const auto entries = co_await mount->filesystem().readdir(
      call.context(), ino, position, std::max<std::size_t>(1, size / kEntrySizeMin));
  if (!entries.has_value()) co_return call.error(entries.error());
  std::string answer(size, '\0');
  std::size_t used = 0;
  for (const fs::DirectoryEntry& entry : *entries) {
    struct stat info{};
    info.st_ino = entry.ino.value;
    info.st_mode = entry.type;
    const std::size_t needed =
        fuse_add_direntry(call.request(), answer.data() + used, size - used, entry.name.c_str(),
                          &info, static_cast<off_t>(entry.position));
    if (needed > size - used) break;
    used += needed;
  }
  call.bytes(std::string_view(answer).substr(0, used));
}

void on_rename(fuse_req_t request, fuse_ino_t from_dir, const char* from, fuse_ino_t to_dir,
               const char* to, unsigned flags) {
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE)) != 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  const auto kind = flags == 0 ? fs::RenameFlags::none : fs::RenameFlags::no_replace;
  FuseMount& mount = mount_of(request);
  mount.spawn(rename(&mount, request, Ino{from_dir}, from, Ino{to_dir}, to, kind));
}

void on_make_node(fuse_req_t request, fuse_ino_t dir, const char* name, mode_t mode,
                  dev_t device) {
  fs::NewNode node{.mode = mode, .rdev = to_rdev(device), .target = {}};
  FuseMount& mount = mount_of(request);
  mount.spawn(make(&mount, request, Ino{dir}, name, std::move(node)));
}

void on_make_directory(fuse_req_t request, fuse_ino_t dir, const char* name, mode_t mode) {
  fs::NewNode node{
      .mode = (mode & ~format::kTypeMask) | format::kTypeDirectory, .rdev = 0, .target = {}};
  FuseMount& mount = mount_of(request);
  mount.spawn(make(&mount, request, Ino{dir}, name, std::move(node)));
}

void on_symlink(fuse_req_t request, const char* target, fuse_ino_t dir, const char* name) {
  fs::NewNode node{.mode = format::kTypeSymlink | 0777, .rdev = 0, .target = target};
  FuseMount& mount = mount_of(request);
  mount.spawn(make(&mount, request, Ino{dir}, name, std::move(node)));
}

}  // namespace

void add_tree_operations(fuse_lowlevel_ops& operations) {
  operations.lookup = [](fuse_req_t request, fuse_ino_t dir, const char* name) {
    FuseMount& mount = mount_of(request);
    mount.spawn(lookup(&mount, request, Ino{dir}, name));
  };
  operations.forget = [](fuse_req_t request, fuse_ino_t ino, std::uint64_t count) {
    mount_of(request).cache().forgotten(Ino{ino}, count);
    fuse_reply_none(request);
  };
  operations.forget_multi = [](fuse_req_t request, std::size_t count, fuse_forget_data* all) {
    for (const fuse_forget_data& one : std::span(all, count)) {
      mount_of(request).cache().forgotten(Ino{one.ino}, one.nlookup);
    }
    fuse_reply_none(request);
  };
  operations.mknod = on_make_node;
  operations.mkdir = on_make_directory;
  operations.symlink = on_symlink;
  operations.rename = on_rename;
  operations.unlink = [](fuse_req_t request, fuse_ino_t dir, const char* name) {
    FuseMount& mount = mount_of(request);
    mount.spawn(unlink(&mount, request, Ino{dir}, name));
  };
  operations.rmdir = [](fuse_req_t request, fuse_ino_t dir, const char* name) {
    FuseMount& mount = mount_of(request);
    mount.spawn(rmdir(&mount, request, Ino{dir}, name));
  };
  operations.link = [](fuse_req_t request, fuse_ino_t ino, fuse_ino_t dir, const char* name) {
    FuseMount& mount = mount_of(request);
    mount.spawn(link(&mount, request, Ino{ino}, Ino{dir}, name));
  };
  operations.readlink = [](fuse_req_t request, fuse_ino_t ino) {
    FuseMount& mount = mount_of(request);
    mount.spawn(readlink(&mount, request, Ino{ino}));
  };
  operations.opendir = [](fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
    FuseMount& mount = mount_of(request);
    mount.spawn(open_directory(&mount, request, Ino{ino}, *info));
  };
  operations.readdir = [](fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t position,
                          fuse_file_info*) {
    FuseMount& mount = mount_of(request);
    mount.spawn(
        read_directory(&mount, request, Ino{ino}, size, static_cast<std::uint64_t>(position)));
  };
  operations.releasedir = [](fuse_req_t request, fuse_ino_t ino, fuse_file_info*) {
    mount_of(request).closed(Ino{ino});
    fuse_reply_err(request, 0);
  };
}

}  // namespace scoutfs::node
