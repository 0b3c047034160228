// Item blocks: bytes, lookups, and what a decoder refuses.
#include "engine/format/item_block.hpp"

#include <optional>

#include "tests/test.hpp"

namespace scoutfs::format {
namespace {

using Items = std::map<std::string, std::optional<std::string>>;

std::string encode_items(const Items& items) {
  ItemBlockBuilder builder;
  for (const auto& [key, value] : items) {
    builder.add(key,
                value.has_value() ? std::optional<std::string_view>(*value) : std::nullopt);
  }
  return std::string(builder.finish());
}

Items decode_items(const ItemBlock& block) {
  Items items;
  for (std::size_t i = 0; i < block.count(); ++i) {
    const auto value = block.value(i);
    items[block.key(i)] = value.has_value() ? std::optional<std::string>(*value) : std::nullopt;
  }
  return items;
}

Items numbered(int count) {
  Items items;
  for (int i = 0; i < count; ++i) {
    const std::string number = std::to_string(100000 + i * 7);
    items["inode/" + number + "/name"] =
        i % 5 == 0 ? std::nullopt : std::optional<std::string>(number + "-value");
  }
  return items;
}

BOOST_AUTO_TEST_SUITE(item_block)

BOOST_AUTO_TEST_CASE(the_bytes_are_pinned) {
  const std::string bytes = encode_items({{"abc", "x"}, {"abd", std::nullopt}, {"abde", ""}});
  const std::string expected(
      "\x03\0\0\0"  // three items
      "\x02\0"      // all begin with "ab"
      "\x00\x03\x02"
      "abcx"
      "\x02\x01\x00"
      "d"
      "\x03\x01\x01"
      "e",
      4 + 2 + 7 + 4 + 4);
  BOOST_TEST(bytes == expected);
}

BOOST_AUTO_TEST_CASE(decoding_gives_the_items_back) {
  for (const Items& items :
       {numbered(1), numbered(2), numbered(300), Items{{"", "empty key"}, {"z", ""}},
        Items{{std::string(kKeySizeMax, '\xff'), std::string(kValueSizeMax, 'v')}},
        Items{{"a", "1"},
              {std::string("a\0", 2), "2"},
              {std::string("a\0\0", 3), "3"},
              {"\xff", "4"}}}) {
    const auto block = ItemBlock::decode(encode_items(items));
    BOOST_REQUIRE(block.has_value());
    BOOST_TEST((decode_items(*block) == items));
  }
}

BOOST_AUTO_TEST_CASE(searches_agree_with_a_map) {
  Items items = numbered(200);
  for (int i = 0; i < 50; ++i) items["inode/100000/same-head-" + std::to_string(i)] = "v";
  const auto block = ItemBlock::decode(encode_items(items));
  BOOST_REQUIRE(block.has_value());
  std::vector<std::string> probes = {
      "", "i", "inode/", "inode/1", "inode/2", "j", "inode/100000/same-head-"};
  for (const auto& [key, value] : items) {
    probes.push_back(key);
    probes.push_back(key + '\0');
    probes.push_back(key.substr(0, key.size() - 1));
  }
  for (const std::string& key : probes) {
    const auto at =
        static_cast<std::size_t>(std::distance(items.begin(), items.lower_bound(key)));
    BOOST_TEST(block->lower_bound(key) == at);
    BOOST_TEST(block->find(key) == (items.contains(key) ? at : items.size()));
  }
}

BOOST_AUTO_TEST_CASE(what_a_builder_cannot_have_made_is_corrupt) {
  const auto is_corrupt = [](std::string_view bytes) {
    return failed_with(ItemBlock::decode(bytes), Errc::corrupt);
  };
  BOOST_TEST(is_corrupt(""));
  BOOST_TEST(is_corrupt(std::string_view("\0\0\0\0\0\0", 6)));                   // no items
  BOOST_TEST(is_corrupt(std::string_view("\2\0\0\0\1\0\0\1\1b\0\1\1b", 14)));    // equal keys
  BOOST_TEST(is_corrupt(std::string_view("\2\0\0\0\0\0\0\1\1b\0\1\1a", 14)));    // descending
  BOOST_TEST(is_corrupt(std::string_view("\2\0\0\0\0\0\0\2\1ab\0\2\1ac", 16)));  // shares "a"
  BOOST_TEST(
      is_corrupt(std::string_view("\2\0\0\0\0\0\0\1\1b\2\1\1c", 14)));      // shares too much
  BOOST_TEST(is_corrupt(std::string_view("\1\0\0\0\0\0\0\1\1b", 10)));      // common is 1
  BOOST_TEST(is_corrupt(std::string_view("\1\0\0\0\1\0\0\x81\0\1b", 11)));  // long varint
  BOOST_TEST(!is_corrupt(std::string_view("\1\0\0\0\1\0\0\1\1b", 10)));
  const std::string good = encode_items(numbered(20));
  for (std::size_t size = 0; size < good.size(); ++size) {
    BOOST_TEST(is_corrupt(std::string_view(good).substr(0, size)));
  }
  BOOST_TEST(is_corrupt(good + '\0'));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::format
