// From an inode to its paths, by the back references of its entries and of its directories.
//
// The chain of directories is collected with one lock at a time, then all of it is locked at
// once and followed again: a path is given out only if the whole of it was true at one instant.
#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using lock::Mode;

namespace {

constexpr std::size_t kDepthMax = 1u << 16;  // directories above one another

}  // namespace

Task<Result<std::optional<FileSystem::Impl::Backref>>> FileSystem::Impl::next_backref(
    const client::Locks& locks, Ino ino, Ino after_dir, std::uint64_t after_position) {
  KeyRange range = format::type_range(ino, format::ItemType::backref);
  range.first = format::backref_key(ino, after_dir, after_position) + '\0';
  SCOUTFS_CO_TRY(const std::vector<lsm::Item> items,
                 co_await store_.scan(locks, std::move(range), 1));
  if (items.empty()) co_return std::optional<Backref>();
  SCOUTFS_CO_TRY(const format::ParsedKey key, format::parse_key(items.front().key));
  SCOUTFS_CO_TRY(format::Dirent entry, format::decode_dirent(items.front().value));
  co_return std::optional<Backref>(Backref{key.dir, key.number, std::move(entry.name)});
}

// The inode and the directories above it, as they were one after the other.
Task<Result<std::vector<Ino>>> FileSystem::Impl::collect_chain(const Context& context, Ino ino,
                                                               Ino after_dir,
                                                               std::uint64_t after_position) {
  std::vector<Ino> chain;
  while (chain.size() < kDepthMax) {
    chain.push_back(ino);
    if (ino == kRootIno) break;
    Hold hold(store_, inodes_);
    hold.want(ino, Mode::read);
    SCOUTFS_CO_CHECK(co_await hold.acquire(context.cancellation));
    SCOUTFS_CO_TRY(const std::optional<Backref> backref,
                   co_await next_backref(hold.locks(), ino, after_dir, after_position));
    if (!backref.has_value()) break;
    ino = backref->dir;
    after_dir = Ino{};
    after_position = 0;
  }
  co_return chain;
}

Task<Result<FileSystem::Path>> FileSystem::Impl::ino_path(Context context, Ino ino,
                                                          Ino after_dir,
                                                          std::uint64_t after_position) {
  if (ino == kRootIno) {
    // The root has one path, and no entry that says so.
    if (after_dir.value != 0) co_return refuse(context, Errc::not_found);
    see(context);
    co_return Path{kRootIno, 1, std::string()};
  }
  for (;;) {
    SCOUTFS_CO_TRY(const std::vector<Ino> chain,
                   co_await collect_chain(context, ino, after_dir, after_position));
    Hold hold(store_, inodes_);
    for (const Ino link : chain) hold.want(link, Mode::read);
    SCOUTFS_CO_CHECK(co_await hold.acquire(context.cancellation));
    Path path;
    Ino from_dir = after_dir;
    std::uint64_t from_position = after_position;
    Ino at = ino;
    std::size_t depth = 0;
    // Follow the chain again for as long as it still is what it was.
    while (at != kRootIno && depth < chain.size() && chain[depth] == at) {
      SCOUTFS_CO_TRY(const std::optional<Backref> backref,
                     co_await next_backref(hold.locks(), at, from_dir, from_position));
      if (!backref.has_value() && depth == 0) co_return refuse(context, Errc::not_found);
      if (!backref.has_value()) co_return fail(Errc::corrupt);
      if (depth == 0) {
        path.dir = backref->dir;
        path.position = backref->position;
        path.path = backref->name;
      } else {
        path.path = backref->name + '/' + path.path;
      }
      from_dir = Ino{};
      from_position = 0;
      at = backref->dir;
      ++depth;
    }
    if (at == kRootIno) {
      see(context);
      co_return path;
    }
    co_await hold.back_off();
  }
}

}  // namespace scoutfs::fs
