#include "engine/format/inode.hpp"

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "engine/format/keys.hpp"

namespace scoutfs::format {

namespace {

void put(Writer& out, Timespec time) {
  out.put(static_cast<std::uint64_t>(time.seconds));
  out.put(time.nanoseconds);
}

Timespec get_time(Reader& in) {
  Timespec time;
  time.seconds = static_cast<std::int64_t>(in.get<std::uint64_t>());
  time.nanoseconds = in.get<std::uint32_t>();
  if (time.nanoseconds >= 1'000'000'000) in.set_bad();
  return time;
}

bool valid_type(std::uint32_t type) {
  switch (type) {
    case kTypeFifo:
    case kTypeCharacter:
    case kTypeDirectory:
    case kTypeBlock:
    case kTypeRegular:
    case kTypeSymlink:
    case kTypeSocket:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string encode(const Inode& inode) {
  std::string bytes;
  bytes.reserve(Inode::kSize);
  Writer out(bytes);
  out.put(inode.size);
  out.put(inode.meta_seq);
  out.put(inode.data_seq);
  out.put(inode.data_version);
  out.put(inode.online_blocks);
  out.put(inode.offline_blocks);
  out.put(inode.next_position);
  out.put(inode.parent);
  out.put(inode.nlink);
  out.put(inode.uid);
  out.put(inode.gid);
  out.put(inode.mode);
  out.put(inode.rdev);
  out.put(inode.flags);
  put(out, inode.atime);
  put(out, inode.mtime);
  put(out, inode.ctime);
  put(out, inode.crtime);
  out.put(inode.xattr_count);
  out.put(inode.project);
  out.pad_to(Inode::kSize);
  return bytes;
}

Result<Inode> decode_inode(std::string_view value) {
  if (value.size() != Inode::kSize) return fail(Errc::corrupt);
  Reader in(value);
  Inode inode;
  inode.size = in.get<std::uint64_t>();
  inode.meta_seq = in.get_id<Seq>();
  inode.data_seq = in.get_id<Seq>();
  inode.data_version = in.get<std::uint64_t>();
  inode.online_blocks = in.get<std::uint64_t>();
  inode.offline_blocks = in.get<std::uint64_t>();
  inode.next_position = in.get<std::uint64_t>();
  inode.parent = in.get_id<Ino>();
  inode.nlink = in.get<std::uint32_t>();
  inode.uid = in.get<std::uint32_t>();
  inode.gid = in.get<std::uint32_t>();
  inode.mode = in.get<std::uint32_t>();
  inode.rdev = in.get<std::uint64_t>();
  inode.flags = in.get<std::uint32_t>();
  inode.atime = get_time(in);
  inode.mtime = get_time(in);
  inode.ctime = get_time(in);
  inode.crtime = get_time(in);
  inode.xattr_count = in.get<std::uint32_t>();
  inode.project = in.get<std::uint64_t>();
  if (!valid_type(inode.mode & kTypeMask)) return fail(Errc::corrupt);
  if ((inode.flags & ~kInodeTruncating) != 0) return fail(Errc::corrupt);
  if (!in.rest_is_zero()) return fail(Errc::corrupt);
  return inode;
}

std::string encode(const Dirent& dirent) {
  std::string bytes;
  Writer out(bytes);
  out.put(dirent.ino);
  out.put(dirent.position);
  out.put(dirent.type);
  out.put_raw(dirent.name);
  return bytes;
}

Result<Dirent> decode_dirent(std::string_view value) {
  Reader in(value);
  Dirent dirent;
  dirent.ino = in.get_id<Ino>();
  dirent.position = in.get<std::uint64_t>();
  dirent.type = in.get<std::uint32_t>();
  dirent.name = in.rest();
  if (!in.good()) return fail(Errc::corrupt);
  if (!valid_type(dirent.type)) return fail(Errc::corrupt);
  if (dirent.name.empty() || dirent.name.size() > kNameMax) return fail(Errc::corrupt);
  if (dirent.name.find('/') != std::string::npos) return fail(Errc::corrupt);
  if (dirent.name.find('\0') != std::string::npos) return fail(Errc::corrupt);
  return dirent;
}

std::string encode(const ExtentValue& extent) {
  std::string bytes;
  Writer out(bytes);
  out.put(extent.start);
  out.put(extent.count);
  out.put(extent.flags);
  return bytes;
}

Result<ExtentValue> decode_extent(std::string_view value) {
  Reader in(value);
  ExtentValue extent;
  extent.start = in.get_id<BlockNo>();
  extent.count = in.get<std::uint64_t>();
  extent.flags = in.get<std::uint8_t>();
  if (!in.finished()) return fail(Errc::corrupt);
  if (extent.count == 0) return fail(Errc::corrupt);
  if (extent.flags > kExtentOffline) return fail(Errc::corrupt);
  const bool offline = (extent.flags & kExtentOffline) != 0;
  if (offline != (extent.start.value == 0)) return fail(Errc::corrupt);
  return extent;
}

std::uint64_t data_checksum(std::string_view block, BlockNo where) {
  const std::uint64_t checksum = checksum64(block, mix(where.value, 0x64617461));
  return checksum == 0 ? 1 : checksum;
}

}  // namespace scoutfs::format
