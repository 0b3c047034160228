// File contents: read, seek, access times.
//
// Every block that is read is compared with its checksum before its bytes are used.
#include <cstring>

#include "engine/fs/impl.hpp"

namespace scoutfs::fs {

using lock::Mode;

namespace {

constexpr std::size_t kAtimeUpdatesMax = 64;
constexpr std::size_t kSeekExtents = 1024;
constexpr std::int64_t kDaySeconds = 24 * 60 * 60;

}  // namespace

Task<Result<std::size_t>> FileSystem::Impl::read(Context context, Ino ino, std::uint64_t offset,
                                                 std::span<std::byte> out) {
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(const Inode inode, co_await hold_inode(context, hold, ino, Mode::read));
  if (inode.is_directory()) co_return refuse(context, Errc::is_directory);
  if (!inode.is_regular()) co_return refuse(context, Errc::invalid);
  std::size_t size = 0;
  if (offset < inode.size) size = std::min<std::uint64_t>(out.size(), inode.size - offset);
  if (size > 0) {
    SCOUTFS_CO_CHECK(co_await read_extents(hold.locks(), ino, offset, out.first(size)));
  }
  see(context);
  if (size > 0 && atime_due(inode) && atime_updates_.size() < kAtimeUpdatesMax) {
    if (atime_updates_.insert(ino).second) scope_.spawn(update_atime(ino));
  }
  co_return size;
}

// Requires: `out` ends at or before the end of the file.
Task<Result<void>> FileSystem::Impl::read_extents(const client::Locks& locks, Ino ino,
                                                  std::uint64_t offset,
                                                  std::span<std::byte> out) {
  const std::uint64_t end = offset + out.size();
  const std::uint64_t first = offset / kBlockSize;
  const std::uint64_t last = blocks_of(end);
  SCOUTFS_CO_TRY(const LoadedExtents loaded,
                 co_await load_extents(store_, locks, ino, first, last, last - first + 1));
  std::uint64_t at = offset;
  for (std::size_t i = 0; i < loaded.extents.size(); ++i) {
    const FileExtent extent = loaded.extents[i];
    if (extent.unwritten()) continue;
    if (extent.offline()) co_return fail(Errc::io_error);
    const std::uint64_t from = std::max(offset, extent.first * kBlockSize);
    const std::uint64_t to = std::min(end, extent.end() * kBlockSize);
    if (from >= to) continue;
    std::memset(out.data() + (at - offset), 0, from - at);
    SCOUTFS_CO_CHECK(
        co_await read_written(locks, ino, extent, from, out.subspan(from - offset, to - from)));
    at = to;
  }
  std::memset(out.data() + (at - offset), 0, end - at);
  co_return Result<void>();
}

// Reads `out` at a byte offset inside a written extent.
Task<Result<void>> FileSystem::Impl::read_written(const client::Locks& locks, Ino ino,
                                                  FileExtent extent, std::uint64_t offset,
                                                  std::span<std::byte> out) {
  while (!out.empty()) {
    const std::uint64_t block = offset / kBlockSize;
    const std::uint64_t skip = offset % kBlockSize;
    std::size_t size = out.size() / kBlockSize * kBlockSize;
    if (skip == 0 && size > 0) {
      const FileExtent part = extent.part(block, block + size / kBlockSize);
      SCOUTFS_CO_CHECK(co_await read_blocks(locks, ino, part, out.first(size)));
    } else {
      std::string bytes(kBlockSize, '\0');
      const std::span<std::byte> whole(reinterpret_cast<std::byte*>(bytes.data()),
                                       bytes.size());
      SCOUTFS_CO_CHECK(co_await read_blocks(locks, ino, extent.part(block, block + 1), whole));
      size = std::min<std::size_t>(out.size(), kBlockSize - skip);
      std::memcpy(out.data(), bytes.data() + skip, size);
    }
    offset += size;
    out = out.subspan(size);
  }
  co_return Result<void>();
}

// Reads and verifies the whole extent.
Task<Result<void>> FileSystem::Impl::read_blocks(const client::Locks& locks, Ino ino,
                                                 FileExtent extent, std::span<std::byte> out) {
  const Extent where{extent.start, extent.count};
  SCOUTFS_CO_CHECK(co_await store_.read(where, out));
  lsm::Entry checksums;
  for (std::uint64_t block = extent.first; block < extent.end(); ++block) {
    if (block == extent.first || block % format::kChecksumChunk == 0) {
      const std::string key = format::checksum_key(ino, block / format::kChecksumChunk);
      SCOUTFS_CO_TRY(checksums, co_await store_.get(locks, key));
    }
    const std::uint64_t wanted = checksums.has_value() ? checksum_in(*checksums, block) : 0;
    const auto bytes = out.subspan((block - extent.first) * kBlockSize, kBlockSize);
    if (format::data_checksum(as_text(bytes), extent.device(block)) != wanted) {
      store_.env().log.error("inode {}: file block {} at device block {} does not verify",
                             ino.value, block, extent.device(block).value);
      co_return fail(Errc::corrupt);
    }
  }
  co_return Result<void>();
}

Task<Result<std::uint64_t>> FileSystem::Impl::seek(Context context, Ino ino,
                                                   std::uint64_t offset, Seek what) {
  Hold hold(store_, inodes_);
  SCOUTFS_CO_TRY(const Inode inode, co_await hold_inode(context, hold, ino, Mode::read));
  if (!inode.is_regular()) co_return refuse(context, Errc::invalid);
  if (offset >= inode.size) co_return refuse(context, Errc::no_such_position);
  const std::uint64_t end = blocks_of(inode.size);
  std::uint64_t at = offset;  // no data (or no hole) between `offset` and here
  std::uint64_t block = offset / kBlockSize;
  while (block < end) {
    SCOUTFS_CO_TRY(const LoadedExtents loaded,
                   co_await load_extents(store_, hold.locks(), ino, block, end, kSeekExtents));
    for (const FileExtent& extent : loaded.extents) {
      if (extent.unwritten()) continue;
      if (what == Seek::data) {
        see(context);
        co_return std::max(offset, extent.first * kBlockSize);
      }
      if (extent.first * kBlockSize > at) break;
      at = std::max(at, extent.end() * kBlockSize);
    }
    block = loaded.covered_end;
    if (what == Seek::hole && at < block * kBlockSize) break;
  }
  if (what == Seek::data) co_return refuse(context, Errc::no_such_position);
  see(context);
  co_return std::min(at, inode.size);
}

// relatime: when the access time no longer says that the file was read since it was changed.
bool FileSystem::Impl::atime_due(const Inode& inode) const {
  if (!options_.atime || stopping_) return false;
  if (inode.atime <= inode.mtime || inode.atime <= inode.ctime) return true;
  return now().seconds - inode.atime.seconds >= kDaySeconds;
}

// A small operation of its own beside the read, which does not wait for it and cannot fail by
// it.
Task<void> FileSystem::Impl::update_atime(Ino ino) {
  Hold hold(store_, inodes_);
  hold.want(ino, Mode::write);
  const Result<void> held = co_await hold.acquire(&stop_request_);
  if (held.has_value()) {
    Result<std::optional<Inode>> inode = co_await find_inode(hold.locks(), ino);
    // The time of an inode without a name interests nobody.
    if (inode.has_value() && inode->has_value() && (*inode)->nlink != 0 && atime_due(**inode)) {
      client::Reservation reservation;
      reservation.item_bytes = kPutInodeBytes;
      Result<client::Txn> txn = co_await store_.begin(reservation, &stop_request_);
      if (txn.has_value()) {
        (*inode)->atime = now();
        put_inode_quietly(*txn, ino, **inode);
      }
    }
  }
  atime_updates_.erase(ino);
}

}  // namespace scoutfs::fs
