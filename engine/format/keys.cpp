#include "engine/format/keys.hpp"

#include "engine/base/codec.hpp"

namespace scoutfs::format {

namespace {

// Appends big-endian fields to a key; the small-buffer size of std::string holds most keys.
std::string fs_key(Ino ino, ItemType type) {
  std::string key;
  Writer out(key);
  out.put(static_cast<std::uint8_t>(Zone::fs));
  out.put_big(ino.value);
  out.put(static_cast<std::uint8_t>(type));
  return key;
}

std::string fs_key(Ino ino, ItemType type, std::uint64_t number) {
  std::string key = fs_key(ino, type);
  Writer(key).put_big(number);
  return key;
}

std::string zone_key(Zone zone) {
  return std::string(1, static_cast<char>(zone));
}

// A key no real key of up to kKeySizeMax bytes with this prefix exceeds.
std::string after_all(std::string prefix) {
  prefix.append(kKeySizeMax - prefix.size(), '\xff');
  return prefix;
}

}  // namespace

std::string index_key(IndexType type, Seq seq, Ino ino) {
  std::string key = zone_key(Zone::index);
  Writer out(key);
  out.put(static_cast<std::uint8_t>(type));
  out.put_big(seq.value);
  out.put_big(ino.value);
  return key;
}

std::string orphan_key(Ino ino) {
  std::string key = zone_key(Zone::orphan);
  Writer(key).put_big(ino.value);
  return key;
}

std::string inode_key(Ino ino) {
  return fs_key(ino, ItemType::inode);
}

std::string xattr_key(Ino ino, std::string_view name, std::uint8_t part) {
  std::string key = fs_key(ino, ItemType::xattr);
  Writer out(key);
  out.put_raw(name);
  out.put(std::uint8_t{0});
  out.put(part);
  return key;
}

std::string dirent_key(Ino dir, std::string_view name) {
  std::string key = fs_key(dir, ItemType::dirent);
  key.append(name);
  return key;
}

std::string readdir_key(Ino dir, std::uint64_t pos) {
  return fs_key(dir, ItemType::readdir, pos);
}

std::string backref_key(Ino ino, Ino dir, std::uint64_t pos) {
  std::string key = fs_key(ino, ItemType::backref, dir.value);
  Writer(key).put_big(pos);
  return key;
}

std::string symlink_key(Ino ino) {
  return fs_key(ino, ItemType::symlink);
}

std::string extent_key(Ino ino, std::uint64_t first_block) {
  return fs_key(ino, ItemType::extent, first_block);
}

std::string checksum_key(Ino ino, std::uint64_t chunk) {
  return fs_key(ino, ItemType::checksum, chunk);
}

KeyRange type_range(Ino ino, ItemType type) {
  return {fs_key(ino, type), after_all(fs_key(ino, type))};
}

KeyRange inode_range(Ino ino) {
  std::string first = zone_key(Zone::fs);
  Writer(first).put_big(ino.value);
  return {first, after_all(first)};
}

KeyRange group_range(std::uint64_t group) {
  const Ino first{group * kInodeGroup};
  const Ino last{group * kInodeGroup + (kInodeGroup - 1)};
  return {inode_range(first).first, inode_range(last).last};
}

KeyRange index_range(IndexType type, Seq first_seq, Ino first_ino, Seq last_seq, Ino last_ino) {
  return {index_key(type, first_seq, first_ino), index_key(type, last_seq, last_ino)};
}

KeyRange orphan_range(Ino first, Ino last) {
  return {orphan_key(first), orphan_key(last)};
}

namespace {

Result<ParsedKey> parse_fs_key(Reader& in, ParsedKey parsed) {
  parsed.ino = Ino{in.get_big<std::uint64_t>()};
  parsed.type = static_cast<ItemType>(in.get<std::uint8_t>());
  switch (parsed.type) {
    case ItemType::inode:
    case ItemType::symlink:
      break;
    case ItemType::xattr: {
      const std::string_view rest = in.rest();
      if (rest.size() < 3 || rest.size() > kNameMax + 2) return fail(Errc::corrupt);
      parsed.name = rest.substr(0, rest.size() - 2);
      if (rest[rest.size() - 2] != '\0') return fail(Errc::corrupt);
      if (parsed.name.find('\0') != std::string_view::npos) return fail(Errc::corrupt);
      parsed.part = static_cast<std::uint8_t>(rest.back());
      break;
    }
    case ItemType::dirent:
      parsed.name = in.rest();
      if (parsed.name.empty() || parsed.name.size() > kNameMax) return fail(Errc::corrupt);
      break;
    case ItemType::readdir:
    case ItemType::extent:
    case ItemType::checksum:
      parsed.number = in.get_big<std::uint64_t>();
      break;
    case ItemType::backref:
      parsed.dir = Ino{in.get_big<std::uint64_t>()};
      parsed.number = in.get_big<std::uint64_t>();
      break;
    default:
      return fail(Errc::corrupt);
  }
  if (!in.finished()) return fail(Errc::corrupt);
  return parsed;
}

}  // namespace

Result<ParsedKey> parse_key(std::string_view key) {
  Reader in(key);
  ParsedKey parsed;
  parsed.zone = static_cast<Zone>(in.get<std::uint8_t>());
  switch (parsed.zone) {
    case Zone::index:
      parsed.index_type = static_cast<IndexType>(in.get<std::uint8_t>());
      if (parsed.index_type != IndexType::meta_seq &&
          parsed.index_type != IndexType::data_seq) {
        return fail(Errc::corrupt);
      }
      parsed.seq = Seq{in.get_big<std::uint64_t>()};
      parsed.ino = Ino{in.get_big<std::uint64_t>()};
      break;
    case Zone::orphan:
      parsed.ino = Ino{in.get_big<std::uint64_t>()};
      break;
    case Zone::fs:
      return parse_fs_key(in, parsed);
    default:
      return fail(Errc::corrupt);
  }
  if (!in.finished()) return fail(Errc::corrupt);
  return parsed;
}

}  // namespace scoutfs::format
