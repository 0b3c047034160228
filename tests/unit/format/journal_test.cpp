#include "engine/format/journal.hpp"

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "tests/test.hpp"

namespace scoutfs::format {
namespace {

JournalHeader sample() {
  return {.fsid = Fsid{11},
          .number = 12,
          .block = 13,
          .previous = 14,
          .term = {15, 2},
          .leader = Rid{16}};
}

BOOST_AUTO_TEST_CASE(a_journal_record_has_exactly_these_bytes) {
  const std::string image = encode_journal_record(sample(), "payload");
  BOOST_REQUIRE_EQUAL(image.size(), kBlockSize);
  std::string expected;
  Writer out(expected);
  out.put(checksum64(std::string_view(image).substr(8), mix(11, 12, 13)));
  out.put(std::uint64_t{0x4c4e524a53464353});
  for (const std::uint64_t field : {11, 12, 13, 14, 15}) out.put(field);
  out.put(std::uint16_t{2});
  out.put(std::uint64_t{16});
  out.put(std::uint32_t{7});
  out.put_raw("payload");
  out.pad_to(kBlockSize);
  BOOST_TEST(image == expected);
  BOOST_TEST(load_little<std::uint64_t>(image.data()) == 5284292396045564896u);
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_a_journal_record_is_found) {
  std::string image = encode_journal_record(sample(), std::string(5000, 'p'));
  BOOST_REQUIRE_EQUAL(image.size(), 2 * kBlockSize);
  for (std::size_t byte = 0; byte < image.size(); ++byte) {
    image[byte] = static_cast<char>(image[byte] ^ (1 << (byte % 8)));
    BOOST_REQUIRE(failed_with(decode_journal_record(image), Errc::corrupt));
    image[byte] = static_cast<char>(image[byte] ^ (1 << (byte % 8)));
  }
  BOOST_TEST(decode_journal_record(image).has_value());
}

BOOST_AUTO_TEST_CASE(records_fill_whole_blocks_up_to_the_largest) {
  const std::size_t fits = kBlockSize - JournalHeader::kSize;
  BOOST_TEST(encode_journal_record(sample(), "").size() == kBlockSize);
  BOOST_TEST(encode_journal_record(sample(), std::string(fits, 'x')).size() == kBlockSize);
  BOOST_TEST(encode_journal_record(sample(), std::string(fits + 1, 'x')).size() ==
             2 * kBlockSize);
  const std::string largest(kJournalPayloadMax, 'x');
  const std::string image = encode_journal_record(sample(), largest);
  BOOST_TEST(image.size() == kJournalBlocksMax * kBlockSize);
  BOOST_TEST(decode_journal_record(image)->payload == largest);
}

BOOST_AUTO_TEST_CASE(garbage_is_no_journal_record) {
  for (const std::size_t size : {0, 1, 69, 70, 4095, 4096, 8192}) {
    BOOST_TEST(failed_with(decode_journal_record(std::string(size, '\0')), Errc::corrupt));
    BOOST_TEST(failed_with(decode_journal_header(std::string(size, 'x')), Errc::corrupt));
  }
  std::string image = encode_journal_record(sample(), "payload");
  BOOST_TEST(failed_with(decode_journal_record(image.substr(0, 4095)), Errc::corrupt));
  BOOST_TEST(failed_with(decode_journal_record(image + image), Errc::corrupt));
  store_little(&image[66], std::uint32_t{0xffffffff});
  BOOST_TEST(failed_with(decode_journal_header(image), Errc::corrupt));
}

RC_BOOST_PROP(a_journal_record_survives_encoding,
              (std::uint64_t fsid, std::uint64_t block, std::uint64_t previous,
               std::uint16_t slot)) {
  JournalHeader header = sample();
  header.fsid = Fsid{fsid};
  header.number = *rc::gen::inRange<std::uint64_t>(1, UINT64_MAX);
  header.block = block;
  header.previous = previous;
  header.term.slot = slot;
  const auto size = *rc::gen::inRange<std::size_t>(0, 10'000);
  const std::string payload(size, 'q');
  const std::string image = encode_journal_record(header, payload);
  const Result<JournalRecord> decoded = decode_journal_record(image);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->payload == payload);
  header.payload_size = static_cast<std::uint32_t>(size);
  header.checksum = decoded->header.checksum;
  RC_ASSERT(decoded->header == header);
  RC_ASSERT(encode_journal_record(decoded->header, decoded->payload) == image);
}

}  // namespace
}  // namespace scoutfs::format
