#include "engine/lsm/manifest.hpp"

#include <algorithm>

#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

std::string key(std::uint64_t i) {
  std::string text;
  Writer(text).put_big(static_cast<std::uint16_t>(i));
  return text;
}

std::vector<KeyRange> random_coverage(std::size_t ranges_max) {
  const auto points = *rc::gen::container<std::vector<std::uint64_t>>(
      2 * *rc::gen::inRange<std::size_t>(1, ranges_max + 1),
      rc::gen::inRange<std::uint64_t>(0, 60));
  std::vector<std::uint64_t> sorted = points;
  std::ranges::sort(sorted);
  std::vector<KeyRange> coverage;
  for (std::size_t i = 0; i + 1 < sorted.size(); i += 2) {
    if (i > 0 && sorted[i] == sorted[i - 1]) continue;
    coverage.push_back({key(sorted[i]), key(sorted[i + 1])});
  }
  return coverage;
}

// In search order, found one by one.
std::vector<Placed> expected(std::vector<Placed> model, const KeyRange& range) {
  std::erase_if(model, [&range](const Placed& placed) {
    return std::ranges::none_of(placed.info.coverage,
                                [&range](const KeyRange& r) { return r.overlaps(range); });
  });
  std::ranges::sort(model, [](const Placed& a, const Placed& b) {
    if (a.level != b.level) return a.level < b.level;
    if (a.level == 0) return a.record > b.record;
    return a.info.first() < b.info.first();
  });
  return model;
}

RC_BOOST_PROP(a_manifest_finds_what_a_list_of_all_segments_finds, ()) {
  Manifest manifest;
  std::vector<Placed> model;
  std::uint64_t next = 1;
  const auto steps = *rc::gen::inRange(1, 60);
  for (int step = 0; step < steps; ++step) {
    if (!model.empty() && *rc::gen::inRange(0, 4) == 0) {
      const auto victim = *rc::gen::inRange<std::size_t>(0, model.size());
      const Placed removed = manifest.remove(model[victim].info.ref);
      RC_ASSERT(removed == model[victim]);
      model.erase(model.begin() + static_cast<std::ptrdiff_t>(victim));
    } else {
      const auto level = *rc::gen::inRange<std::uint8_t>(0, 4);
      Placed placed{{{{BlockNo{next * 8}, next % 8 + 1}, next},
                     1,
                     random_coverage(level == 0 ? kCoverageMax : 1)},
                    level,
                    RecordNo{next}};
      ++next;
      const KeyRange hull{placed.info.first(), placed.info.last()};
      const bool fits = level == 0 || manifest.overlapping(hull, level).empty();
      if (!fits) continue;
      manifest.add(placed);
      model.push_back(placed);
    }
    manifest.check_invariants();
    const std::vector<KeyRange> range = random_coverage(1);
    RC_ASSERT(manifest.overlapping(range[0]) == expected(model, range[0]));
  }
  std::size_t visited = 0;
  manifest.for_each([&visited](const Placed&) { ++visited; });
  RC_ASSERT(visited == model.size());
}

}  // namespace
}  // namespace scoutfs::lsm
