#include "engine/lsm/area.hpp"

#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

BOOST_AUTO_TEST_CASE(space_is_given_out_first_fit_and_comes_back) {
  Area area({BlockNo{100}, 100});
  const Result<Extent> a = area.allocate(40);
  const Result<Extent> b = area.allocate(40);
  BOOST_TEST(a->start.value == 100u);
  BOOST_TEST(b->start.value == 140u);
  BOOST_TEST(failed_with(area.allocate(21), Errc::no_space));
  BOOST_TEST(area.usable_blocks() == 0u);
  area.free(*a);
  BOOST_TEST(area.largest_run() == 40u);
  BOOST_TEST(area.allocate(10)->start.value == 100u);
  area.free(*b);
  area.check_invariants();
  BOOST_TEST(area.largest_run() == 90u);
  BOOST_TEST(area.free_blocks() == 90u);
}

BOOST_AUTO_TEST_CASE(only_free_space_can_be_taken) {
  Area area({BlockNo{100}, 100});
  BOOST_TEST(area.take({BlockNo{120}, 10}));
  BOOST_TEST(!area.take({BlockNo{129}, 1}));
  BOOST_TEST(!area.take({BlockNo{110}, 11}));
  BOOST_TEST(!area.take({BlockNo{99}, 5}));
  BOOST_TEST(!area.take({BlockNo{195}, 6}));
  BOOST_TEST(area.take({BlockNo{130}, 70}));
  BOOST_TEST(area.take({BlockNo{100}, 20}));
  BOOST_TEST(area.free_blocks() == 0u);
  area.check_invariants();
}

RC_BOOST_PROP(an_area_agrees_with_a_map_of_blocks, ()) {
  Area area({BlockNo{10}, 200});
  std::vector<bool> used(200);
  std::vector<Extent> extents;
  const auto steps = *rc::gen::inRange(1, 100);
  for (int step = 0; step < steps; ++step) {
    if (!extents.empty() && *rc::gen::arbitrary<bool>()) {
      const auto victim = *rc::gen::inRange<std::size_t>(0, extents.size());
      const Extent extent = extents[victim];
      extents.erase(extents.begin() + static_cast<std::ptrdiff_t>(victim));
      for (auto b = extent.start.value; b < extent.end().value; ++b) used[b - 10] = false;
      area.free(extent);
    } else {
      const Result<Extent> extent = area.allocate(*rc::gen::inRange<std::uint64_t>(1, 50));
      if (!extent.has_value()) continue;
      for (auto b = extent->start.value; b < extent->end().value; ++b) {
        RC_ASSERT(!used[b - 10]);
        used[b - 10] = true;
      }
      extents.push_back(*extent);
    }
    area.check_invariants();
    RC_ASSERT(area.free_blocks() ==
              static_cast<std::uint64_t>(std::count(used.begin(), used.end(), false)));
  }
}

}  // namespace
}  // namespace scoutfs::lsm
