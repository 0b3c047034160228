#include "cli/progress.hpp"

#include "cli/table.hpp"
#include "tests/test.hpp"

namespace scoutfs::cli {
namespace {

constexpr ProgressFigures kHalfWay{
    .total = 1000, .skipped = 300, .done = 200, .failed = 2, .seconds = 10};

BOOST_AUTO_TEST_CASE(progress_shows_rate_and_time_left_of_what_is_not_done) {
  BOOST_TEST(progress_line(kHalfWay) ==
             "500 of 1000 seeds (50 %), 20.0 seeds/s, ETA 0:00:25, 2 failed");
}

BOOST_AUTO_TEST_CASE(a_bar_fits_its_columns) {
  BOOST_TEST(
      progress_bar(kHalfWay, 80) ==
      "[#############-------------] 500/1000  50 %  20.0 seeds/s  ETA 0:00:25  2 failed");
  BOOST_TEST(progress_bar(kHalfWay, 200).find("[####################---") == 0U);
  BOOST_TEST(progress_bar(kHalfWay, 30) == "500/1000  50 %  20.0 seeds/s  ");
}

BOOST_AUTO_TEST_CASE(nothing_known_and_nothing_to_do_are_shown) {
  BOOST_TEST(progress_line({.total = 10}) ==
             "0 of 10 seeds (0 %), 0.0 seeds/s, ETA -, 0 failed");
  BOOST_TEST(progress_line({}) == "0 of 0 seeds (100 %), 0.0 seeds/s, ETA -, 0 failed");
}

BOOST_AUTO_TEST_CASE(a_table_aligns_numbers_to_the_right) {
  Table table({"Name", "Count"});
  table.add({"a", "1"});
  table.add({"long", "1000"});
  BOOST_TEST(table.text() ==
             "Name  Count\n"
             "a         1\n"
             "long   1000\n");
  BOOST_TEST(percent(1, 3) == "33.3");
  BOOST_TEST(percent(0, 0) == "-");
}

}  // namespace
}  // namespace scoutfs::cli
