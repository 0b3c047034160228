#include "engine/check/print.hpp"

#include <fmt/format.h>

#include "engine/format/inode.hpp"
#include "engine/format/keys.hpp"
#include "engine/format/server_items.hpp"
#include "engine/lsm/segment.hpp"

namespace scoutfs::check {

namespace {

constexpr std::size_t kBytesShown = 64;  // of a value that is not decoded

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, kBytesShown)) {
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(c));
  }
  if (bytes.size() > kBytesShown) out += "...";
  return out;
}

std::string undecoded(std::string_view key, std::string_view value) {
  return fmt::format("undecodable: key {}, value of {} bytes {}", hex(key), value.size(),
                     hex(value));
}

std::string_view type_name(std::uint32_t mode) {
  switch (mode & format::kTypeMask) {
    case format::kTypeFifo:
      return "fifo";
    case format::kTypeCharacter:
      return "character device";
    case format::kTypeDirectory:
      return "directory";
    case format::kTypeBlock:
      return "block device";
    case format::kTypeRegular:
      return "regular";
    case format::kTypeSymlink:
      return "symlink";
    case format::kTypeSocket:
      return "socket";
    default:
      return "unknown type";
  }
}

std::string print_time(format::Timespec time) {
  return fmt::format("{}.{:09}", time.seconds, time.nanoseconds);
}

std::string print_inode(const format::Inode& inode) {
  std::string out = fmt::format(
      "{}, mode {:04o}, nlink {}, uid {}, gid {}, size {}, meta_seq {}, data_seq {}, "
      "data_version {}, online {}, offline {}",
      type_name(inode.mode), inode.mode & ~format::kTypeMask, inode.nlink, inode.uid, inode.gid,
      inode.size, inode.meta_seq.value, inode.data_seq.value, inode.data_version,
      inode.online_blocks, inode.offline_blocks);
  auto add = std::back_inserter(out);
  if (inode.is_directory()) {
    fmt::format_to(add, ", next_position {}, parent {}", inode.next_position,
                   inode.parent.value);
  }
  if (inode.rdev != 0)
    fmt::format_to(add, ", rdev {}:{}", inode.rdev >> 32, inode.rdev << 32 >> 32);
  if ((inode.flags & format::kInodeTruncating) != 0) out += ", truncating";
  if (inode.xattr_count != 0) fmt::format_to(add, ", xattrs {}", inode.xattr_count);
  if (inode.project != 0) fmt::format_to(add, ", project {}", inode.project);
  fmt::format_to(add, ", atime {}, mtime {}, ctime {}, crtime {}", print_time(inode.atime),
                 print_time(inode.mtime), print_time(inode.ctime), print_time(inode.crtime));
  return out;
}

std::string print_dirent(const format::Dirent& dirent) {
  return fmt::format("inode {}, position {}, {}, name {}", dirent.ino.value, dirent.position,
                     type_name(dirent.type), quoted(dirent.name));
}

std::string print_extent(const format::ExtentValue& extent) {
  if ((extent.flags & format::kExtentOffline) != 0) {
    return fmt::format("{} blocks offline", extent.count);
  }
  return fmt::format("{} blocks at {}{}", extent.count, extent.start.value,
                     extent.flags == format::kExtentUnwritten ? ", unwritten" : "");
}

std::string print_checksums(std::string_view value) {
  std::string out;
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= value.size();
       at += sizeof(std::uint64_t)) {
    fmt::format_to(std::back_inserter(out), "{}{:016x}", at == 0 ? "" : " ",
                   load_little<std::uint64_t>(value.data() + at));
  }
  return out;
}

std::string print_fs_item(const format::ParsedKey& key, std::string_view raw_key,
                          std::string_view value) {
  const std::uint64_t ino = key.ino.value;
  switch (key.type) {
    case format::ItemType::inode:
      if (const auto inode = format::decode_inode(value)) {
        return fmt::format("inode {}: {}", ino, print_inode(*inode));
      }
      break;
    case format::ItemType::xattr:
      return fmt::format("xattr of {}: {} part {}, {} bytes {}", ino, quoted(key.name),
                         key.part, value.size(), hex(value));
    case format::ItemType::dirent:
      if (const auto dirent = format::decode_dirent(value)) {
        return fmt::format("dirent of {}: {}: {}", ino, quoted(key.name),
                           print_dirent(*dirent));
      }
      break;
    case format::ItemType::readdir:
      if (const auto dirent = format::decode_dirent(value)) {
        return fmt::format("readdir of {}: {}: {}", ino, key.number, print_dirent(*dirent));
      }
      break;
    case format::ItemType::backref:
      if (const auto dirent = format::decode_dirent(value)) {
        return fmt::format("backref of {}: directory {} position {}: {}", ino, key.dir.value,
                           key.number, print_dirent(*dirent));
      }
      break;
    case format::ItemType::symlink:
      return fmt::format("symlink of {}: {}", ino, quoted(value));
    case format::ItemType::extent:
      if (const auto extent = format::decode_extent(value)) {
        return fmt::format("extent of {}: block {}: {}", ino, key.number,
                           print_extent(*extent));
      }
      break;
    case format::ItemType::checksum:
      if (value.size() % sizeof(std::uint64_t) == 0) {
        return fmt::format("checksums of {}: block {}: {}", ino,
                           key.number * format::kChecksumChunk, print_checksums(value));
      }
      break;
  }
  return undecoded(raw_key, value);
}

