#include "sim/shrink/ddmin.hpp"

#include <algorithm>

#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

using Fails = std::function<bool(const Items&)>;

// Tries candidates one by one, and counts them.
struct Tries {
  Fails fails;
  std::size_t count = 0;
  std::size_t allowed = ~0UL;

  FirstFailing first_failing() {
    return [this](const std::vector<Items>& candidates) -> std::optional<std::size_t> {
      for (std::size_t i = 0; i < candidates.size() && count < allowed; ++i) {
        ++count;
        if (fails(candidates[i])) return i;
      }
      return std::nullopt;
    };
  }
};

Fails needs(const Items& wanted) {
  return [wanted](const Items& items) { return std::ranges::includes(items, wanted); };
}

Items shrunk(std::size_t count, const Fails& fails) {
  Tries tries{.fails = fails};
  return ddmin(count, tries.first_failing());
}

BOOST_AUTO_TEST_CASE(what_is_needed_is_left_wherever_it_is) {
  for (const std::size_t count : {1U, 2U, 7U, 64U, 201U}) {
    for (const Items& wanted : {Items{0}, Items{count - 1}, Items{count / 2}}) {
      BOOST_TEST(shrunk(count, needs(wanted)) == wanted);
    }
  }
  BOOST_TEST(shrunk(100, needs({3, 50, 51, 99})) == (Items{3, 50, 51, 99}));
}

BOOST_AUTO_TEST_CASE(nothing_is_left_where_nothing_is_needed) {
  BOOST_TEST(shrunk(50, needs({})).empty());
  BOOST_TEST(shrunk(0, needs({})).empty());
}

BOOST_AUTO_TEST_CASE(everything_is_left_where_all_is_needed) {
  BOOST_TEST(shrunk(5, [](const Items& items) { return items.size() == 5; }).size() == 5U);
}

BOOST_AUTO_TEST_CASE(no_single_item_can_be_left_out_of_what_is_left) {
  const Fails fails = [](const Items& items) {
    // Not monotone: an even number of the multiples of three, at least four.
    const auto threes = std::ranges::count_if(items, [](std::size_t i) { return i % 3 == 0; });
    return threes >= 4 && threes % 2 == 0;
  };
  const Items left =
      shrunk(61, [&fails](const Items& items) { return items.size() == 61 || fails(items); });
  BOOST_TEST(fails(left));
  for (const std::size_t item : left) {
    Items less = left;
    std::erase(less, item);
    BOOST_TEST(!fails(less));
  }
}

BOOST_AUTO_TEST_CASE(the_best_so_far_is_what_comes_of_too_little_time) {
  const Items wanted{10, 90};
  for (const std::size_t allowed : {0U, 1U, 3U, 10U, 40U}) {
    Tries tries{.fails = needs(wanted), .allowed = allowed};
    const Items left = ddmin(100, tries.first_failing());
    BOOST_TEST(std::ranges::includes(left, wanted));
    BOOST_TEST(tries.count <= allowed);
  }
}

BOOST_AUTO_TEST_CASE(few_candidates_are_enough_for_few_items) {
  Tries tries{.fails = needs({17, 150})};
  BOOST_TEST(ddmin(200, tries.first_failing()).size() == 2U);
  BOOST_TEST(tries.count < 60U);
}

}  // namespace
}  // namespace scoutfs::sim
