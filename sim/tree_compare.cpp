#include "sim/tree_compare.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/format/inode.hpp"
#include "engine/format/keys.hpp"
#include "sim/offline.hpp"

namespace scoutfs::sim {

namespace {

// One inode as its items tell.
struct DiskInode {
  format::Inode inode;
  std::map<std::uint64_t, format::Dirent> entries;  // by position
  std::map<std::string, std::string> xattrs;
  std::string target;
  std::map<std::uint64_t, format::ExtentValue> extents;  // by first file block
};
using DiskTree = std::map<Ino, DiskInode>;

void take_item(DiskTree& tree, std::string_view key_bytes, std::string_view value,
               OracleBoard& board) {
  const Result<format::ParsedKey> key = format::parse_key(key_bytes);
  if (!key.has_value()) return board.fail("tree", "an item with a key that nobody writes");
  if (key->zone != format::Zone::fs) return;
  DiskInode& inode = tree[key->ino];
  const auto bad = [&board, &key] {
    board.fail("tree", fmt::format("inode {}: an item does not decode", key->ino.value));
  };
  switch (key->type) {
    case format::ItemType::inode: {
      const Result<format::Inode> decoded = format::decode_inode(value);
      if (!decoded.has_value()) return bad();
      inode.inode = *decoded;
      break;
    }
    case format::ItemType::readdir: {
      Result<format::Dirent> decoded = format::decode_dirent(value);
      if (!decoded.has_value()) return bad();
      inode.entries[key->number] = *std::move(decoded);
      break;
    }
    case format::ItemType::extent: {
      const Result<format::ExtentValue> decoded = format::decode_extent(value);
      if (!decoded.has_value()) return bad();
      inode.extents[key->number] = *decoded;
      break;
    }
    case format::ItemType::xattr: {
      // Parts come in order; the first byte of part 0 counts them.
      std::string& bytes = inode.xattrs[std::string(key->name)];
      bytes += key->part == 0 && !value.empty() ? value.substr(1) : value;
      break;
    }
    case format::ItemType::symlink:
      inode.target = value;
      break;
    default:
      break;
  }
}

std::string content_of(const Image& image, const DiskInode& inode) {
  std::string content(inode.inode.size, '\0');
  for (const auto& [first, extent] : inode.extents) {
    if (extent.flags != 0) continue;
    for (std::uint64_t i = 0; i < extent.count; ++i) {
      const std::uint64_t at = (first + i) * kBlockSize;
      if (at >= content.size()) break;
      BlockBytes bytes;
      copy_block(image.block(extent.start.value + i), bytes.data());
      const std::size_t size = std::min<std::size_t>(kBlockSize, content.size() - at);
      std::memcpy(content.data() + at, bytes.data(), size);
    }
  }
  return content;
}

std::string inode_difference(const Image& image, const DiskInode& got, const ModelInode& want) {
  const auto differs = [](std::string_view what, std::uint64_t is, std::uint64_t expected) {
    return fmt::format("{} is {} instead of {}", what, is, expected);
  };
  const format::Inode& inode = got.inode;
  if (inode.mode != want.mode) return differs("mode", inode.mode, want.mode);
  if (inode.nlink != want.nlink) return differs("nlink", inode.nlink, want.nlink);
  if (inode.uid != want.uid) return differs("uid", inode.uid, want.uid);
  if (inode.gid != want.gid) return differs("gid", inode.gid, want.gid);
  if (inode.size != want.size()) return differs("size", inode.size, want.size());
  if (got.target != want.target) return "another target";
  if (got.xattrs != want.xattrs) {
    return differs("the number of attributes (or a value)", got.xattrs.size(),
                   want.xattrs.size());
  }
  if (want.is_regular() && content_of(image, got) != want.content) return "other content";
  if (got.entries.size() != want.entries.size()) {
    return differs("the number of entries", got.entries.size(), want.entries.size());
  }
  return {};
}

class Comparison {
 public:
  Comparison(const Image& image, const DiskTree& tree, Judge& judge, OracleBoard& board)
      : image_(image), tree_(tree), judge_(judge), board_(board) {}

  void visit(Ino ino, ModelId id, const std::string& path) {
    if (!visited_.insert(ino).second) return;
    const auto found = tree_.find(ino);
    if (found == tree_.end()) return fail(ino, path, "there is no such inode");
    const ModelInode& want = *judge_.model().find(id);
    const std::string what = inode_difference(image_, found->second, want);
    if (!what.empty()) return fail(ino, path, what);
    auto expected = want.entries.begin();
    for (const auto& [position, entry] : found->second.entries) {
      const auto& [want_position, want_entry] = *expected++;
      if (position != want_position || entry.name != want_entry.name) {
        return fail(ino, path,
                    fmt::format("lists {}@{} instead of {}@{}", entry.name, position,
                                want_entry.name, want_position));
      }
      if (!judge_.bind(entry.ino, want_entry.id)) {
        return fail(ino, path, fmt::format("{} is another file", entry.name));
      }
      visit(entry.ino, want_entry.id, path + "/" + entry.name);
    }
  }
  void finish(Orphans orphans) {
    for (const auto& [ino, inode] : tree_) {
      if (orphans == Orphans::may_be_there && inode.inode.nlink == 0) continue;
      if (!visited_.contains(ino)) fail(ino, "(no path)", "nothing refers to it");
    }
  }

 private:
  void fail(Ino ino, const std::string& path, const std::string& what) {
    board_.fail("tree",
                fmt::format("inode {}, {}: {}", ino.value, path.empty() ? "/" : path, what));
  }

  const Image& image_;
  const DiskTree& tree_;
  Judge& judge_;
  OracleBoard& board_;
  std::set<Ino> visited_;
};

}  // namespace

void compare_tree(const Image& image, Judge& judge, OracleBoard& board, Orphans orphans) {
  board.ran("tree");
  DiskTree tree;
  Offline offline(image);
  const Result<void> visited =
      offline.visit_items([&tree, &board](std::string_view key, std::string_view value) {
        take_item(tree, key, value, board);
      });
  if (!visited.has_value()) {
    return board.fail(
        "tree", fmt::format("the items cannot be read: {}", to_string(visited.error().code)));
  }
  Comparison comparison(image, tree, judge, board);
  comparison.visit(kRootIno, 1, "");
  comparison.finish(orphans);
}

}  // namespace scoutfs::sim
