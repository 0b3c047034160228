#include "engine/base/ids.hpp"

#include "tests/test.hpp"

#include <type_traits>

using namespace scoutfs;

static_assert(!std::is_convertible_v<Ino, Seq>);
static_assert(!std::is_convertible_v<Ino, std::uint64_t>);
static_assert(!std::is_convertible_v<std::uint64_t, Ino>);

BOOST_AUTO_TEST_CASE(zero_is_no_id_and_next_follows) {
  BOOST_TEST(!static_cast<bool>(Ino{}));
  BOOST_TEST(static_cast<bool>(kRootIno));
  BOOST_CHECK(Seq{4}.next() == Seq{5});
  BOOST_CHECK(Seq{4} < Seq{5});
}

BOOST_AUTO_TEST_CASE(terms_are_ordered_by_number_and_then_by_slot) {
  BOOST_CHECK((Term{.number = 1, .slot = 9} < Term{.number = 2, .slot = 0}));
  BOOST_CHECK((Term{.number = 2, .slot = 0} < Term{.number = 2, .slot = 1}));
}

BOOST_AUTO_TEST_CASE(an_extent_ends_behind_its_last_block) {
  BOOST_CHECK((Extent{.start = BlockNo{7}, .count = 3}.end() == BlockNo{10}));
}
