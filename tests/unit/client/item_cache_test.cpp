#include "engine/client/item_cache.hpp"

#include "tests/test.hpp"

namespace scoutfs::client {
namespace {

BOOST_AUTO_TEST_SUITE(item_cache)

BOOST_AUTO_TEST_CASE(a_key_without_an_item_is_absent_only_where_everything_is_known) {
  ItemCache cache;
  cache.set("b", lsm::Entry("value"));
  BOOST_TEST(cache.find("a") == nullptr);
  cache.add_known({"a", "m"});
  BOOST_REQUIRE(cache.find("a") != nullptr);
  BOOST_TEST(!cache.find("a")->has_value());
  BOOST_TEST(**cache.find("b") == "value");
  BOOST_TEST(cache.find("n") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_range_is_known_only_if_one_stretch_covers_it) {
  ItemCache cache;
  cache.add_known({"a", "f"});
  cache.add_known({"h", "m"});
  BOOST_TEST(cache.knows({"b", "e"}));
  BOOST_TEST(!cache.knows({"b", "i"}));
  cache.add_known({"e", "h"});
  BOOST_TEST(cache.knows({"a", "m"}));
}

BOOST_AUTO_TEST_CASE(cleared_it_knows_nothing_and_takes_no_memory) {
  ItemCache cache;
  cache.set("b", lsm::Entry("value"));
  cache.set("b", std::nullopt);
  cache.add_known({"a", "m"});
  BOOST_TEST(cache.size_bytes() > 0);
  cache.clear();
  BOOST_TEST(cache.size_bytes() == 0);
  BOOST_TEST(cache.find("b") == nullptr);
  BOOST_TEST(!cache.knows({"a", "b"}));
}

// What it says of a key is what was put last, absent inside known ranges, unknown elsewhere.
RC_BOOST_PROP(it_says_what_is_known, ()) {
  ItemCache cache;
  std::map<char, lsm::Entry> items;
  std::map<char, bool> known;
  const auto steps = *rc::gen::inRange(1, 30);
  for (int i = 0; i < steps; ++i) {
    const char a = static_cast<char>(*rc::gen::inRange<int>('a', 'z' + 1));
    const char b = static_cast<char>(*rc::gen::inRange<int>(a, 'z' + 1));
    if (*rc::gen::inRange(0, 2) == 0) {
      items[a] = lsm::Entry(std::string(1, b));
      cache.set(std::string(1, a), items[a]);
    } else {
      cache.add_known({std::string(1, a), std::string(1, b)});
      for (char c = a; c <= b; ++c) known[c] = true;
    }
  }
  for (char c = 'a'; c <= 'z'; ++c) {
    const lsm::Entry* found = cache.find(std::string(1, c));
    if (items.contains(c)) {
      RC_ASSERT(found != nullptr && *found == items[c]);
    } else if (known.contains(c)) {
      RC_ASSERT(found != nullptr && !found->has_value());
    } else {
      RC_ASSERT(found == nullptr);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::client
