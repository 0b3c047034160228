// Requests of programs that know this filesystem (node/ioctl_protocol.hpp).
#include <cstring>

#include "node/fuse_call.hpp"
#include "node/ioctl_protocol.hpp"

namespace scoutfs::node {

namespace {

using protocol::InoPath;
using protocol::StatFsMore;
using protocol::StatMore;
using protocol::WalkInodes;

fs::IndexEntry to_engine(protocol::IndexEntry entry) {
  return {Seq{entry.seq}, Ino{entry.ino}};
}

Task<void> stat_more(FuseMount* mount, fuse_req_t request, Ino ino, StatMore more) {
  FuseCall call(*mount, request);
  if (more.ino != 0 && !call.by_root()) co_return call.error(EPERM);
  if (more.ino != 0) ino = Ino{more.ino};
  const auto found = co_await mount->filesystem().getattr(call.context(), ino);
  if (!found.has_value()) co_return call.error(found.error());
  const fs::Inode& inode = found->inode;
  more = StatMore{.ino = ino.value,
                  .meta_seq = inode.meta_seq.value,
                  .data_seq = inode.data_seq.value,
                  .data_version = inode.data_version,
                  .online_blocks = inode.online_blocks,
                  .offline_blocks = inode.offline_blocks,
                  .size = inode.size,
                  .crtime_seconds = inode.crtime.seconds,
                  .crtime_nanoseconds = inode.crtime.nanoseconds,
                  .mode = inode.mode};
  call.ioctl(&more, sizeof(more));
}

Task<void> stat_fs_more(FuseMount* mount, fuse_req_t request) {
  FuseCall call(*mount, request);
  const auto space = co_await mount->filesystem().statfs(call.context());
  if (!space.has_value()) co_return call.error(space.error());
  // An empty walk: its bound is what is asked for.
  const fs::IndexEntry nothing;
  const auto page =
      co_await mount->filesystem().walk_inodes(call.context(), format::IndexType::meta_seq,
                                               nothing, nothing, 1, client::Store::Wait::no);
  if (!page.has_value()) co_return call.error(page.error());
  const protocol::MountInfo& info = mount->options().info;
  const StatFsMore more{.fsid = info.fsid,
                        .rid = info.rid,
                        .committed_seq = page->bound.last.value,
                        .total_blocks = space->total_blocks,
                        .free_blocks = space->free_blocks,
                        .files = space->files};
  call.ioctl(&more, sizeof(more));
}

void fill(WalkInodes& walk, const fs::IndexPage& page) {
  walk.bound_seq = page.bound.last.value;
  walk.count = 0;
  for (const fs::IndexEntry& entry : page.entries) {
    walk.entries[walk.count++] = {entry.seq.value, entry.ino.value};
  }
  std::string names;
  for (const std::string& name : page.bound.not_answered) {
    if (names.size() + name.size() + 2 > sizeof(walk.not_answered)) break;
    if (!names.empty()) names += ' ';
    names += name;
  }
  std::memset(walk.not_answered, 0, sizeof(walk.not_answered));
  std::memcpy(walk.not_answered, names.data(), names.size());
}

Task<void> walk_inodes(FuseMount* mount, fuse_req_t request, std::unique_ptr<WalkInodes> walk) {
  FuseCall call(*mount, request);
  if (walk->index > WalkInodes::kDataSeq) co_return call.error(EINVAL);
  if ((walk->flags & ~WalkInodes::kWait) != 0) co_return call.error(EINVAL);
  if (walk->limit == 0 || walk->limit > WalkInodes::kEntriesMax) co_return call.error(EINVAL);
  const auto index = walk->index == WalkInodes::kMetaSeq ? format::IndexType::meta_seq
                                                         : format::IndexType::data_seq;
  const auto wait = (walk->flags & WalkInodes::kWait) != 0 ? client::Store::Wait::yes
                                                           : client::Store::Wait::no;
  const auto page = co_await mount->filesystem().walk_inodes(
      call.context(), index, to_engine(walk->first), to_engine(walk->last), walk->limit, wait);
  if (!page.has_value()) co_return call.error(page.error());
  SCOUTFS_ASSERT(page->entries.size() <= walk->limit);
  fill(*walk, *page);
  call.ioctl(walk.get(), sizeof(*walk));
}

Task<void> ino_path(FuseMount* mount, fuse_req_t request, std::unique_ptr<InoPath> ask) {
  FuseCall call(*mount, request);
  if (!call.by_root()) co_return call.error(EPERM);
  const Ino ino(ask->ino), after_dir(ask->after_dir);
  const auto path = co_await mount->filesystem().ino_path(call.context(), ino, after_dir,
                                                          ask->after_position);
  if (!path.has_value()) co_return call.error(path.error());
  if (path->path.size() > InoPath::kPathMax) co_return call.error(ENAMETOOLONG);
  ask->after_dir = path->dir.value;
  ask->after_position = path->position;
  ask->path_size = static_cast<std::uint32_t>(path->path.size());
  std::memset(ask->path, 0, sizeof(ask->path));
  std::memcpy(ask->path, path->path.data(), path->path.size());
  call.ioctl(ask.get(), sizeof(*ask));
}

// The kernel copies as many bytes as the request's number says, so a shorter input is none of
// ours.
template <class T>
bool take(T& out, const void* in, std::size_t size) {
  if (size < sizeof(T)) return false;
  std::memcpy(&out, in, sizeof(T));
  return true;
}

void on_ioctl(fuse_req_t request, fuse_ino_t ino, unsigned number, void*, fuse_file_info*,
              unsigned, const void* in, std::size_t in_size, std::size_t) {
  FuseMount& mount = mount_of(request);
  if (number == protocol::kMountInfo) {
    const protocol::MountInfo& info = mount.options().info;
    fuse_reply_ioctl(request, 0, &info, sizeof(info));
    return;
  }
  if (number == protocol::kStatFsMore) return mount.spawn(stat_fs_more(&mount, request));
  if (number == protocol::kStatMore) {
    StatMore more{};
    if (take(more, in, in_size)) {
      return mount.spawn(stat_more(&mount, request, Ino{ino}, more));
    }
  } else if (number == protocol::kWalkInodes) {
    auto walk = std::make_unique<WalkInodes>();
    if (take(*walk, in, in_size)) {
      return mount.spawn(walk_inodes(&mount, request, std::move(walk)));
    }
  } else if (number == protocol::kInoPath) {
    auto ask = std::make_unique<InoPath>();
    if (take(*ask, in, in_size)) {
      return mount.spawn(ino_path(&mount, request, std::move(ask)));
    }
  }
  fuse_reply_err(request, ENOTTY);
}

}  // namespace

void add_ioctl_operation(fuse_lowlevel_ops& operations) {
  operations.ioctl = on_ioctl;
}

}  // namespace scoutfs::node
