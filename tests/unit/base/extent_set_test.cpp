#include "engine/base/extent_set.hpp"

#include <set>

#include "tests/test.hpp"

namespace scoutfs {
namespace {

BOOST_AUTO_TEST_SUITE(extent_set)

BOOST_AUTO_TEST_CASE(neighbours_become_one_run) {
  ExtentSet set;
  BOOST_TEST(set.add({BlockNo{10}, 5}));
  BOOST_TEST(set.add({BlockNo{20}, 5}));
  BOOST_TEST(set.add({BlockNo{15}, 5}));
  BOOST_TEST(set.extents().size() == 1);
  BOOST_TEST((set.longest() == Extent{BlockNo{10}, 15}));
  BOOST_TEST(!set.add({BlockNo{12}, 1}));
  BOOST_TEST(!set.add({BlockNo{30}, 0}));
}

BOOST_AUTO_TEST_CASE(only_what_is_there_can_be_removed) {
  ExtentSet set;
  BOOST_TEST(set.add({BlockNo{10}, 10}));
  BOOST_TEST(!set.remove({BlockNo{15}, 6}));
  BOOST_TEST(set.remove({BlockNo{12}, 3}));
  BOOST_TEST((set.extents() == std::vector<Extent>{{BlockNo{10}, 2}, {BlockNo{15}, 5}}));
}

BOOST_AUTO_TEST_CASE(taking_prefers_the_hint_then_the_best_fit_then_the_longest) {
  ExtentSet set;
  BOOST_TEST(set.add({BlockNo{0}, 4}));
  BOOST_TEST(set.add({BlockNo{10}, 20}));
  BOOST_TEST(set.add({BlockNo{100}, 8}));
  BOOST_TEST((*set.take(3, BlockNo{105}) == Extent{BlockNo{105}, 3}));
  BOOST_TEST((*set.take(5, BlockNo{50}) == Extent{BlockNo{100}, 5}));
  BOOST_TEST((*set.take(50, BlockNo{50}) == Extent{BlockNo{10}, 20}));
  BOOST_TEST(!set.take(50, BlockNo{50}, 5).has_value());
}

// Against a set of single blocks; and what an owner was told equals what is there.
RC_BOOST_PROP(it_is_a_set_of_blocks, ()) {
  ExtentSet set;
  std::set<std::uint64_t> model;
  std::map<std::uint64_t, std::uint64_t> told;
  set.set_on_change([&told](BlockNo start, std::uint64_t count) {
    if (count == 0) {
      told.erase(start.value);
    } else {
      told[start.value] = count;
    }
  });
  const auto steps = *rc::gen::inRange(1, 80);
  for (int i = 0; i < steps; ++i) {
    const Extent extent{BlockNo{*rc::gen::inRange<std::uint64_t>(0, 60)},
                        *rc::gen::inRange<std::uint64_t>(1, 9)};
    std::uint64_t present = 0;
    for (std::uint64_t n = 0; n < extent.count; ++n)
      present += model.count(extent.start.value + n);
    if (*rc::gen::inRange(0, 2) == 0) {
      RC_ASSERT(set.add(extent) == (present == 0));
      for (std::uint64_t n = 0; present == 0 && n < extent.count; ++n) {
        model.insert(extent.start.value + n);
      }
    } else {
      RC_ASSERT(set.remove(extent) == (present == extent.count));
      for (std::uint64_t n = 0; present == extent.count && n < extent.count; ++n) {
        model.erase(extent.start.value + n);
      }
    }
    set.check_invariants();
    RC_ASSERT(set.blocks() == model.size());
  }
  std::map<std::uint64_t, std::uint64_t> there;
  for (const Extent& extent : set.extents()) there[extent.start.value] = extent.count;
  RC_ASSERT(there == told);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs
