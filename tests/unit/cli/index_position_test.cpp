#include "cli/index_position.hpp"

#include "tests/test.hpp"

using namespace scoutfs::cli;

namespace {

constexpr std::uint64_t kMax = ~std::uint64_t{0};

IndexPosition parsed(std::string_view text) {
  std::string rest;
  const auto position = parse_index_position(text, &rest);
  BOOST_REQUIRE_MESSAGE(position.has_value(), text << " stopped at " << rest);
  return *position;
}

std::string stops_at(std::string_view text) {
  std::string rest;
  BOOST_TEST(!parse_index_position(text, &rest).has_value(), text);
  return rest;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_position_is_one_to_three_numbers_in_any_base_of_c) {
  BOOST_CHECK(parsed("0") == IndexPosition{});
  BOOST_CHECK(parsed("12.3.4") == (IndexPosition{.major = 12, .minor = 3, .ino = 4}));
  BOOST_CHECK(parsed("0x10.010.0X1f") == (IndexPosition{.major = 16, .minor = 8, .ino = 31}));
  BOOST_CHECK(parsed("18446744073709551615.4294967295.1") ==
              (IndexPosition{.major = kMax, .minor = 0xffffffff, .ino = 1}));
}

BOOST_AUTO_TEST_CASE(a_negative_number_wraps_in_its_own_width) {
  BOOST_CHECK(parsed("-1") == (IndexPosition{.major = kMax, .minor = 0, .ino = 0}));
  BOOST_CHECK(parsed("-1.-1.-1") ==
              (IndexPosition{.major = kMax, .minor = 0xffffffff, .ino = kMax}));
  BOOST_CHECK(parsed("-0x2").major == kMax - 1);
}

BOOST_AUTO_TEST_CASE(what_is_no_position_is_refused_where_it_stops) {
  BOOST_TEST(stops_at("") == "");
  BOOST_TEST(stops_at("x") == "x");
  BOOST_TEST(stops_at("1x") == "x");
  BOOST_TEST(stops_at("1.") == "");
  BOOST_TEST(stops_at("1.2.x") == "x");
  BOOST_TEST(stops_at("1.2.3.4") == ".4");
  BOOST_TEST(stops_at("1..2") == ".2");
  BOOST_TEST(stops_at("18446744073709551616") == "18446744073709551616");
  BOOST_TEST(stops_at("0.4294967296") == "4294967296");
  BOOST_TEST(stops_at("- 1") == "- 1");
}

BOOST_AUTO_TEST_CASE(negative_positions_are_kept_apart_from_options) {
  std::vector<std::string> arguments{"walk-inodes", "meta_seq", "-2.0.5", "-1", "-p", "--json"};
  unwrap_negative_positions(arguments);
  BOOST_TEST(arguments ==
             (std::vector<std::string>{"walk-inodes", "meta_seq", "18446744073709551614.0.5",
                                       "18446744073709551615", "-p", "--json"}));
  std::vector<std::string> others{"mkfs", "-1"};
  unwrap_negative_positions(others);
  BOOST_TEST(others.back() == "-1");
}
