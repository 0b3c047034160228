// Memtable.
#include "engine/lsm/memtable.hpp"

#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

BOOST_AUTO_TEST_SUITE(memtable)

BOOST_AUTO_TEST_CASE(the_newest_entry_of_a_key_is_found) {
  Memtable table;
  BOOST_TEST(table.find("a") == nullptr);
  table.set("a", "one");
  table.set("a", "two");
  table.set("b", std::nullopt);
  BOOST_REQUIRE(table.find("a") != nullptr);
  BOOST_TEST(table.find("a")->value() == "two");
  BOOST_REQUIRE(table.find("b") != nullptr);
  BOOST_TEST(!table.find("b")->has_value());
}

BOOST_AUTO_TEST_CASE(later_changes_of_a_batch_win) {
  Batch batch;
  batch.put("a", "one");
  batch.put("b", "kept");
  batch.erase("a");
  Memtable table;
  table.apply(std::move(batch));
  BOOST_TEST(table.map().size() == 2U);
  BOOST_TEST(!table.find("a")->has_value());
}

BOOST_AUTO_TEST_CASE(its_size_is_the_sum_over_what_it_holds) {
  Memtable table;
  table.set("key", std::string(100, 'x'));
  table.set("key", std::string(40, 'x'));
  table.set("other", std::nullopt);
  BOOST_TEST(table.size_bytes() == 3 + 40 + 5 + 2 * Memtable::kItemOverhead);
  table.set("key", std::nullopt);
  BOOST_TEST(table.size_bytes() == 3 + 5 + 2 * Memtable::kItemOverhead);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::lsm
