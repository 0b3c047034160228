// Extents as values, and the set of fresh blocks.
#include "engine/fs/extents.hpp"

#include "engine/fs/fresh_blocks.hpp"
#include "tests/test.hpp"

namespace scoutfs::fs {
namespace {

FileExtent extent(std::uint64_t first, std::uint64_t count, std::uint64_t start,
                  std::uint8_t flags = 0) {
  return {first, count, BlockNo{start}, flags};
}

BOOST_AUTO_TEST_SUITE(extents)

BOOST_AUTO_TEST_CASE(cutting_leaves_both_ends) {
  ExtentWindow window({extent(10, 10, 100), extent(30, 5, 200)});
  const auto cut = window.cut(12, 31);
  BOOST_TEST((cut == std::vector<FileExtent>{extent(12, 8, 102), extent(30, 1, 200)}));
  BOOST_TEST((window.now() == std::vector<FileExtent>{extent(10, 2, 100), extent(31, 4, 201)}));
  BOOST_TEST(window.find(12) == nullptr);
  BOOST_REQUIRE(window.find(31) != nullptr);
  BOOST_TEST(window.find(31)->device(31).value == 201U);
}

BOOST_AUTO_TEST_CASE(one_extent_can_be_cut_in_two) {
  ExtentWindow window({extent(0, 10, 100)});
  window.cut(4, 5);
  BOOST_TEST((window.now() == std::vector<FileExtent>{extent(0, 4, 100), extent(5, 5, 105)}));
}

BOOST_AUTO_TEST_CASE(neighbours_join_if_the_device_agrees) {
  ExtentWindow window({extent(0, 4, 100), extent(6, 2, 106)});
  window.insert(extent(4, 2, 104));
  BOOST_TEST((window.now() == std::vector<FileExtent>{extent(0, 8, 100)}));
  window.insert(extent(8, 2, 50));
  window.insert(extent(10, 2, 52, format::kExtentUnwritten));
  BOOST_TEST(window.now().size() == 3U);
}

BOOST_AUTO_TEST_CASE(no_extent_grows_beyond_the_longest) {
  ExtentWindow window({extent(0, kExtentBlocksMax - 1, 100)});
  window.insert(extent(kExtentBlocksMax - 1, 2, 100 + kExtentBlocksMax - 1));
  BOOST_TEST(window.now().size() == 2U);
}

BOOST_AUTO_TEST_CASE(fresh_blocks_are_those_of_one_transaction) {
  FreshBlocks fresh;
  fresh.add(TxnNo{1}, {BlockNo{10}, 5});
  fresh.add(TxnNo{1}, {BlockNo{15}, 5});
  BOOST_TEST(fresh.run(TxnNo{1}, BlockNo{12}, 100) == 8U);
  fresh.remove(TxnNo{1}, {BlockNo{13}, 2});
  BOOST_TEST(fresh.run(TxnNo{1}, BlockNo{12}, 100) == 1U);
  BOOST_TEST(fresh.run(TxnNo{1}, BlockNo{13}, 100) == 0U);
  BOOST_TEST(fresh.run(TxnNo{1}, BlockNo{15}, 3) == 3U);
  BOOST_TEST(fresh.run(TxnNo{2}, BlockNo{15}, 3) == 0U);
}

// A file of 64 blocks as an array, against the window.
RC_BOOST_PROP(a_window_agrees_with_an_array_of_blocks,
              (const std::vector<std::pair<std::uint8_t, std::uint8_t>>& steps)) {
  ExtentWindow window;
  std::vector<std::uint64_t> blocks(64, 0);
  std::uint64_t next = 1;
  for (const auto& [a, b] : steps) {
    const std::uint64_t first = a % 64, count = 1 + b % 8;
    const std::uint64_t end = std::min<std::uint64_t>(64, first + count);
    std::uint64_t removed = 0;
    for (const FileExtent& piece : window.cut(first, end)) removed += piece.count;
    for (std::uint64_t i = first; i < end; ++i) removed -= blocks[i] != 0 ? 1 : 0;
    RC_ASSERT(removed == 0U);
    for (std::uint64_t i = first; i < end; ++i) blocks[i] = 0;
    if (b >= 128) continue;
    if (b < 64) next += 100;  // else contiguous with what came before
    window.insert(extent(first, end - first, next));
    for (std::uint64_t i = first; i < end; ++i) blocks[i] = next++;
  }
  for (std::uint64_t i = 0; i < 64; ++i) {
    const FileExtent* found = window.find(i);
    RC_ASSERT((found == nullptr ? 0 : found->device(i).value) == blocks[i]);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::fs
