#include "engine/format/journal.hpp"

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"

namespace scoutfs::format {

static_assert(JournalHeader::kSize == 8 + 8 + 8 + 8 + 8 + 8 + 10 + 8 + 4);

namespace {

std::uint64_t checksum_of(const JournalHeader& header, std::string_view image) {
  return checksum64(image.substr(8), mix(header.fsid.value, header.number, header.block));
}

}  // namespace

std::uint64_t JournalHeader::block_count() const {
  return (kSize + payload_size + kBlockSize - 1) / kBlockSize;
}

std::string encode_journal_record(const JournalHeader& header, std::string_view payload) {
  SCOUTFS_ASSERT(header.number >= 1);
  SCOUTFS_ASSERT(payload.size() <= kJournalPayloadMax);
  JournalHeader sized = header;
  sized.payload_size = static_cast<std::uint32_t>(payload.size());

  std::string image;
  image.reserve(sized.block_count() * kBlockSize);
  Writer out(image);
  out.put(std::uint64_t{0});
  out.put(JournalHeader::kMagic);
  out.put(sized.fsid);
  out.put(sized.number);
  out.put(sized.block);
  out.put(sized.previous);
  out.put(sized.term);
  out.put(sized.leader);
  out.put(sized.payload_size);
  SCOUTFS_ASSERT(out.size() == JournalHeader::kSize);
  out.put_raw(payload);
  out.pad_to(sized.block_count() * kBlockSize);
  store_little(image.data(), checksum_of(sized, image));
  return image;
}

Result<JournalHeader> decode_journal_header(std::string_view first_block) {
  Reader in(first_block);
  JournalHeader header;
  header.checksum = in.get<std::uint64_t>();
  const auto magic = in.get<std::uint64_t>();
  header.fsid = in.get_id<Fsid>();
  header.number = in.get<std::uint64_t>();
  header.block = in.get<std::uint64_t>();
  header.previous = in.get<std::uint64_t>();
  header.term = in.get_term();
  header.leader = in.get_id<Rid>();
  header.payload_size = in.get<std::uint32_t>();
  if (!in.good() || magic != JournalHeader::kMagic) return fail(Errc::corrupt);
  if (header.number == 0) return fail(Errc::corrupt);
  if (header.payload_size > kJournalPayloadMax) return fail(Errc::corrupt);
  return header;
}

Result<JournalRecord> decode_journal_record(std::string_view image) {
  SCOUTFS_TRY(const JournalHeader header, decode_journal_header(image));
  if (image.size() != header.block_count() * kBlockSize) return fail(Errc::corrupt);
  if (checksum_of(header, image) != header.checksum) return fail(Errc::corrupt);
  Reader in(image.substr(JournalHeader::kSize));
  const std::string_view payload = in.get_raw(header.payload_size);
  if (!in.rest_is_zero()) return fail(Errc::corrupt);
  return JournalRecord{.header = header, .payload = payload};
}

}  // namespace scoutfs::format
