// Requests about attributes: those of stat(2), extended ones, and those of the whole volume.
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "node/fuse_call.hpp"

namespace scoutfs::node {

namespace {

constexpr unsigned kNameMax = 255;  // bytes

format::Timespec to_format(const timespec& time) {
  return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
}

fs::SetAttributes to_changes(const struct stat& wanted, int which) {
  fs::SetAttributes changes;
  if ((which & FUSE_SET_ATTR_MODE) != 0) changes.mode = wanted.st_mode & ~format::kTypeMask;
  if ((which & FUSE_SET_ATTR_UID) != 0) changes.uid = wanted.st_uid;
  if ((which & FUSE_SET_ATTR_GID) != 0) changes.gid = wanted.st_gid;
  if ((which & FUSE_SET_ATTR_SIZE) != 0)
    changes.size = static_cast<std::uint64_t>(wanted.st_size);
  changes.atime_now = (which & FUSE_SET_ATTR_ATIME_NOW) != 0;
  changes.mtime_now = (which & FUSE_SET_ATTR_MTIME_NOW) != 0;
  if ((which & FUSE_SET_ATTR_ATIME) != 0 && !changes.atime_now) {
    changes.atime = to_format(wanted.st_atim);
  }
  if ((which & FUSE_SET_ATTR_MTIME) != 0 && !changes.mtime_now) {
    changes.mtime = to_format(wanted.st_mtim);
  }
  return changes;
}

Task<void> get_attributes(FuseMount* mount, fuse_req_t request, Ino ino) {
  FuseCall call(*mount, request);
  call.found_by_path();
  CacheGrant grant(mount->cache());
  const auto found = co_await mount->filesystem().getattr(call.context(&grant), ino);
  call.attributes(found, grant);
}

Task<void> set_attributes(FuseMount* mount, fuse_req_t request, Ino ino,
                          fs::SetAttributes changes) {
  FuseCall call(*mount, request);
  call.found_by_path();
  std::optional<ReadAhead::Change> change;
  if (changes.size.has_value()) change.emplace(mount->read_ahead(), ino);
  const auto now = co_await mount->filesystem().setattr(call.context(), ino, changes);
  if (now.has_value() && changes.size.has_value()) co_await mount->cache().pages_changed(ino);
  call.changed(now);
}

// What a caller with a buffer of `room` bytes gets: the size alone if that is 0.
void answer_sized(FuseCall& call, std::string_view value, std::size_t room) {
  if (room == 0) return call.xattr_size(value.size());
  if (value.size() > room) return call.error(ERANGE);
  call.bytes(value);
}

Task<void> get_xattr(FuseMount* mount, fuse_req_t request, Ino ino, std::string name,
                     std::size_t room) {
  FuseCall call(*mount, request);
  call.found_by_path();
  const auto value =
      co_await mount->filesystem().get_xattr(call.context(), ino, std::move(name));
  if (!value.has_value()) co_return call.error(value.error());
  answer_sized(call, *value, room);
}

Task<void> list_xattrs(FuseMount* mount, fuse_req_t request, Ino ino, std::size_t room) {
  FuseCall call(*mount, request);
  call.found_by_path();
  const auto names = co_await mount->filesystem().list_xattrs(call.context(), ino);
  if (!names.has_value()) co_return call.error(names.error());
  std::string list;
  for (const std::string& name : *names) {
    if (name.starts_with("trusted.") && !call.by_root()) continue;
    list += name;
    list += '\0';
  }
  answer_sized(call, list, room);
}

Task<void> set_xattr(FuseMount* mount, fuse_req_t request, Ino ino, std::string name,
                     std::string value, fs::SetXattr how) {
  FuseCall call(*mount, request);
  call.found_by_path();
  const auto done = co_await mount->filesystem().set_xattr(call.context(), ino, std::move(name),
                                                           std::move(value), how);
  call.done(done);
}

Task<void> remove_xattr(FuseMount* mount, fuse_req_t request, Ino ino, std::string name) {
  FuseCall call(*mount, request);
  call.found_by_path();
  const auto done =
      co_await mount->filesystem().remove_xattr(call.context(), ino, std::move(name));
  call.done(done);
}

Task<void> statfs(FuseMount* mount, fuse_req_t request) {
  FuseCall call(*mount, request);
  const auto found = co_await mount->filesystem().statfs(call.context());
  if (!found.has_value()) co_return call.error(found.error());
  struct statvfs info{};
  info.f_bsize = info.f_frsize = kBlockSize;
  info.f_blocks = found->total_blocks;
  info.f_bfree = info.f_bavail = found->free_blocks;
  info.f_files = found->files;
  info.f_ffree = info.f_favail = found->free_files;
  info.f_namemax = kNameMax;
  call.space(info);
}

void on_set_xattr(fuse_req_t request, fuse_ino_t ino, const char* name, const char* value,
                  std::size_t size, int flags) {
  fs::SetXattr how = fs::SetXattr::any;
  if ((flags & XATTR_CREATE) != 0) how = fs::SetXattr::create_only;
  if ((flags & XATTR_REPLACE) != 0) how = fs::SetXattr::replace_only;
  FuseMount& mount = mount_of(request);
  mount.spawn(set_xattr(&mount, request, Ino{ino}, name, std::string(value, size), how));
}

}  // namespace

void add_attribute_operations(fuse_lowlevel_ops& operations) {
  operations.getattr = [](fuse_req_t request, fuse_ino_t ino, fuse_file_info*) {
    FuseMount& mount = mount_of(request);
    mount.spawn(get_attributes(&mount, request, Ino{ino}));
  };
  operations.setattr = [](fuse_req_t request, fuse_ino_t ino, struct stat* wanted, int which,
                          fuse_file_info*) {
    FuseMount& mount = mount_of(request);
    mount.spawn(set_attributes(&mount, request, Ino{ino}, to_changes(*wanted, which)));
  };
  operations.setxattr = on_set_xattr;
  operations.getxattr = [](fuse_req_t request, fuse_ino_t ino, const char* name,
                           std::size_t room) {
    FuseMount& mount = mount_of(request);
    mount.spawn(get_xattr(&mount, request, Ino{ino}, name, room));
  };
  operations.listxattr = [](fuse_req_t request, fuse_ino_t ino, std::size_t room) {
    FuseMount& mount = mount_of(request);
    mount.spawn(list_xattrs(&mount, request, Ino{ino}, room));
  };
  operations.removexattr = [](fuse_req_t request, fuse_ino_t ino, const char* name) {
    FuseMount& mount = mount_of(request);
    mount.spawn(remove_xattr(&mount, request, Ino{ino}, name));
  };
  operations.statfs = [](fuse_req_t request, fuse_ino_t) {
    FuseMount& mount = mount_of(request);
    mount.spawn(statfs(&mount, request));
  };
}

void add_lock_refusals(fuse_lowlevel_ops& operations) {
  operations.getlk = [](fuse_req_t request, fuse_ino_t, fuse_file_info*, struct flock*) {
    fuse_reply_err(request, ENOLCK);
  };
  operations.setlk = [](fuse_req_t request, fuse_ino_t, fuse_file_info*, struct flock*, int) {
    fuse_reply_err(request, ENOLCK);
  };
  operations.flock = [](fuse_req_t request, fuse_ino_t, fuse_file_info*, int) {
    fuse_reply_err(request, ENOLCK);
  };
}

}  // namespace scoutfs::node
