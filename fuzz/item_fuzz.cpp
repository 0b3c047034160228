// Keys and values of the main tree. What decodes is what its encoder gives.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/codec.hpp"
#include "engine/check/print.hpp"
#include "engine/format/inode.hpp"
#include "engine/format/keys.hpp"

namespace scoutfs::format {
namespace {

std::string make_key(const ParsedKey& key) {
  if (key.zone == Zone::index) return index_key(key.index_type, key.seq, key.ino);
  if (key.zone == Zone::orphan) return orphan_key(key.ino);
  switch (key.type) {
    case ItemType::inode:
      return inode_key(key.ino);
    case ItemType::xattr:
      return xattr_key(key.ino, key.name, key.part);
    case ItemType::dirent:
      return dirent_key(key.ino, key.name);
    case ItemType::readdir:
      return readdir_key(key.ino, key.number);
    case ItemType::backref:
      return backref_key(key.ino, key.dir, key.number);
    case ItemType::symlink:
      return symlink_key(key.ino);
    case ItemType::extent:
      return extent_key(key.ino, key.number);
    case ItemType::checksum:
      return checksum_key(key.ino, key.number);
  }
  return {};
}

// The input is a key's size in one byte, the key and the value.
void check_item(std::string_view input) {
  Reader in(input);
  const std::string_view key = in.get_raw(in.get<std::uint8_t>());
  if (!in.good()) return;
  const std::string_view value = in.rest();
  const Result<ParsedKey> parsed = parse_key(key);
  if (parsed.has_value()) SCOUTFS_ASSERT(make_key(*parsed) == key);
  const Result<Inode> inode = decode_inode(value);
  if (inode.has_value()) SCOUTFS_ASSERT(encode(*inode) == value);
  const Result<Dirent> dirent = decode_dirent(value);
  if (dirent.has_value()) SCOUTFS_ASSERT(encode(*dirent) == value);
  const Result<ExtentValue> extent = decode_extent(value);
  if (extent.has_value()) SCOUTFS_ASSERT(encode(*extent) == value);
  const std::string line = check::print_item(key, value);
  SCOUTFS_ASSERT(line.find('\n') == std::string::npos);
}

}  // namespace
}  // namespace scoutfs::format

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  scoutfs::format::check_item({reinterpret_cast<const char*>(data), size});
  return 0;
}
