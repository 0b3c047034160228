// The change index, and the first items of a volume.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

namespace {

constexpr Ino kLastIno{~std::uint64_t{0}};

}  // namespace

Task<Result<IndexPage>> FileSystem::Impl::walk_inodes(Context context, format::IndexType index,
                                                      IndexEntry first, IndexEntry last,
                                                      std::size_t limit,
                                                      client::Store::Wait wait) {
  if (limit == 0) co_return fail(Errc::invalid);
  IndexPage page;
  // The bound first, then what is recorded: an entry at or below the bound is recorded by then.
  SCOUTFS_CO_TRY(page.bound, co_await store_.index_bound(wait, context.cancellation));
  last = std::min(last, IndexEntry{page.bound.last, kLastIno});
  if (first <= last) {
    KeyRange range = format::index_range(index, first.seq, first.ino, last.seq, last.ino);
    SCOUTFS_CO_TRY(const std::vector<std::string> keys,
                   co_await store_.scan_recorded(std::move(range), limit));
    page.entries.reserve(keys.size());
    for (const std::string& text : keys) {
      SCOUTFS_CO_TRY(const format::ParsedKey key, format::parse_key(text));
      page.entries.push_back({key.seq, key.ino});
    }
  }
  co_return page;
}

std::vector<lsm::Item> root_items(Timespec now, std::uint32_t mode, Seq seq) {
  Inode root;
  root.mode = format::kTypeDirectory | (mode & ~format::kTypeMask);
  root.nlink = 2;
  root.parent = kRootIno;
  root.meta_seq = seq;
  root.atime = root.mtime = root.ctime = root.crtime = now;
  std::vector<lsm::Item> items;
  items.push_back(
      {format::index_key(format::IndexType::meta_seq, seq, kRootIno), std::string()});
  items.push_back({format::inode_key(kRootIno), format::encode(root)});
  return items;
}

}  // namespace scoutfs::fs
