#include "engine/base/hash.hpp"

#include "tests/test.hpp"

#include <set>

using namespace scoutfs;

// The checksums are part of the format: these values never change.
BOOST_AUTO_TEST_CASE(checksums_are_the_pinned_ones_of_xxh3) {
  BOOST_TEST(checksum64("", 0) == 0x2d06800538d394c2ULL);
  const Hash128 empty = hash128("", 0);
  BOOST_TEST(empty.low == 0x6001c324468d497fULL);
  BOOST_TEST(empty.high == 0x99aa06d3014798d8ULL);
  BOOST_TEST(checksum64("scoutfs", 0) == 0xedba332066406733ULL);
  const Hash128 seeded = hash128("scoutfs", 1);
  BOOST_TEST(seeded.low == 0x77f6eae3a2b5cc87ULL);
  BOOST_TEST(seeded.high == 0xe70ed3e6ab36d57eULL);
}

BOOST_AUTO_TEST_CASE(a_seed_changes_the_checksum) {
  BOOST_TEST(checksum64("bytes", 1) != checksum64("bytes", 2));
  BOOST_CHECK(!(hash128("bytes", 1) == hash128("bytes", 2)));
}

RC_BOOST_PROP(a_flipped_bit_changes_the_checksum, (std::string bytes, std::uint64_t seed)) {
  RC_PRE(!bytes.empty());
  const auto bit = *rc::gen::inRange<std::size_t>(0, bytes.size() * 8);
  std::string flipped = bytes;
  flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
  RC_ASSERT(checksum64(flipped, seed) != checksum64(bytes, seed));
}

BOOST_AUTO_TEST_CASE(mixed_identities_depend_on_every_field_and_on_their_order) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t a = 0; a < 10; ++a) {
    for (std::uint64_t b = 0; b < 10; ++b) {
      for (std::uint64_t c = 0; c < 10; ++c) BOOST_TEST(seen.insert(mix(a, b, c)).second);
    }
  }
}