std::string print_placed(const lsm::Placed& placed) {
  std::string out = fmt::format("{} blocks, id {:x}, level {}, record {}, {} items, coverage",
                                placed.info.ref.where.count, placed.info.ref.id, placed.level,
                                placed.record.value, placed.info.item_count);
  for (const KeyRange& range : placed.info.coverage) {
    fmt::format_to(std::back_inserter(out), " {}-{}", hex(range.first), hex(range.last));
  }
  return out;
}

std::string print_member(const format::Member& member) {
  std::string out = fmt::format("epoch {}, ", member.who.epoch.value);
  if (member.slot == format::kNoSlot) {
    out += "no slot";
  } else {
    fmt::format_to(std::back_inserter(out), "slot {}", member.slot);
  }
  fmt::format_to(std::back_inserter(out),
                 ", {}, name {}, machine {}, boot {}, process {} of {}, recorded {} at {}{}",
                 to_string(member.address), quoted(member.name), quoted(member.host.machine),
                 quoted(member.host.boot), member.host.process, member.host.process_start,
                 member.recorded.value, member.recorded_at.value, member.dead ? ", dead" : "");
  return out;
}

std::string print_job(const format::JobRecord& job) {
  std::string out = fmt::format("rid {:x}, inputs", job.rid.value);
  for (const BlockNo input : job.inputs) {
    fmt::format_to(std::back_inserter(out), " {}", input.value);
  }
  out += ", outputs";
  for (const Extent& output : job.outputs) {
    fmt::format_to(std::back_inserter(out), " {}+{}", output.start.value, output.count);
  }
  return out;
}

}  // namespace

std::string quoted(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
      out.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out + "\"";
}

std::string print_item(std::string_view key, std::string_view value) {
  const Result<format::ParsedKey> parsed = format::parse_key(key);
  if (!parsed.has_value()) return undecoded(key, value);
  switch (parsed->zone) {
    case format::Zone::index:
      return fmt::format(
          "{} {}: inode {}",
          parsed->index_type == format::IndexType::meta_seq ? "meta_seq" : "data_seq",
          parsed->seq.value, parsed->ino.value);
    case format::Zone::orphan:
      return fmt::format("orphan {}", parsed->ino.value);
    case format::Zone::fs:
      return print_fs_item(*parsed, key, value);
  }
  return undecoded(key, value);
}

std::string print_server_item(std::string_view key, std::string_view value) {
  const Result<format::ParsedServerKey> parsed = format::parse_server_key(key);
  if (!parsed.has_value()) return undecoded(key, value);
  const Result<std::uint64_t> count = format::decode_count(value);
  switch (parsed->type) {
    case format::ServerItem::counters:
      if (const auto counters = format::decode_counters(value)) {
        return fmt::format(
            "counters: next ino {}, next seq {}, next record {}, next job {}, version {}",
            counters->next_ino.value, counters->next_seq.value, counters->next_record.value,
            counters->next_job.value, counters->version.value);
      }
      break;
    case format::ServerItem::segment: {
      Reader in(value);
      const lsm::Placed placed = lsm::decode_placed(in);
      if (!in.finished()) break;
      return fmt::format("segment {}: {}", parsed->start.value, print_placed(placed));
    }
    case format::ServerItem::free:
      if (!count.has_value()) break;
      return fmt::format("free {}: {} blocks", parsed->start.value, *count);
    case format::ServerItem::granted:
      if (!count.has_value()) break;
      return fmt::format("granted {}: {} blocks to rid {:x}", parsed->start.value, *count,
                         parsed->rid.value);
    case format::ServerItem::member:
      if (const auto member = format::decode_member(value)) {
        return fmt::format("member {:x}: {}", parsed->rid.value, print_member(*member));
      }
      break;
    case format::ServerItem::job:
      if (const auto job = format::decode_job_record(value)) {
        return fmt::format("job {}: {}", parsed->job.value, print_job(*job));
      }
      break;
    case format::ServerItem::replaced:
      if (!count.has_value()) break;
      return fmt::format("replaced {}: {} blocks at version {}", parsed->start.value, *count,
                         parsed->version.value);
  }
  return undecoded(key, value);
}

}  // namespace scoutfs::check
