// TreeBuilder: the items of a small filesystem, consistent until a test breaks them.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "engine/base/assert.hpp"
#include "engine/base/codec.hpp"
#include "engine/format/inode.hpp"
#include "engine/format/keys.hpp"

namespace scoutfs::testing {

class TreeBuilder {
 public:
  // An empty root directory.
  TreeBuilder() {
    format::Inode root;
    root.mode = format::kTypeDirectory | 0755;
    root.nlink = 2;
    root.parent = kRootIno;
    put(kRootIno, root);
  }

  std::map<std::string, std::string> items;
  Ino next_ino{2};
  Seq next_seq{2};

  // A new inode with one name.
  Ino add(Ino dir, std::string name, std::uint32_t mode) {
    format::Inode inode;
    inode.mode = mode;
    inode.nlink = inode.is_directory() ? 2 : 0;
    const Ino ino = next_ino;
    next_ino = next_ino.next();
    put(ino, inode);
    link(dir, std::move(name), ino);
    return ino;
  }

  // Another name; of a directory the only one.
  void link(Ino dir, std::string name, Ino ino) {
    format::Inode target = inode(ino);
    format::Inode holder = inode(dir);
    const std::string value = encode(
        format::Dirent{ino, holder.next_position, target.mode & format::kTypeMask, name});
    items[format::dirent_key(dir, name)] = value;
    items[format::readdir_key(dir, holder.next_position)] = value;
    items[format::backref_key(ino, dir, holder.next_position)] = value;
    ++holder.next_position;
    holder.size += name.size();
    if (target.is_directory()) {
      ++holder.nlink;
      target.parent = dir;
    } else {
      ++target.nlink;
    }
    put(dir, holder);
    put(ino, target);
  }

  Ino add_symlink(Ino dir, std::string name, std::string target) {
    const Ino ino = add(dir, std::move(name), format::kTypeSymlink | 0777);
    edit(ino, [&](format::Inode& inode) { inode.size = target.size(); });
    items[format::symlink_key(ino)] = std::move(target);
    return ino;
  }

  // Without a name: open and unlinked, or being deleted.
  Ino add_orphan(std::uint32_t mode) {
    format::Inode inode;
    inode.mode = mode;
    const Ino ino = next_ino;
    next_ino = next_ino.next();
    put(ino, inode);
    items[format::orphan_key(ino)] = "";
    return ino;
  }

  // Requires: new.
  void add_xattr(Ino ino, std::string_view name, std::string_view value) {
    const std::size_t parts =
        std::max<std::size_t>(1, (value.size() + format::kXattrPart - 1) / format::kXattrPart);
    for (std::size_t part = 0; part < parts; ++part) {
      std::string bytes = part == 0 ? std::string(1, static_cast<char>(parts)) : "";
      bytes += value.substr(part * format::kXattrPart, format::kXattrPart);
      items[format::xattr_key(ino, name, static_cast<std::uint8_t>(part))] = std::move(bytes);
    }
    edit(ino, [](format::Inode& inode) { ++inode.xattr_count; });
  }

  // The inode's block counts follow; its size grows to hold data.
  void add_extent(Ino ino, std::uint64_t first, format::ExtentValue extent) {
    items[format::extent_key(ino, first)] = encode(extent);
    edit(ino, [&](format::Inode& inode) {
      if (extent.flags == 0) inode.online_blocks += extent.count;
      if ((extent.flags & format::kExtentOffline) != 0) inode.offline_blocks += extent.count;
      if (extent.flags == format::kExtentUnwritten) return;
      inode.size = std::max(inode.size, (first + extent.count) * kBlockSize);
    });
  }

  // 0 takes it away.
  void set_checksum(Ino ino, std::uint64_t block, std::uint64_t checksum) {
    const std::string key = format::checksum_key(ino, block / format::kChecksumChunk);
    std::string& value = items[key];
    const std::size_t offset = block % format::kChecksumChunk * sizeof(checksum);
    if (value.size() < offset + sizeof(checksum)) value.resize(offset + sizeof(checksum));
    store_little(value.data() + offset, checksum);
    while (!value.empty() &&
           load_little<std::uint64_t>(value.data() + value.size() - sizeof(checksum)) == 0) {
      value.resize(value.size() - sizeof(checksum));
    }
    if (value.empty()) items.erase(key);
  }

  format::Inode inode(Ino ino) const {
    const auto it = items.find(format::inode_key(ino));
    SCOUTFS_ASSERT(it != items.end());
    const auto inode = format::decode_inode(it->second);
    SCOUTFS_ASSERT(inode.has_value());
    return *inode;
  }

  // Changes the inode item alone.
  template <class Change>
  void edit(Ino ino, Change change) {
    format::Inode changed = inode(ino);
    change(changed);
    items[format::inode_key(ino)] = encode(changed);
  }

  // Stores an inode under a new seq, and its index entries with it.
  void put(Ino ino, format::Inode inode) {
    using format::IndexType;
    items.erase(format::index_key(IndexType::meta_seq, inode.meta_seq, ino));
    items.erase(format::index_key(IndexType::data_seq, inode.data_seq, ino));
    inode.meta_seq = next_seq;
    items[format::index_key(IndexType::meta_seq, next_seq, ino)] = "";
    if (inode.is_regular()) {
      inode.data_seq = next_seq;
      items[format::index_key(IndexType::data_seq, next_seq, ino)] = "";
    }
    next_seq = next_seq.next();
    items[format::inode_key(ino)] = encode(inode);
  }
};

}  // namespace scoutfs::testing
