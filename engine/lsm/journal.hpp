// Journal: the ring of records that makes groups of commits durable, in order.
//
// Records are appended one at a time; the next append starts after the one before it has
// completed, forced to the medium. A record that would cross the end of the ring continues at
// its beginning, as a second device write. So at any moment at most one record, the last, can
// be incomplete.
//
// Recovery starts at the position that the checkpoint names and follows numbers, places and
// chained checksums. Where they end is either the tail, perhaps a torn one, or damage: the tail
// has no valid record of the same lap behind it, so the rest of the ring is searched for one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/env/block_device.hpp"
#include "engine/format/journal.hpp"
#include "engine/format/upper_formats.hpp"
#include "engine/lsm/item.hpp"

namespace scoutfs::lsm {

static_assert(format::kBatchFormat.starts_with("batch 1:"));

// count, then {key, present u8, value if present} each, in order.
void encode(Writer& out, const Batch& batch);
Batch decode_batch(Reader& in);
// At least what encode() appends.
std::uint64_t encoded_size_max(const Batch& batch);

class Journal {
 public:
  static constexpr std::uint64_t kBlocksMin = 256;  // of the ring

  // Of a record: its number, where it begins (counted over all laps), and the checksum before
  // it.
  struct Position {
    std::uint64_t number = 1;
    std::uint64_t block = 0;
    std::uint64_t chain = 0;
    bool operator==(const Position&) const = default;
  };
  // Who writes the records.
  struct Author {
    Term term;
    Rid leader;
    bool operator==(const Author&) const = default;
  };

  // `needed` is the first record that is not in a checkpoint.
  // Requires: the ring has at least kBlocksMin blocks.
  Journal(BlockDevice& device, Fsid fsid, Extent ring, Position needed);

  // Hands the batches from the first needed record on to `apply`, in order. Reads only. After
  // it next() is behind the last record. `author` wrote the checkpoint, and so these records.
  // Errors: corrupt (an unreadable record that is not the last), those of the device.
  using Apply = std::function<void(Batch batch)>;
  Task<Result<void>> replay(Author author, Apply apply);

  // One record; durable on return. One at a time.
  // Requires: payload.size() <= payload_max(), free_blocks() >= group_blocks_max().
  // Errors: those of the device; then nothing more may be appended.
  Task<Result<void>> append(Author author, std::string payload);

  // What lies before `position` is not needed any more.
  void release(Position position);

  Position next() const { return next_; }
  std::uint64_t free_blocks() const { return ring_.count - (next_.block - needed_.block); }
  bool empty() const { return next_.number == needed_.number; }
  // The largest record is an eighth of the ring, so that many fit beside a running checkpoint.
  std::uint64_t group_blocks_max() const;
  std::size_t payload_max() const;

 private:
  struct Window;

  Task<Result<void>> write(std::uint64_t block, std::string_view bytes);
  Task<Result<void>> fill(Window& window, std::uint64_t block, std::uint64_t count) const;
  Task<Result<bool>> read_next(Window& window, Author author, const Apply& apply);
  Task<Result<void>> expect_nothing_behind(Window& window, Author author) const;

  BlockDevice& device_;
  Fsid fsid_;
  Extent ring_;
  Position needed_;
  Position next_;
};

}  // namespace scoutfs::lsm
