// InodeItems: all items of one inode, which lie together in key order, compared with its inode
// item.
#pragma once

#include <optional>

#include "engine/check/directories.hpp"
#include "engine/check/file_blocks.hpp"
#include "engine/check/references.hpp"
#include "engine/check/xattrs.hpp"
#include "engine/format/inode.hpp"
#include "engine/format/keys.hpp"

namespace scoutfs::check {

class InodeItems {
 public:
  InodeItems(SpaceMap& space, DataVerifier* data, References& references,
             Directories& directories, Problems& problems, Report& report)
      : references_(references),
        directories_(directories),
        problems_(problems),
        report_(report),
        blocks_(space, data, problems),
        xattrs_(problems) {}

  // `orphan`: it has an orphan item.
  void begin(Ino ino, bool orphan);
  // Items of the inode in key order. False: the value cannot be decoded.
  bool add(const format::ParsedKey& key, std::string_view value);
  void end();

  // The largest of all inodes so far.
  Seq last_seq() const { return last_seq_; }

 private:
  bool add_inode(std::string_view value);
  bool add_name(std::uint8_t kind, const format::ParsedKey& key, std::string_view value);
  void add_own_entry(const format::ParsedKey& key, const format::Dirent& dirent, bool by_name);
  void add_backref(const format::ParsedKey& key, const format::Dirent& dirent);
  void expect(bool allowed, std::string_view what);
  void check_links();
  void check_directory();
  void check_index();

  References& references_;
  Directories& directories_;
  Problems& problems_;
  Report& report_;
  FileBlocks blocks_;
  Xattrs xattrs_;
  Seq last_seq_;

  // Of the inode at hand.
  Ino ino_;
  bool orphan_ = false;
  std::optional<format::Inode> inode_;
  bool misplaced_ = false;        // an item of a kind this inode cannot have was reported
  std::uint64_t names_size_ = 0;  // bytes
  std::uint64_t subdirectories_ = 0;
  std::uint64_t last_position_ = 0;
  std::uint64_t backrefs_ = 0;
  Ino backref_dir_;
  std::optional<std::uint64_t> symlink_size_;
};

}  // namespace scoutfs::check
