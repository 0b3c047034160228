// Journal records. What decodes is what encode_journal_record() gives.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "engine/format/journal.hpp"

// The input is the record behind its checksum, without the zeros at its end; both are supplied.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace scoutfs;
  std::string image(8, '\0');
  image.append(reinterpret_cast<const char*>(data), size);
  image.resize((image.size() + kBlockSize - 1) / kBlockSize * kBlockSize);
  const Result<format::JournalHeader> header = format::decode_journal_header(image);
  if (!header.has_value()) return 0;
  const std::uint64_t seed = mix(header->fsid.value, header->number, header->block);
  store_little(image.data(), checksum64(std::string_view(image).substr(8), seed));

  const Result<format::JournalRecord> record = format::decode_journal_record(image);
  if (!record.has_value()) return 0;
  SCOUTFS_ASSERT(format::encode_journal_record(record->header, record->payload) == image);
  return 0;
}
