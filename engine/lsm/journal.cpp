#include "engine/lsm/journal.hpp"

#include <algorithm>

#include "engine/base/codec.hpp"

namespace scoutfs::lsm {

using format::JournalHeader;
using format::JournalRecord;

void encode(Writer& out, const Batch& batch) {
  out.put_varint(batch.changes.size());
  for (const Change& change : batch.changes) {
    SCOUTFS_ASSERT(change.key.size() <= kKeySizeMax);
    out.put_string(change.key);
    out.put_bool(change.entry.has_value());
    if (!change.entry.has_value()) continue;
    SCOUTFS_ASSERT(change.entry->size() <= kValueSizeMax);
    out.put_string(*change.entry);
  }
}

Batch decode_batch(Reader& in) {
  Batch batch;
  const std::size_t count = in.get_count(2);
  batch.changes.reserve(count);
  for (std::size_t i = 0; i < count && in.good(); ++i) {
    Change& change = batch.changes.emplace_back();
    change.key = in.get_string(kKeySizeMax);
    if (in.get_bool()) change.entry = std::string(in.get_string(kValueSizeMax));
  }
  return batch;
}

std::uint64_t encoded_size_max(const Batch& batch) {
  constexpr std::uint64_t kOverhead = 2 + 1 + 3;  // sizes as varints, and the flag
  std::uint64_t size = 10;                        // the count
  for (const Change& change : batch.changes) {
    size += change.key.size() + kOverhead;
    if (change.entry.has_value()) size += change.entry->size();
  }
  return size;
}

// Part of the ring in memory: blocks [first, first + bytes.size() / kBlockSize), counted over
// all laps, none of them at or behind `limit`.
struct Journal::Window {
  std::uint64_t limit = 0;
  std::uint64_t first = 0;
  std::string bytes;

