#include "engine/env/drift.hpp"

#include "tests/test.hpp"

namespace scoutfs {
namespace {

// True time that passes while a clock that is `ppm` millionths fast shows `shown_ns`.
TimeNs true_time(TimeNs shown_ns, std::int64_t ppm) {
  constexpr std::int64_t kMillion = 1'000'000;
  return static_cast<TimeNs>(static_cast<__int128>(shown_ns) * kMillion / (kMillion + ppm));
}

BOOST_AUTO_TEST_CASE(a_duration_counted_short_is_over_in_time_on_the_slowest_clock) {
  const auto bound = static_cast<std::int64_t>(kDriftBoundPpm);
  for (const TimeNs duration_ns :
       {kMillisecond, 1'500 * kMillisecond, kLeaseMax, kLeaseMax + 1}) {
    BOOST_TEST(true_time(counted_short(duration_ns), -bound) <= duration_ns);
    BOOST_TEST(true_time(counted_short(duration_ns), bound) <= duration_ns);
  }
}

BOOST_AUTO_TEST_CASE(a_duration_counted_long_is_not_over_early_on_the_fastest_clock) {
  const auto bound = static_cast<std::int64_t>(kDriftBoundPpm);
  for (const TimeNs duration_ns :
       {kMillisecond, 1'500 * kMillisecond, kLeaseMax, kLeaseMax + 1}) {
    BOOST_TEST(true_time(counted_long(duration_ns), bound) >= duration_ns);
    BOOST_TEST(true_time(counted_long(duration_ns), -bound) >= duration_ns);
  }
}

}  // namespace
}  // namespace scoutfs
