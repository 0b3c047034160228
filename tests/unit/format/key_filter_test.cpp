// Key filters.
#include "engine/format/key_filter.hpp"

#include "tests/test.hpp"

namespace scoutfs::format {
namespace {

BOOST_AUTO_TEST_SUITE(key_filter)

BOOST_AUTO_TEST_CASE(the_bytes_are_pinned) {
  const std::string filter = build_filter({filter_hash("scoutfs")});
  BOOST_TEST(filter.size() == kFilterLine);
  BOOST_TEST(filter_hash("scoutfs") == 17130060346904569651U);
  BOOST_TEST(checksum64(filter, 0) == 3979507861759996649U);
}

BOOST_AUTO_TEST_CASE(no_key_is_denied_and_few_absent_ones_pass) {
  std::vector<std::uint64_t> hashes;
  for (int i = 0; i < 50'000; ++i) hashes.push_back(filter_hash("key" + std::to_string(i)));
  const std::string filter = build_filter(hashes);
  BOOST_TEST(filter.size() == filter_size(hashes.size()));
  for (const std::uint64_t hash : hashes) BOOST_REQUIRE(filter_may_hold(filter, hash));
  int passed = 0;
  for (int i = 0; i < 100'000; ++i) {
    passed += filter_may_hold(filter, filter_hash("absent" + std::to_string(i))) ? 1 : 0;
  }
  BOOST_TEST(passed < 1'500);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::format
