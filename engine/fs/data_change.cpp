#include "engine/fs/data_change.hpp"

#include <algorithm>

#include "engine/base/codec.hpp"
#include "engine/format/keys.hpp"
#include "engine/fs/inode_change.hpp"

namespace scoutfs::fs {

using format::kChecksumChunk;

namespace {

constexpr std::uint64_t kExtentItemBytes = kNumberedKeyBytes + 17;
constexpr std::uint64_t kChunkItemBytes = kNumberedKeyBytes + 8 * kChecksumChunk;

std::string_view block_of(std::string_view bytes, std::uint64_t index) {
  return bytes.substr(index * kBlockSize, kBlockSize);
}

}  // namespace

std::uint64_t checksum_in(std::string_view checksums, std::uint64_t block) {
  const std::size_t at = 8 * (block % kChecksumChunk);
  return at + 8 <= checksums.size() ? load_little<std::uint64_t>(checksums.data() + at) : 0;
}

Task<Result<void>> DataChange::load_extents_only(const client::Locks& locks,
                                                 std::uint64_t first, std::uint64_t end,
                                                 std::size_t limit) {
  // One block more on either side, for the neighbours that new extents may join.
  const std::uint64_t from = first > 0 ? first - 1 : 0;
  const std::uint64_t to = std::min(end + 1, kMaxFileBlocks);
  SCOUTFS_CO_TRY(LoadedExtents loaded,
                 co_await load_extents(store_, locks, ino_, from, to, limit));
  covered_end_ = std::min(loaded.covered_end, end);
  window_ = ExtentWindow(std::move(loaded.extents));
  co_return Result<void>();
}

Task<Result<void>> DataChange::load(const client::Locks& locks, std::uint64_t first,
                                    std::uint64_t end, std::uint64_t written_end,
                                    std::size_t limit) {
  SCOUTFS_CO_CHECK(co_await load_extents_only(locks, first, end, limit));
  for (std::size_t i = 0; i < window_.before().size(); ++i) {
    const FileExtent extent = window_.before()[i];
    if (!extent.written()) continue;
    const std::uint64_t begin = std::max(extent.first, first);
    const std::uint64_t stop = std::min(extent.end(), covered_end_);
    if (begin >= stop) continue;
    for (std::uint64_t c = begin / kChecksumChunk; c <= (stop - 1) / kChecksumChunk; ++c) {
      const std::uint64_t chunk_end = std::min((c + 1) * kChecksumChunk, written_end);
      const bool replaced = c * kChecksumChunk >= first && chunk_end <= covered_end_;
      SCOUTFS_CO_CHECK(co_await load_chunk(locks, c, replaced));
    }
  }
  // Chunks that a write fills for the first time hold checksums of neighbouring blocks as well.
  for (const std::uint64_t block : {first, end - 1}) {
    const std::uint64_t chunk = block / kChecksumChunk * kChecksumChunk;
    if (chunk >= written_end || block >= covered_end_) continue;
    SCOUTFS_CO_CHECK(co_await load_chunk(locks, block / kChecksumChunk, false));
  }
  co_return Result<void>();
}

Task<Result<void>> DataChange::load_chunk(const client::Locks& locks, std::uint64_t number,
                                          bool replaced) {
  const auto at = std::ranges::lower_bound(chunks_, number, {}, &Chunk::number);
  if (at != chunks_.end() && at->number == number) co_return Result<void>();
  const auto index = at - chunks_.begin();
  Chunk chunk{number, {}};
  if (!replaced) {
    const std::string key = format::checksum_key(ino_, number);
    SCOUTFS_CO_TRY(lsm::Entry value, co_await store_.get(locks, key));
    if (value.has_value()) chunk.checksums = *std::move(value);
    if (chunk.checksums.size() % 8 != 0) co_return fail(Errc::corrupt);
    if (chunk.checksums.size() > 8 * kChecksumChunk) co_return fail(Errc::corrupt);
  }
  chunks_.insert(chunks_.begin() + index, std::move(chunk));
  co_return Result<void>();
}

Task<Result<std::string>> DataChange::read_block(const client::Locks& locks,
                                                 std::uint64_t block) {
  std::string bytes(kBlockSize, '\0');
  const FileExtent* extent = window_.find(block);
  if (extent == nullptr || !extent->written()) co_return bytes;
  const Extent where{extent->device(block), 1};
  const std::string key = format::checksum_key(ino_, block / kChecksumChunk);
  SCOUTFS_CO_TRY(const lsm::Entry checksums, co_await store_.get(locks, key));
  const std::span<std::byte> out(reinterpret_cast<std::byte*>(bytes.data()), bytes.size());
  SCOUTFS_CO_CHECK(co_await store_.read(where, out));
  const std::uint64_t wanted = checksums.has_value() ? checksum_in(*checksums, block) : 0;
  if (format::data_checksum(bytes, where.start) != wanted) co_return fail(Errc::corrupt);
  co_return bytes;
}

void DataChange::reserve_write(client::Reservation& reservation, std::uint64_t first,
                               std::uint64_t end) const {
  std::uint64_t unwritten = 0;
  for (const FileExtent& extent : window_.before()) {
    if (!extent.unwritten()) continue;
    const std::uint64_t begin = std::max(extent.first, first);
    const std::uint64_t stop = std::min(extent.end(), end);
    if (begin < stop) unwritten += stop - begin;
  }
  const std::uint64_t blocks = end - first;
  const std::uint64_t chunks = blocks / kChecksumChunk + 2;
  reservation.data_blocks += blocks - unwritten;
  // Each block may become an extent, each old extent may be cut in two.
  reservation.item_bytes += (blocks + 2 * window_.before().size() + 2) * kExtentItemBytes;
  reservation.item_bytes += (chunks + chunks_.size()) * kChunkItemBytes;
}

void DataChange::reserve_punch(client::Reservation& reservation) const {
  reservation.item_bytes += (2 * window_.before().size() + 2) * kExtentItemBytes;
  for (const Chunk& chunk : chunks_) {
    reservation.item_bytes += kNumberedKeyBytes + chunk.checksums.size();
  }
}

void DataChange::reserve_allocate(client::Reservation& reservation, std::size_t extents) const {
  SCOUTFS_ASSERT(chunks_.empty());
  reservation.item_bytes += (2 * window_.before().size() + extents + 2) * kExtentItemBytes;
}

DataChange::Chunk& DataChange::chunk_of(std::uint64_t block) {
  const std::uint64_t number = block / kChecksumChunk;
  auto at = std::ranges::lower_bound(chunks_, number, {}, &Chunk::number);
  if (at == chunks_.end() || at->number != number) at = chunks_.insert(at, Chunk{number, {}});
  return *at;
}

void DataChange::set_checksum(std::uint64_t block, std::uint64_t checksum) {
  std::string& checksums = chunk_of(block).checksums;
  const std::size_t at = 8 * (block % kChecksumChunk);
  if (at + 8 > checksums.size()) {
    if (checksum == 0) return;
    checksums.resize(at + 8, '\0');
  }
  store_little(checksums.data() + at, checksum);
}

std::uint64_t DataChange::in_place(client::Txn& txn, std::uint64_t block, std::uint64_t count,
                                   BlockNo& where) {
  const FileExtent* extent = window_.find(block);
  if (extent == nullptr || extent->offline()) return 0;
  where = extent->device(block);
  const std::uint64_t within = std::min(count, extent->end() - block);
  return extent->unwritten() ? within : fresh_.run(txn.number(), where, within);
}

void DataChange::write(client::Txn& txn, std::uint64_t first, std::string bytes) {
  SCOUTFS_ASSERT(bytes.size() % kBlockSize == 0);
  const std::uint64_t count = bytes.size() / kBlockSize;
  std::uint64_t done = 0;
  while (done < count) {
    BlockNo where;
    const std::uint64_t here = in_place(txn, first + done, count - done, where);
    std::uint64_t next = done + std::max<std::uint64_t>(here, 1);
    BlockNo unused;
    while (here == 0 && next < count && in_place(txn, first + next, 1, unused) == 0) ++next;
    const bool whole = done == 0 && next == count;
    std::string piece =
        // NOLINTNEXTLINE(bugprone-use-after-move): the whole is the last pass.
        whole ? std::move(bytes) : bytes.substr(done * kBlockSize, (next - done) * kBlockSize);
    if (here > 0) {
      write_in_place(txn, first + done, where, std::move(piece));
    } else {
      write_new(txn, first + done, std::move(piece));
    }
    done = next;
  }
}

void DataChange::write_in_place(client::Txn& txn, std::uint64_t block, BlockNo where,
                                std::string bytes) {
  const std::uint64_t count = bytes.size() / kBlockSize;
  if (window_.find(block)->unwritten()) {
    window_.cut(block, block + count);
    fresh_.add(txn.number(), Extent{where, count});
    window_.insert(FileExtent{block, count, where, 0});
  }
  write_at(txn, block, where, std::move(bytes));
}

void DataChange::write_new(client::Txn& txn, std::uint64_t block, std::string bytes) {
  const std::uint64_t count = bytes.size() / kBlockSize;
  give_back(txn, block, block + count);
  const FileExtent* previous = block > 0 ? window_.find(block - 1) : nullptr;
  BlockNo hint;
  if (previous != nullptr && !previous->offline()) hint = previous->device(block);
  std::uint64_t done = 0;
  while (done < count) {
    const Extent got = txn.allocate(std::min(count - done, kExtentBlocksMax), hint);
    SCOUTFS_ASSERT(got.count > 0);
    fresh_.add(txn.number(), got);
    window_.insert(FileExtent{block + done, got.count, got.start, 0});
    const bool whole = got.count == count;
    write_at(
        txn, block + done, got.start,
        // NOLINTNEXTLINE(bugprone-use-after-move): the whole is the last pass.
        whole ? std::move(bytes) : bytes.substr(done * kBlockSize, got.count * kBlockSize));
    hint = got.end();
    done += got.count;
  }
}

void DataChange::write_at(client::Txn& txn, std::uint64_t block, BlockNo where,
                          std::string bytes) {
  const std::uint64_t count = bytes.size() / kBlockSize;
  for (std::uint64_t i = 0; i < count; ++i) {
    set_checksum(block + i,
                 format::data_checksum(block_of(bytes, i), BlockNo{where.value + i}));
  }
  txn.write(Extent{where, count}, std::move(bytes));
}

void DataChange::give_back(client::Txn& txn, std::uint64_t first, std::uint64_t end) {
  for (const FileExtent& extent : window_.cut(first, end)) {
    if (extent.offline()) continue;
    const Extent blocks{extent.start, extent.count};
    fresh_.remove(txn.number(), blocks);
    txn.free(blocks);
  }
}

void DataChange::punch(client::Txn& txn, std::uint64_t first, std::uint64_t end) {
  give_back(txn, first, end);
  for (Chunk& chunk : chunks_) {
    const std::uint64_t chunk_first = chunk.number * kChecksumChunk;
    const std::uint64_t begin = std::max(first, chunk_first);
    const std::uint64_t stop = std::min(end, chunk_first + chunk.checksums.size() / 8);
    for (std::uint64_t block = begin; block < stop; ++block) set_checksum(block, 0);
  }
}

std::uint64_t DataChange::allocate(client::Txn& txn, std::uint64_t first, std::uint64_t end,
                                   std::uint64_t& blocks, std::size_t& extents) {
  const FileExtent* previous = first > 0 ? window_.find(first - 1) : nullptr;
  BlockNo hint;
  if (previous != nullptr && !previous->offline()) hint = previous->device(first);
  while (first < end && blocks > 0 && extents > 0) {
    const std::uint64_t wanted = std::min({end - first, blocks, kExtentBlocksMax});
    const Extent got = txn.allocate(wanted, hint);
    window_.insert(FileExtent{first, got.count, got.start, format::kExtentUnwritten});
    hint = got.end();
    first += got.count;
    blocks -= got.count;
    --extents;
  }
  return first;
}

void DataChange::store(client::Txn& txn, format::Inode& inode) {
  window_.store(txn, ino_);
  inode.online_blocks += written_blocks(window_.now());
  inode.online_blocks -= written_blocks(window_.before());
  for (Chunk& chunk : chunks_) {
    while (!chunk.checksums.empty() && chunk.checksums.back() == '\0') {
      const std::string_view last =
          std::string_view(chunk.checksums).substr(chunk.checksums.size() - 8);
      if (last.find_first_not_of('\0') != std::string_view::npos) break;
      chunk.checksums.resize(chunk.checksums.size() - 8);
    }
    std::string key = format::checksum_key(ino_, chunk.number);
    if (chunk.checksums.empty()) {
      txn.erase(std::move(key));
    } else {
      txn.put(std::move(key), std::move(chunk.checksums));
    }
  }
  chunks_.clear();
}

}  // namespace scoutfs::fs
