// Item keys of the main tree: one ordered key space, compared byte by byte.
//
// A key is a zone byte, then big-endian fields, so that memcmp orders keys as their fields do.
// A name, where there is one, comes last and needs no terminator.
//
//   zone  key                                    value
//   0x10  type u8, seq u64, ino u64              empty          the change index
//   0x20  ino u64                                empty          orphans
//   0x40  ino u64, type u8, ...                  filesystem items:
//         0x10 inode                             Inode
//         0x20 xattr: name, 0x00, part u8        piece of the value (engine/format/inode.hpp)
//         0x30 dirent: name                      Dirent
//         0x40 readdir: pos u64                  Dirent
//         0x50 backref: dir ino u64, pos u64     Dirent
//         0x60 symlink                           target path
//         0x70 extent: first file block u64      ExtentValue
//         0x80 checksum: chunk u64               checksums of kChecksumChunk file blocks
//
// Types have gaps for later ones. The orphan and index zones are blind: no lock covers them
// (DESIGN 15, rule 15). All other keys are covered by the lock of their inode's group.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "engine/format/key_range.hpp"

namespace scoutfs::format {

// Contributed to format_description(). Changes with the table above.
inline constexpr std::string_view kKeysFormat = "keys 1: index 10, orphan 20, fs 40\n";

enum class Zone : std::uint8_t { index = 0x10, orphan = 0x20, fs = 0x40 };
enum class IndexType : std::uint8_t { meta_seq = 0x10, data_seq = 0x20 };
enum class ItemType : std::uint8_t {
  inode = 0x10,
  xattr = 0x20,
  dirent = 0x30,
  readdir = 0x40,
  backref = 0x50,
  symlink = 0x60,
  extent = 0x70,
  checksum = 0x80,
};

inline constexpr std::size_t kNameMax = 255;         // bytes of a directory entry's name
inline constexpr std::uint64_t kChecksumChunk = 64;  // file blocks covered by a checksum item
inline constexpr std::uint64_t kInodeGroup = 1024;   // inodes covered by one lock

std::string index_key(IndexType type, Seq seq, Ino ino);
std::string orphan_key(Ino ino);
std::string inode_key(Ino ino);
std::string xattr_key(Ino ino, std::string_view name, std::uint8_t part);
std::string dirent_key(Ino dir, std::string_view name);
std::string readdir_key(Ino dir, std::uint64_t pos);
std::string backref_key(Ino ino, Ino dir, std::uint64_t pos);
std::string symlink_key(Ino ino);
std::string extent_key(Ino ino, std::uint64_t first_block);
std::string checksum_key(Ino ino, std::uint64_t chunk);

// All keys of one type of one inode; all keys of one inode; of one inode group.
KeyRange type_range(Ino ino, ItemType type);
KeyRange inode_range(Ino ino);
KeyRange group_range(std::uint64_t group);
KeyRange index_range(IndexType type, Seq first_seq, Ino first_ino, Seq last_seq, Ino last_ino);
KeyRange orphan_range(Ino first, Ino last);
constexpr std::uint64_t group_of(Ino ino) {
  return ino.value / kInodeGroup;
}

// What a key says. Errors: corrupt, for bytes that no function above makes.
struct ParsedKey {
  Zone zone{};
  IndexType index_type{};
  ItemType type{};
  Seq seq;
  Ino ino;                   // of every zone; the inode whose item it is
  std::string_view name;     // xattr, dirent; borrowed from the key
  std::uint8_t part = 0;     // xattr
  std::uint64_t number = 0;  // readdir and backref: pos; extent: first block; checksum: chunk
  Ino dir;                   // backref
};
Result<ParsedKey> parse_key(std::string_view key);

}  // namespace scoutfs::format
