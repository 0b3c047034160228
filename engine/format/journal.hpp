// A record of the server tree's journal: one group of commits.
//
// The journal is a ring of blocks (Superblock::journal). A record takes whole blocks and may
// run over the ring's end to its beginning. Blocks are numbered from 0 for the whole life of
// the volume: block b lies at ring block b % count, in lap b / count. The number is in the
// record, so a record of an earlier lap, or a copy of a record elsewhere, is never taken for a
// valid one.
//
// Records are numbered 1, 2, 3, ... for the whole life of the volume. Each holds the checksum
// of the one before it: the chain. Term and leader say which opening of the journal wrote it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs::format {

struct JournalHeader {
  static constexpr std::uint64_t kMagic =
      0x4c4e'524a'5346'4353;                // arbitrary, of this format only
  static constexpr std::size_t kSize = 70;  // bytes before the payload

  std::uint64_t checksum = 0;
  Fsid fsid;
  std::uint64_t number = 0;    // at least 1
  std::uint64_t block = 0;     // where the record begins, counted over all laps
  std::uint64_t previous = 0;  // checksum of the record before it; 0 for record 1
  Term term;
  Rid leader;
  std::uint32_t payload_size = 0;  // bytes, at most kJournalPayloadMax

  std::uint64_t block_count() const;  // of the whole record
  bool operator==(const JournalHeader&) const = default;
};

inline constexpr std::size_t kJournalBlocksMax = 257;  // of one record
inline constexpr std::size_t kJournalPayloadMax =
    kJournalBlocksMax * kBlockSize - JournalHeader::kSize;

// Contributed to format_description(). Changes with the table below.
inline constexpr std::string_view kJournalFormat =
    "journal 1: checksum magic fsid number block previous term leader payload\n";

// The image of one record: whole blocks.
//
//   offset  size  field
//        0     8  checksum      XXH3-64 of bytes [8, end of the last block),
//                               seed mix(fsid, number, block)
//        8     8  magic
//       16     8  fsid
//       24     8  number
//       32     8  block
//       40     8  previous
//       48     8  term number
//       56     2  term slot
//       58     8  leader rid
//       66     4  payload size
//       70     -  payload
//        -     -  zero to the end of the last block
//
// Computes the checksum and the payload size; those of `header` are not used.
// Requires: number >= 1, payload.size() <= kJournalPayloadMax.
std::string encode_journal_record(const JournalHeader& header, std::string_view payload);

// The fields of a record's first block, taken on trust: the checksum is not verified, as the
// rest of the record may not have been read yet. Errors: corrupt (no magic, a size or a number
// that no record has).
Result<JournalHeader> decode_journal_header(std::string_view first_block);

struct JournalRecord {
  JournalHeader header;
  std::string_view payload;  // within the image
};
// `image` is exactly the record's blocks.
// Errors: corrupt.
Result<JournalRecord> decode_journal_record(std::string_view image);

}  // namespace scoutfs::format