  bool holds(std::uint64_t block, std::uint64_t count) const {
    return block >= first && block + count <= first + bytes.size() / kBlockSize;
  }
  std::string_view view(std::uint64_t block, std::uint64_t count) const {
    SCOUTFS_ASSERT(holds(block, count));
    return std::string_view(bytes).substr((block - first) * kBlockSize, count * kBlockSize);
  }
};

Journal::Journal(BlockDevice& device, Fsid fsid, Extent ring, Position needed)
    : device_(device), fsid_(fsid), ring_(ring), needed_(needed), next_(needed) {
  SCOUTFS_ASSERT(ring.count >= kBlocksMin);
}

std::uint64_t Journal::group_blocks_max() const {
  return std::min<std::uint64_t>(ring_.count / 8, format::kJournalBlocksMax);
}

std::size_t Journal::payload_max() const {
  return group_blocks_max() * kBlockSize - JournalHeader::kSize;
}

void Journal::release(Position position) {
  SCOUTFS_ASSERT(position.block >= needed_.block);
  SCOUTFS_ASSERT(position.block <= next_.block);
  needed_ = position;
}

Task<Result<void>> Journal::append(Author author, std::string payload) {
  SCOUTFS_ASSERT(payload.size() <= payload_max());
  SCOUTFS_ASSERT(free_blocks() >= group_blocks_max());
  const JournalHeader header{.fsid = fsid_,
                             .number = next_.number,
                             .block = next_.block,
                             .previous = next_.chain,
                             .term = author.term,
                             .leader = author.leader};
  const std::string image = format::encode_journal_record(header, payload);
  const std::string_view whole = image;
  const std::uint64_t to_end = ring_.count - next_.block % ring_.count;
  const std::size_t head = std::min<std::size_t>(image.size(), to_end * kBlockSize);
  SCOUTFS_CO_CHECK(co_await write(next_.block, whole.substr(0, head)));
  if (head < image.size()) {
    SCOUTFS_CO_CHECK(co_await write(next_.block + to_end, whole.substr(head)));
  }
  next_ = {.number = next_.number + 1,
           .block = next_.block + image.size() / kBlockSize,
           .chain = load_little<std::uint64_t>(image.data())};
  co_return Result<void>{};
}

// Requires: the bytes do not cross the end of the ring.
Task<Result<void>> Journal::write(std::uint64_t block, std::string_view bytes) {
  const BlockNo where{ring_.start.value + block % ring_.count};
  co_return co_await device_.write(where, as_bytes(bytes), Durability::on_completion);
}

// Makes the window hold the blocks. Reads more than it is asked for: records follow one
// another.
Task<Result<void>> Journal::fill(Window& window, std::uint64_t block,
                                 std::uint64_t count) const {
  constexpr std::uint64_t kReadBlocks = 2 * format::kJournalBlocksMax;
  if (window.holds(block, count)) co_return Result<void>{};
  SCOUTFS_ASSERT(block + count <= window.limit);
  const std::uint64_t wanted = std::min(std::max(count, kReadBlocks), window.limit - block);
  window.first = block;
  window.bytes.resize(wanted * kBlockSize);
  const std::span<std::byte> out{reinterpret_cast<std::byte*>(window.bytes.data()),
                                 window.bytes.size()};
  const std::uint64_t at = block % ring_.count;
  const std::uint64_t head = std::min(wanted, ring_.count - at);
  const BlockNo first{ring_.start.value + at};
  SCOUTFS_CO_CHECK(co_await device_.read(first, out.first(head * kBlockSize)));
  if (head == wanted) co_return Result<void>{};
  co_return co_await device_.read(ring_.start, out.subspan(head * kBlockSize));
}

Task<Result<void>> Journal::replay(Author author, Apply apply) {
  Window window{.limit = needed_.block + ring_.count, .first = 0, .bytes = {}};
  while (true) {
    SCOUTFS_CO_TRY(const bool found, co_await read_next(window, author, apply));
    if (!found) break;
  }
  co_return co_await expect_nothing_behind(window, author);
}

// False if there is no readable record where the next one would be.
Task<Result<bool>> Journal::read_next(Window& window, Author author, const Apply& apply) {
  if (next_.block >= window.limit) co_return false;
  SCOUTFS_CO_CHECK(co_await fill(window, next_.block, 1));
  const Result<JournalHeader> header =
      format::decode_journal_header(window.view(next_.block, 1));
  if (!header.has_value()) co_return false;
  if (header->fsid != fsid_ || header->block != next_.block) co_return false;
  if (header->number != next_.number) co_return false;
  if (Author{header->term, header->leader} != author) co_return false;
  const std::uint64_t count = header->block_count();
  if (count > window.limit - next_.block) co_return false;
  SCOUTFS_CO_CHECK(co_await fill(window, next_.block, count));
  const Result<JournalRecord> record =
      format::decode_journal_record(window.view(next_.block, count));
  if (!record.has_value()) co_return false;

  // From here on it is what this author wrote, so whatever does not fit is damage.
  if (record->header.previous != next_.chain) co_return fail(Errc::corrupt);
  Reader in(record->payload);
  Batch batch = decode_batch(in);
  if (!in.finished()) co_return fail(Errc::corrupt);
  next_ = {.number = next_.number + 1,
           .block = next_.block + count,
           .chain = record->header.checksum};
  apply(std::move(batch));
  co_return true;
}

// Searches what would be overwritten next for records that were written after an unreadable
// one. Records of earlier laps carry other block numbers. Records of an earlier author were
// never acknowledged: what was is in the checkpoint of `author`. A later author's mean that
// this is not the newest checkpoint.
Task<Result<void>> Journal::expect_nothing_behind(Window& window, Author author) const {
  for (std::uint64_t block = next_.block; block < window.limit; ++block) {
    SCOUTFS_CO_CHECK(co_await fill(window, block, 1));
    const Result<JournalHeader> header = format::decode_journal_header(window.view(block, 1));
    if (!header.has_value()) continue;
    if (header->fsid != fsid_ || header->block != block) continue;
    if (header->term < author.term) continue;
    const std::uint64_t count = header->block_count();
    if (count > window.limit - block) continue;
    SCOUTFS_CO_CHECK(co_await fill(window, block, count));
    if (format::decode_journal_record(window.view(block, count)).has_value()) {
      co_return fail(Errc::corrupt);
    }
  }
  co_return Result<void>{};
}

}  // namespace scoutfs::lsm
