#include "engine/lsm/manifest.hpp"

#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

Placed segment(std::uint64_t start, std::uint8_t level, std::uint64_t record,
               std::vector<KeyRange> coverage) {
  return {
      {{{BlockNo{start}, 2}, start + 1000}, 1, std::move(coverage)}, level, RecordNo{record}};
}

std::vector<std::uint64_t> starts(const std::vector<Placed>& list) {
  std::vector<std::uint64_t> out;
  for (const Placed& placed : list) out.push_back(placed.info.ref.where.start.value);
  return out;
}

using Starts = std::vector<std::uint64_t>;

BOOST_AUTO_TEST_CASE(what_overlaps_comes_in_search_order) {
  Manifest manifest;
  manifest.add(segment(10, 0, 5, {{"a", "m"}}));
  manifest.add(segment(20, 0, 7, {{"c", "d"}}));
  manifest.add(segment(30, 2, 1, {{"a", "c"}}));
  manifest.add(segment(40, 1, 3, {{"b", "k"}}));
  manifest.add(segment(50, 1, 2, {{"m", "p"}}));
  manifest.add(segment(60, 0, 6, {{"c", "c"}}));
  manifest.check_invariants();
  BOOST_TEST(starts(manifest.overlapping({"c", "c"})) == (Starts{20, 60, 10, 40, 30}));
  BOOST_TEST(starts(manifest.overlapping({"d", "m"})) == (Starts{20, 10, 40, 50}));
  BOOST_TEST(starts(manifest.overlapping({"q", "z"})).empty());
  BOOST_TEST(manifest.deepest() == 2);
}

BOOST_AUTO_TEST_CASE(level_0_is_found_by_each_range_of_its_coverage_and_not_between_them) {
  Manifest manifest;
  manifest.add(segment(10, 0, 1, {{"a", "b"}, {"m", "n"}, {"x", "z"}}));
  BOOST_TEST(starts(manifest.overlapping({"b", "c"})) == (Starts{10}));
  BOOST_TEST(starts(manifest.overlapping({"c", "m"})) == (Starts{10}));
  BOOST_TEST(starts(manifest.overlapping({"c", "d"})).empty());
  BOOST_TEST(starts(manifest.overlapping({"o", "w"})).empty());
  BOOST_TEST(starts(manifest.overlapping({"c", "y"})) == (Starts{10}));
}

BOOST_AUTO_TEST_CASE(deep_levels_are_found_at_both_ends_of_a_segment) {
  Manifest manifest;
  manifest.add(segment(10, 1, 0, {{"b", "d"}}));
  manifest.add(segment(20, 1, 0, {{"f", "f"}}));
  manifest.add(segment(30, 1, 0, {{"h", "k"}}));
  BOOST_TEST(starts(manifest.overlapping({"", "a"}, 1)).empty());
  BOOST_TEST(starts(manifest.overlapping({"", "b"}, 1)) == (Starts{10}));
  BOOST_TEST(starts(manifest.overlapping({"d", "e"}, 1)) == (Starts{10}));
  BOOST_TEST(starts(manifest.overlapping({"e", "e"}, 1)).empty());
  BOOST_TEST(starts(manifest.overlapping({"f", "h"}, 1)) == (Starts{20, 30}));
  BOOST_TEST(starts(manifest.overlapping({"i", "j"}, 1)) == (Starts{30}));
  BOOST_TEST(starts(manifest.overlapping({"l", "z"}, 1)).empty());
  BOOST_TEST(starts(manifest.overlapping({"f", "h"}, 2)).empty());
}

BOOST_AUTO_TEST_CASE(a_removed_segment_is_gone_from_every_index) {
  Manifest manifest;
  const Placed first = segment(10, 0, 1, {{"a", "b"}});
  const Placed second = segment(20, 3, 1, {{"a", "b"}});
  manifest.add(first);
  manifest.add(second);
  SegmentRef other = second.info.ref;
  other.id += 1;
  BOOST_TEST(manifest.contains(second.info.ref));
  BOOST_TEST(!manifest.contains(other));
  BOOST_TEST(manifest.blocks() == 4u);
  BOOST_TEST((manifest.remove(second.info.ref) == second));
  BOOST_TEST(!manifest.contains(second.info.ref));
  BOOST_TEST(manifest.blocks(3) == 0u);
  BOOST_TEST(manifest.count(3) == 0u);
  BOOST_TEST(manifest.deepest() == 0);
  BOOST_TEST((manifest.remove(first.info.ref) == first));
  BOOST_TEST(manifest.overlapping({"", "z"}).empty());
  manifest.check_invariants();
}

BOOST_AUTO_TEST_CASE(a_segment_that_moves_below_level_0_has_one_range) {
  const Placed placed = moved(segment(10, 0, 4, {{"a", "b"}, {"m", "n"}}), 2);
  BOOST_TEST(placed.level == 2);
  BOOST_TEST(placed.record.value == 4u);
  BOOST_TEST((placed.info.coverage == std::vector<KeyRange>{{"a", "n"}}));
  BOOST_TEST((moved(segment(10, 0, 4, {{"a", "b"}, {"m", "n"}}), 0).info.coverage.size() == 2));
}

BOOST_AUTO_TEST_CASE(outputs_of_one_merge_share_a_record_at_level_0) {
  Manifest manifest;
  manifest.add(segment(10, 0, 4, {{"a", "b"}}));
  manifest.add(segment(20, 0, 4, {{"c", "d"}}));
  BOOST_TEST(manifest.count(0) == 2u);
  manifest.remove(segment(10, 0, 4, {}).info.ref);
  BOOST_TEST(starts(manifest.overlapping({"a", "z"})) == (Starts{20}));
  manifest.check_invariants();
}

BOOST_AUTO_TEST_CASE(a_million_segments_are_searched_by_key_and_not_one_by_one) {
  Manifest manifest;
  constexpr std::uint64_t kCount = 1'000'000;
  const auto key = [](std::uint64_t i) {
    std::string text;
    Writer(text).put_big(i);
    return text;
  };
  for (std::uint64_t i = 0; i < kCount; ++i) {
    manifest.add(segment(2 * i, 4, 1, {{key(10 * i), key(10 * i + 7)}}));
  }
  // Far more lookups than a search one by one could make in a test's time.
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    const std::uint64_t at = i * 7919 % kCount * 10;
    found += manifest.overlapping({key(at + 5), key(at + 12)}).size();
    found += manifest.overlapping({key(at + 8), key(at + 9)}).size();
  }
  BOOST_TEST(found > 399'000u);
  BOOST_TEST(found <= 400'000u);
}

}  // namespace
}  // namespace scoutfs::lsm
