// What must be true of the items of a volume at rest.
#include <fmt/core.h>

#include "engine/format/keys.hpp"
#include "tests/support/fs_cluster.hpp"

namespace scoutfs::testing {

namespace {

using format::ItemType;

struct Found {
  format::Inode inode;
  bool has_inode = false;
  std::uint64_t entries = 0, name_bytes = 0, subdirectories = 0;  // of a directory
  std::uint64_t backrefs = 0;
  std::uint64_t meta_index = 0, data_index = 0, orphans = 0;
  std::uint64_t xattrs = 0, written = 0, extent_end = 0;
  std::set<std::uint64_t> written_blocks, checksummed_blocks;
  bool has_symlink = false;
};

class Checker {
 public:
  explicit Checker(MemoryVolume& volume) : volume_(volume) {}

  std::vector<std::string> run() {
    for (const auto& [key, value] : volume_.items) look(key, value);
    for (auto& [ino, found] : inodes_) judge(ino, found);
    for (const std::uint64_t block : volume_.used) {
      if (!referenced_.contains(block)) say("block {} is in use and no file has it", block);
    }
    return std::move(wrong_);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    wrong_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  void look(const std::string& key, const std::string& value) {
    const auto parsed = format::parse_key(key);
    if (!parsed.has_value()) return say("a key does not parse");
    Found& found = inodes_[parsed->ino];
    if (parsed->zone == format::Zone::orphan) {
      ++found.orphans;
      return;
    }
    if (parsed->zone == format::Zone::index) {
      const bool meta = parsed->index_type == format::IndexType::meta_seq;
      ++(meta ? found.meta_index : found.data_index);
      const auto inode = inode_of(parsed->ino);
      if (!inode.has_value()) return say("index entry of no inode {}", parsed->ino.value);
      const Seq seq = meta ? inode->meta_seq : inode->data_seq;
      if (seq != parsed->seq)
        say("inode {} is at another place in the index", parsed->ino.value);
      return;
    }
    look_at_file(*parsed, found, value);
  }

  void look_at_file(const format::ParsedKey& key, Found& found, const std::string& value) {
    switch (key.type) {
      case ItemType::inode:
        found.inode = format::decode_inode(value).value();
        found.has_inode = true;
        break;
      case ItemType::xattr:
        if (key.part == 0) ++found.xattrs;
        break;
      case ItemType::dirent:
      case ItemType::readdir:
      case ItemType::backref:
        look_at_entry(key, found, value);
        break;
      case ItemType::symlink:
        found.has_symlink = true;
        if (const auto inode = inode_of(key.ino); inode && inode->size != value.size()) {
          say("symlink {} has another size", key.ino.value);
        }
        break;
      case ItemType::extent:
        look_at_extent(key, found, format::decode_extent(value).value());
        break;
      case ItemType::checksum:
        if (value.empty() || value.ends_with(std::string(8, '\0'))) {
          say("inode {}: checksums end with nothing", key.ino.value);
        }
        for (std::size_t i = 0; i * 8 < value.size(); ++i) {
          if (load_little<std::uint64_t>(value.data() + i * 8) == 0) continue;
          found.checksummed_blocks.insert(key.number * format::kChecksumChunk + i);
        }
        break;
    }
  }

  void look_at_entry(const format::ParsedKey& key, Found& found, const std::string& value) {
    const format::Dirent entry = format::decode_dirent(value).value();
    const Ino dir = key.type == ItemType::backref ? key.dir : key.ino;
    const std::string keys[] = {format::dirent_key(dir, entry.name),
                                format::readdir_key(dir, entry.position),
                                format::backref_key(entry.ino, dir, entry.position)};
    for (const std::string& other : keys) {
      const auto item = volume_.items.find(other);
      if (item == volume_.items.end() || item->second != value) {
        say("entry {} of {} lacks one of its items", entry.name, dir.value);
      }
    }
    if (key.type == ItemType::backref) ++found.backrefs;
    if (key.type != ItemType::dirent) return;
    ++found.entries;
    found.name_bytes += entry.name.size();
    const auto target = inode_of(entry.ino);
    if (!target.has_value()) return say("entry {} of {} leads nowhere", entry.name, dir.value);
    if ((target->mode & format::kTypeMask) != entry.type)
      say("{} has another type", entry.name);
    if (!target->is_directory()) return;
    ++found.subdirectories;
    if (target->parent != dir) say("directory {} has another parent", entry.ino.value);
  }

  void look_at_extent(const format::ParsedKey& key, Found& found, format::ExtentValue extent) {
    if (key.number < found.extent_end) say("inode {}: extents overlap", key.ino.value);
    found.extent_end = key.number + extent.count;
    for (std::uint64_t i = 0; i < extent.count; ++i) {
      const std::uint64_t block = extent.start.value + i;
      if (!referenced_.insert(block).second) say("block {} is in two files", block);
      if (!volume_.used.contains(block)) say("block {} is in a file and free", block);
      if (extent.flags == 0) found.written_blocks.insert(key.number + i);
    }
  }

  void judge(Ino ino, const Found& found) {
    const std::uint64_t number = ino.value;
    if (!found.has_inode) return say("items of no inode {}", number);
    const format::Inode& inode = found.inode;
    if (found.meta_index != 1) say("inode {}: {} meta index items", number, found.meta_index);
    const std::uint64_t data_wanted = inode.is_regular() ? 1 : 0;
    if (found.data_index != data_wanted) say("inode {}: data index items", number);
    if (found.orphans != (inode.nlink == 0 ? 1 : 0)) say("inode {}: orphan items", number);
    if (found.xattrs != inode.xattr_count) say("inode {}: xattr count", number);
    if (found.has_symlink != inode.is_symlink()) say("inode {}: symlink item", number);
    if (inode.flags != 0) say("inode {}: a truncate was left unfinished", number);
    if (inode.is_directory()) {
      if (inode.size != found.name_bytes) say("directory {}: size {}", number, inode.size);
      const std::uint64_t links = inode.nlink == 0 ? 0 : 2 + found.subdirectories;
      if (inode.nlink != links) say("directory {}: nlink {}", number, inode.nlink);
      const std::uint64_t names = inode.nlink == 0 || ino == kRootIno ? 0 : 1;
      if (found.backrefs != names) say("directory {}: {} names", number, found.backrefs);
    } else {
      if (found.entries != 0) say("inode {} has entries", number);
      if (inode.nlink != found.backrefs) say("inode {}: nlink {}", number, inode.nlink);
    }
    if (inode.online_blocks != found.written_blocks.size()) say("inode {}: online", number);
    if (found.written_blocks != found.checksummed_blocks) say("inode {}: checksums", number);
    if (!found.written_blocks.empty() &&
        *found.written_blocks.rbegin() * kBlockSize >= inode.size) {
      say("inode {}: data behind its end", number);
    }
  }

  std::optional<format::Inode> inode_of(Ino ino) {
    const auto found = volume_.items.find(format::inode_key(ino));
    if (found == volume_.items.end()) return std::nullopt;
    return format::decode_inode(found->second).value();
  }

  MemoryVolume& volume_;
  std::map<Ino, Found> inodes_;
  std::set<std::uint64_t> referenced_;
  std::vector<std::string> wrong_;
};

}  // namespace

std::vector<std::string> check_tree(MemoryVolume& volume) {
  return Checker(volume).run();
}

}  // namespace scoutfs::testing
