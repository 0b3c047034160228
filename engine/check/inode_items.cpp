#include "engine/check/inode_items.hpp"

#include <algorithm>

#include "engine/check/print.hpp"

namespace scoutfs::check {

using format::ItemType;

void InodeItems::begin(Ino ino, bool orphan) {
  ino_ = ino;
  orphan_ = orphan;
  inode_.reset();
  misplaced_ = false;
  names_size_ = subdirectories_ = last_position_ = backrefs_ = 0;
  backref_dir_ = {};
  symlink_size_.reset();
  blocks_.begin(ino, false);
  xattrs_.begin(ino, false);
}

// An item of a kind that only some types of inodes have. Reported once for an inode.
void InodeItems::expect(bool allowed, std::string_view what) {
  if (allowed || misplaced_ || !inode_.has_value()) return;
  misplaced_ = true;
  problems_.add("item-type", "inode {} of mode {:o} has {}", ino_.value, inode_->mode, what);
}

bool InodeItems::add(const format::ParsedKey& key, std::string_view value) {
  const bool directory = inode_.has_value() && inode_->is_directory();
  const bool regular = inode_.has_value() && inode_->is_regular();
  switch (key.type) {
    case ItemType::inode:
      return add_inode(value);
    case ItemType::xattr:
      xattrs_.add(key.name, key.part, value);
      return true;
    case ItemType::dirent:
      expect(directory, "an entry");
      return add_name(kDirent, key, value);
    case ItemType::readdir:
      expect(directory, "an entry by position");
      return add_name(kReaddir, key, value);
    case ItemType::backref:
      return add_name(kBackref, key, value);
    case ItemType::symlink:
      expect(inode_.has_value() && inode_->is_symlink(), "a symlink's target");
      symlink_size_ = value.size();
      return true;
    case ItemType::extent: {
      expect(regular, "an extent");
      const Result<format::ExtentValue> extent = format::decode_extent(value);
      if (extent.has_value()) blocks_.add_extent(key.number, *extent);
      return extent.has_value();
    }
    case ItemType::checksum:
      expect(regular, "checksums");
      return blocks_.add_checksums(key.number, value);
  }
  return false;
}

bool InodeItems::add_inode(std::string_view value) {
  const Result<format::Inode> inode = format::decode_inode(value);
  if (!inode.has_value()) return false;
  inode_ = *inode;
  const bool deleting = inode->nlink == 0;
  blocks_.begin(ino_, deleting);
  xattrs_.begin(ino_, deleting);
  last_seq_ = std::max({last_seq_, inode->meta_seq, inode->data_seq});
  ++report_.inodes;
  if (inode->is_directory()) ++report_.directories;
  if (inode->is_regular()) ++report_.files;
  return true;
}

bool InodeItems::add_name(std::uint8_t kind, const format::ParsedKey& key,
                          std::string_view value) {
  const Result<format::Dirent> dirent = format::decode_dirent(value);
  if (!dirent.has_value()) return false;
  references_.name(kind, kind == kBackref ? key.dir : ino_, value);
  if (kind == kBackref) {
    add_backref(key, *dirent);
  } else {
    add_own_entry(key, *dirent, kind == kDirent);
  }
  return true;
}

void InodeItems::add_own_entry(const format::ParsedKey& key, const format::Dirent& dirent,
                               bool by_name) {
  const bool same = by_name ? dirent.name == key.name : dirent.position == key.number;
  if (!same || dirent.position < format::kFirstPosition) {
    problems_.add("name-key", "directory {}: the entry {} at position {} is stored at {}",
                  ino_.value, quoted(dirent.name), dirent.position,
                  by_name ? quoted(key.name) : std::to_string(key.number));
  }
  last_position_ = std::max(last_position_, dirent.position);
  if (!by_name) return;
  names_size_ += dirent.name.size();
  if (dirent.type == format::kTypeDirectory) ++subdirectories_;
}

void InodeItems::add_backref(const format::ParsedKey& key, const format::Dirent& dirent) {
  ++backrefs_;
  backref_dir_ = key.dir;
  if (dirent.ino != ino_ || dirent.position != key.number) {
    problems_.add("name-key",
                  "inode {}: the backref for directory {} position {} is of inode {} "
                  "position {}",
                  ino_.value, key.dir.value, key.number, dirent.ino.value, dirent.position);
  }
  if (inode_.has_value() && dirent.type != (inode_->mode & format::kTypeMask)) {
    problems_.add("name-type",
                  "inode {} of mode {:o}: the entry in directory {} says type {:o}", ino_.value,
                  inode_->mode, key.dir.value, dirent.type);
  }
}

void InodeItems::end() {
  if (!inode_.has_value()) {
    problems_.add("item-no-inode", "inode {} has items and no inode item", ino_.value);
    return;
  }
  check_links();
  if (inode_->is_directory()) check_directory();
  check_index();
  blocks_.end(*inode_);
  xattrs_.end(inode_->xattr_count);
  const bool symlink = inode_->is_symlink();
  if (symlink && !symlink_size_.has_value() && inode_->nlink != 0) {
    problems_.add("symlink", "symlink {} has no target", ino_.value);
  }
  if (symlink && symlink_size_.has_value() && *symlink_size_ != inode_->size) {
    problems_.add("symlink", "symlink {}: size {}, its target has {} bytes", ino_.value,
                  inode_->size, *symlink_size_);
  }
}

void InodeItems::check_links() {
  const std::uint32_t nlink = inode_->nlink;
  if ((nlink == 0) != orphan_) {
    problems_.add("orphan", "inode {} has {} links and {} orphan item", ino_.value, nlink,
                  orphan_ ? "an" : "no");
  }
  if (!inode_->is_directory() && nlink != backrefs_) {
    problems_.add("nlink", "inode {}: {} links, {} entries name it", ino_.value, nlink,
                  backrefs_);
  }
}

void InodeItems::check_directory() {
  const format::Inode& inode = *inode_;
  const bool root = ino_ == kRootIno;
  const std::uint64_t links = inode.nlink == 0 ? 0 : 2 + subdirectories_;
  if (inode.nlink != links || (inode.nlink == 0 && subdirectories_ != 0)) {
    problems_.add("nlink", "directory {}: {} links, {} subdirectories", ino_.value, inode.nlink,
                  subdirectories_);
  }
  if (inode.size != names_size_) {
    problems_.add("directory-size", "directory {}: size {}, its names have {} bytes",
                  ino_.value, inode.size, names_size_);
  }
  if (inode.next_position <= last_position_) {
    problems_.add("directory-position", "directory {}: next position {}, it has position {}",
                  ino_.value, inode.next_position, last_position_);
  }
  const std::uint64_t names = root || inode.nlink == 0 ? 0 : 1;
  if (backrefs_ != names) {
    problems_.add("directory-names", "directory {}: {} entries name it, not {}", ino_.value,
                  backrefs_, names);
  }
  if (backrefs_ == 1 && backref_dir_ != inode.parent) {
    problems_.add("directory-parent", "directory {}: its parent is {}, it is named in {}",
                  ino_.value, inode.parent.value, backref_dir_.value);
  }
  if (root && (inode.parent != kRootIno || inode.nlink == 0)) {
    problems_.add("root", "the root has parent {} and {} links", inode.parent.value,
                  inode.nlink);
  }
  if (inode.nlink != 0) directories_.add(ino_, inode.parent);
}

void InodeItems::check_index() {
  references_.index(kIndexedInode, format::IndexType::meta_seq, inode_->meta_seq, ino_);
  if (inode_->is_regular()) {
    references_.index(kIndexedInode, format::IndexType::data_seq, inode_->data_seq, ino_);
  } else if (inode_->data_seq) {
    problems_.add("data-seq", "inode {} of mode {:o} has data_seq {}", ino_.value, inode_->mode,
                  inode_->data_seq.value);
  }
}

}  // namespace scoutfs::check
