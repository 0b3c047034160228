#include "engine/base/result.hpp"

#include "tests/test.hpp"

#include <memory>
#include <set>

using namespace scoutfs;

namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(Errc::invalid);
  return value / 2;
}

Result<int> quarter(int value) {
  SCOUTFS_TRY(const int once, half(value));
  SCOUTFS_TRY(const int twice, half(once));
  return twice;
}

Result<void> even(int value) {
  SCOUTFS_CHECK(half(value));
  return {};
}

Result<std::unique_ptr<int>> boxed(int value) {
  SCOUTFS_TRY(auto number, half(value));
  return std::make_unique<int>(number);
}

Result<int> unboxed(int value) {
  SCOUTFS_TRY(const std::unique_ptr<int> box, boxed(value));
  return *box;
}

}  // namespace

BOOST_AUTO_TEST_CASE(try_binds_the_value_or_returns_the_error) {
  BOOST_TEST(quarter(8).value() == 2);
  BOOST_TEST(failed_with(quarter(6), Errc::invalid));
  BOOST_TEST(failed_with(quarter(7), Errc::invalid));
  BOOST_TEST(even(2).has_value());
  BOOST_TEST(failed_with(even(3), Errc::invalid));
}

BOOST_AUTO_TEST_CASE(try_moves_what_cannot_be_copied) {
  BOOST_TEST(unboxed(4).value() == 2);
  BOOST_TEST(failed_with(unboxed(5), Errc::invalid));
}

BOOST_AUTO_TEST_CASE(an_error_names_the_line_that_raised_it_first) {
  const auto first = half(1);
  const auto passed_on = quarter(7);
  BOOST_TEST(first.error().where.line() == passed_on.error().where.line());
  BOOST_TEST(std::string(first.error().where.file_name()).ends_with("result_test.cpp"));
}

BOOST_AUTO_TEST_CASE(failed_with_looks_at_the_code) {
  BOOST_TEST(!failed_with(half(2), Errc::invalid));
  BOOST_TEST(!failed_with(half(1), Errc::no_space));
}

BOOST_AUTO_TEST_CASE(every_error_code_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Errc::busy); ++code) {
    const std::string_view name = to_string(static_cast<Errc>(code));
    BOOST_TEST(name != "unknown error");
    BOOST_TEST(names.insert(name).second, name);
  }
}
