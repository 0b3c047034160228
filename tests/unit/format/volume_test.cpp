#include "engine/format/volume.hpp"

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "tests/test.hpp"

namespace scoutfs::format {
namespace {

constexpr std::size_t kImageSize = kSuperblockBlocks * kBlockSize;

Superblock sample() {
  Superblock superblock;
  superblock.fsid = Fsid{0x1122334455667788};
  for (std::size_t i = 0; i < 16; ++i) superblock.uuid[i] = static_cast<char>('a' + i);
  for (std::size_t i = 0; i < kSecretSize; ++i)
    superblock.secret[i] = static_cast<char>(0x80 + i);
  superblock.cluster = "archive";
  superblock.device_blocks = 100'000;
  superblock.journal = {BlockNo{kFirstRegion}, 1024};
  superblock.server_area = {BlockNo{kFirstRegion + 1024}, 4096};
  superblock.space = {BlockNo{kFirstRegion + 5120}, 90'000};
  superblock.slots = {{0, {0x7f000001, 7000}}, {3, {0x0a000002, 7001}}};
  superblock.slots_version = 5;
  superblock.checkpoint = 42;
  superblock.term = {9, 3};
  superblock.leader = Rid{77};
  superblock.journal_position = 1234;
  superblock.journal_block = 5678;
  superblock.journal_chain = 0xfeedfacecafebeef;
  superblock.next_record = RecordNo{31};
  superblock.segments = {{{BlockNo{2000}, 10}, 901, RecordNo{30}, 0},
                         {{BlockNo{2010}, 1000}, 902, RecordNo{12}, 1}};
  return superblock;
}

rc::Gen<std::uint64_t> number() {
  return rc::gen::arbitrary<std::uint64_t>();
}

Superblock random_superblock() {
  Superblock superblock = sample();
  superblock.fsid = Fsid{*number()};
  superblock.device_blocks = *rc::gen::inRange<std::uint64_t>(kDeviceBlocksMin, 1u << 30);
  std::uint64_t at = kFirstRegion;
  for (Extent* region : {&superblock.journal, &superblock.server_area, &superblock.space}) {
    at = *rc::gen::inRange<std::uint64_t>(at, superblock.device_blocks);
    region->start = BlockNo{at};
    region->count = *rc::gen::inRange<std::uint64_t>(0, superblock.device_blocks - at);
    at += region->count;
  }
  const auto name_size = *rc::gen::inRange<std::size_t>(1, kClusterNameMax + 1);
  superblock.cluster = *rc::gen::container<std::string>(name_size, rc::gen::arbitrary<char>());
  superblock.slots.clear();
  for (std::uint8_t slot = 0; slot < kSlotsMax; ++slot) {
    if (!*rc::gen::arbitrary<bool>()) continue;
    superblock.slots.push_back(
        {slot, {*rc::gen::arbitrary<std::uint32_t>(), *rc::gen::arbitrary<std::uint16_t>()}});
  }
  superblock.slots_version = *number();
  superblock.checkpoint = *number();
  superblock.term = {*number(), *rc::gen::arbitrary<std::uint16_t>()};
  superblock.leader = Rid{*number()};
  superblock.journal_position = *number();
  superblock.journal_block = *number();
  superblock.journal_chain = *number();
  superblock.next_record = RecordNo{*number()};
  superblock.segments.clear();
  if (superblock.server_area.count > 0) {
    superblock.segments.resize(*rc::gen::inRange<std::size_t>(0, Superblock::kSegmentsMax + 1));
  }
  std::uint64_t i = 0;
  for (CheckpointSegment& segment : superblock.segments) {
    const std::uint64_t offset = ++i * 7919 % superblock.server_area.count;
    segment.where.start = BlockNo{superblock.server_area.start.value + offset};
    segment.where.count = 1 + i % (superblock.server_area.count - offset);
    segment.id = mix(i, superblock.fsid.value);
    segment.record = RecordNo{i * i};
    segment.level = static_cast<std::uint8_t>(i % 8);
  }
  return superblock;
}

// Makes the checksum right again after a test changed a field.
std::string resealed(std::string image) {
  store_little(image.data(), checksum64(std::string_view(image).substr(8), 0));
  return image;
}

BOOST_AUTO_TEST_CASE(a_superblock_has_exactly_these_bytes) {
  std::string image = encode(sample());
  BOOST_REQUIRE_EQUAL(image.size(), kImageSize);
  // Fields at their documented offsets.
  BOOST_TEST(load_little<std::uint64_t>(&image[8]) == Superblock::kMagic);
  BOOST_TEST(load_little<std::uint64_t>(&image[16]) == format_hash());
  BOOST_TEST(load_little<std::uint64_t>(&image[24]) == 0x1122334455667788u);
  BOOST_TEST(load_little<std::uint64_t>(&image[32]) == 42u);
  BOOST_TEST(load_little<std::uint16_t>(&image[48]) == 3u);
  BOOST_TEST(load_little<std::uint64_t>(&image[50]) == 77u);
  BOOST_TEST(image.substr(58, 16) == "abcdefghijklmnop");
  BOOST_TEST(load_little<std::uint64_t>(&image[106]) == 100'000u);
  BOOST_TEST(load_little<std::uint64_t>(&image[170]) == 1234u);
  BOOST_TEST(load_little<std::uint64_t>(&image[178]) == 5678u);
  BOOST_TEST(load_little<std::uint64_t>(&image[186]) == 0xfeedfacecafebeefu);
  BOOST_TEST(load_little<std::uint16_t>(&image[204]) == 2u);
  BOOST_TEST(image.substr(206 + 14, 7) == "archive");
  // All of it but the checksum and the hash of the whole format, which other files change.
  image.replace(0, 8, 8, '\0');
  image.replace(16, 8, 8, '\0');
  BOOST_TEST(checksum64(image, 0) == 12609248664699538448u);
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_a_superblock_is_found) {
  std::string image = encode(sample());
  const auto found = [&image](std::size_t byte) {
    for (int bit = 0; bit < 8; ++bit) {
      image[byte] = static_cast<char>(image[byte] ^ (1 << bit));
      const bool refused = failed_with(decode_superblock(image), Errc::corrupt);
      image[byte] = static_cast<char>(image[byte] ^ (1 << bit));
      if (!refused) return false;
    }
    return true;
  };
  for (std::size_t byte = 0; byte < 320; ++byte) BOOST_REQUIRE(found(byte));
  for (std::size_t byte = 320; byte < kImageSize; byte += 509) BOOST_REQUIRE(found(byte));
  BOOST_TEST(decode_superblock(image).has_value());
}

BOOST_AUTO_TEST_CASE(another_format_hash_is_unsupported_and_told) {
  std::string image = encode(sample());
  store_little(&image[16], std::uint64_t{0xabcd});
  image = resealed(image);
  BOOST_TEST(failed_with(decode_superblock(image), Errc::unsupported));
  BOOST_TEST(found_format_hash(image) == 0xabcdu);
  image[0] = static_cast<char>(image[0] ^ 1);
  BOOST_TEST(found_format_hash(image) == 0u);
  BOOST_TEST(found_format_hash("") == 0u);
}

BOOST_AUTO_TEST_CASE(fields_no_superblock_has_are_corrupt_even_with_a_good_checksum) {
  const std::string image = encode(sample());
  const auto refuses = [&image](std::size_t at, std::string_view bytes) {
    std::string changed = image;
    changed.replace(at, bytes.size(), bytes);
    return failed_with(decode_superblock(resealed(changed)), Errc::corrupt);
  };
  BOOST_TEST(
      refuses(106, std::string("\x01\0\0\0\0\0\0\0", 8)));  // a device smaller than regions
  BOOST_TEST(refuses(114, std::string(8, '\xff')));         // a journal outside the device
  BOOST_TEST(refuses(122, std::string(8, '\xff')));         // sizes that overflow
  BOOST_TEST(refuses(138, std::string("\xff\xff", 2)));     // overlapping regions
  BOOST_TEST(refuses(202, "\x10"));                         // 16 slots
  BOOST_TEST(refuses(203, std::string(1, '\0')));           // no cluster name
  BOOST_TEST(refuses(203, "\x41"));                         // a long cluster name
  BOOST_TEST(refuses(204, "\xff\xff"));                     // too many segments
  BOOST_TEST(refuses(206, "\x03"));                         // slots out of order
  BOOST_TEST(refuses(213, "\x0f"));                         // slot 15
  BOOST_TEST(refuses(227, std::string(8, '\0')));           // a segment outside its area
  BOOST_TEST(refuses(235, std::string(8, '\0')));           // an empty segment
  BOOST_TEST(refuses(227 + 32, "\x08"));                    // level 8
  BOOST_TEST(refuses(kImageSize - 1, "x"));                 // bytes that must be zero
  BOOST_TEST(!refuses(170, "x"));
}

BOOST_AUTO_TEST_CASE(no_bytes_of_any_size_are_decoded_into_a_superblock_or_crash) {
  for (const std::size_t size : {0, 1, 23, 24, 4096, 65535, 65537}) {
    BOOST_TEST(failed_with(decode_superblock(std::string(size, 'x')), Errc::corrupt));
  }
}

RC_BOOST_PROP(a_superblock_survives_encoding, ()) {
  const Superblock superblock = random_superblock();
  const std::string image = encode(superblock);
  const Result<Superblock> decoded = decode_superblock(image);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == superblock);
  RC_ASSERT(encode(*decoded) == image);
}

RC_BOOST_PROP(what_is_decoded_from_changed_fields_encodes_to_the_same_bytes, ()) {
  std::string image = encode(sample());
  const auto changes = *rc::gen::inRange(1, 4);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(24, 320);
    image[at] = *rc::gen::arbitrary<char>();
  }
  image = resealed(image);
  const Result<Superblock> decoded = decode_superblock(image);
  if (decoded.has_value()) RC_ASSERT(encode(*decoded) == image);
}

BOOST_AUTO_TEST_CASE(the_format_hash_is_that_of_a_description_which_names_each_format) {
  const std::string_view text = format_description();
  for (const std::string_view name :
       {"superblock", "journal", "batch", "item block", "key filter", "segment", "manifest",
        "keys", "inode", "server items", "quorum", "wire"}) {
    BOOST_TEST(text.find(name) != std::string_view::npos, name);
  }
  BOOST_TEST(format_hash() == checksum64(text, 0));
  BOOST_TEST(text.find(kSuperblockFormat) != std::string_view::npos);
}

BOOST_AUTO_TEST_CASE(the_copies_of_a_superblock_alternate_and_do_not_overlap) {
  BOOST_TEST(superblock_at(1).value == kSuperblockFirst + kSuperblockBlocks);
  BOOST_TEST(superblock_at(2).value == kSuperblockFirst);
  BOOST_TEST(superblock_at(1).value + kSuperblockBlocks == kQuorumFirst);
}

}  // namespace
}  // namespace scoutfs::format
