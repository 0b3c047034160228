#include "node/byte_ranges.hpp"

#include <set>

#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

std::set<std::uint64_t> bytes_of(const ByteRanges& ranges) {
  std::set<std::uint64_t> bytes;
  for (const ByteRange& range : ranges.ranges()) {
    for (std::uint64_t i = range.first; i < range.end; ++i) bytes.insert(i);
  }
  return bytes;
}

BOOST_AUTO_TEST_SUITE(byte_ranges)

BOOST_AUTO_TEST_CASE(what_touches_becomes_one) {
  ByteRanges ranges;
  ranges.add({10, 20});
  ranges.add({30, 40});
  ranges.add({20, 30});
  BOOST_TEST((ranges.ranges() == std::vector<ByteRange>{{10, 40}}));
  ranges.remove({15, 20});
  BOOST_TEST((ranges.ranges() == std::vector<ByteRange>{{10, 15}, {20, 40}}));
  ranges.remove({0, 100});
  BOOST_TEST(ranges.empty());
}

BOOST_AUTO_TEST_CASE(of_too_many_the_closest_grow_together) {
  ByteRanges ranges;
  for (std::uint64_t i = 0; i <= ByteRanges::kRangesMax; ++i) {
    const std::uint64_t first = 100 * i + (i > 3 ? 0 : 2 * i);
    ranges.add({first, first + 10});
  }
  BOOST_TEST(ranges.ranges().size() == ByteRanges::kRangesMax);
  BOOST_TEST((ranges.ranges()[3] == ByteRange{306, 410}));
}

// It covers all that was added and not taken out since, and exactly that while there are few.
RC_BOOST_PROP(it_covers_what_was_added, ()) {
  ByteRanges ranges;
  std::set<std::uint64_t> bytes;
  const bool dense = *rc::gen::arbitrary<bool>();
  const std::uint64_t limit = dense ? 16 : 200;
  const auto steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const auto first = *rc::gen::inRange<std::uint64_t>(0, limit);
    const auto end = *rc::gen::inRange<std::uint64_t>(first + 1, limit + 1);
    if (*rc::gen::inRange(0, 3) != 0) {
      ranges.add({first, end});
      for (std::uint64_t at = first; at < end; ++at) bytes.insert(at);
    } else {
      ranges.remove({first, end});
      for (std::uint64_t at = first; at < end; ++at) bytes.erase(at);
    }
    const std::set<std::uint64_t> covered = bytes_of(ranges);
    RC_ASSERT(std::ranges::includes(covered, bytes));
    if (dense) RC_ASSERT(covered == bytes);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
