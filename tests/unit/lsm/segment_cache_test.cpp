// SegmentCache: what it reads, how often, and what it keeps.
#include "engine/lsm/segment_reader.hpp"
#include "tests/support/run.hpp"
#include "tests/support/segments.hpp"
#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

using scoutfs::testing::MemoryDevice;
using scoutfs::testing::Model;
using scoutfs::testing::put_segment;
using scoutfs::testing::World;

constexpr Fsid kFsid{0xfeedULL};

Model numbered(int count, char fill = 'v') {
  Model model;
  for (int i = 0; i < count; ++i) {
    const std::string number = std::to_string(1'000'000 + i);
    std::string value = std::to_string(mix(static_cast<std::uint64_t>(i), 7)) + number;
    value.append(20, fill);
    model["k" + number] = value;
  }
  return model;
}

Placed placed(const SegmentImage& image, std::uint8_t level, std::uint64_t record) {
  return {image.info, level, RecordNo{record}};
}

// Reads key after key and keeps how it went.
Task<void> get_into(SegmentCache& cache, SegmentRef ref, std::string key, int* found) {
  const auto answer = co_await cache.get(ref, key);
  if (answer.has_value() && answer->has_value()) ++*found;
}

BOOST_AUTO_TEST_SUITE(segment_cache)

BOOST_AUTO_TEST_CASE(the_newest_segment_that_knows_the_key_decides) {
  MemoryDevice device(4096);
  const auto deep = put_segment(device, kFsid, BlockNo{100}, 1,
                                {{"a", "deep"}, {"b", "deep"}, {"c", "deep"}});
  const auto middle =
      put_segment(device, kFsid, BlockNo{200}, 2, {{"b", std::nullopt}, {"c", "middle"}});
  const auto top = put_segment(device, kFsid, BlockNo{300}, 3, {{"c", "top"}, {"d", "top"}});
  const SegmentList list{{}, {placed(top, 0, 9), placed(middle, 0, 8), placed(deep, 1, 1)}};
  World world;
  SegmentCache cache(world.scheduler, device, kFsid, 1u << 20);
  BOOST_TEST(world.run(cache.get(list, "a")).value().value() == "deep");
  BOOST_TEST(!world.run(cache.get(list, "b")).value().has_value());
  BOOST_TEST(world.run(cache.get(list, "c")).value().value() == "top");
  BOOST_TEST(world.run(cache.get(list, "d")).value().value() == "top");
  BOOST_TEST(!world.run(cache.get(list, "e")).value().has_value());
}

BOOST_AUTO_TEST_CASE(a_get_that_hits_the_cache_does_not_suspend) {
  MemoryDevice device(4096);
  World world;
  device.set_scheduler(&world.scheduler);
  const auto image = put_segment(device, kFsid, BlockNo{100}, 1, numbered(10'000));
  const SegmentList list{{}, {placed(image, 1, 1)}};
  SegmentCache cache(world.scheduler, device, kFsid, 4u << 20);
  BOOST_TEST(!cache.try_get(list, "k1000005").has_value());
  BOOST_TEST(world.run(cache.get(list, "k1000005")).value().has_value());
  BOOST_TEST(cache.try_get(list, "k1000005").value().has_value());
  const std::uint64_t reads = device.counters().reads;
  TaskScope scope(world.scheduler);
  int found = 0;
  scope.spawn(get_into(cache, image.info.ref, "k1000006", &found));
  BOOST_TEST(world.scheduler.run() == 1U);  // the start of the task, and nothing after it
  BOOST_TEST(found == 1);
  BOOST_TEST(device.counters().reads == reads);
}

BOOST_AUTO_TEST_CASE(concurrent_misses_of_a_block_read_it_once) {
  MemoryDevice device(4096);
  World world;
  device.set_scheduler(&world.scheduler);
  const auto image = put_segment(device, kFsid, BlockNo{100}, 1, numbered(10'000));
  SegmentCache cache(world.scheduler, device, kFsid, 4u << 20);
  TaskScope scope(world.scheduler);
  int found = 0;
  for (int i = 0; i < 20; ++i) {
    scope.spawn(get_into(cache, image.info.ref, "k10000" + std::to_string(10 + i), &found));
  }
  world.scheduler.run();
  BOOST_TEST(found == 20);
  BOOST_TEST(cache.counters().opens == 1U);
  BOOST_TEST(cache.counters().block_misses == 1U);
  BOOST_TEST(device.counters().reads == 2U);
}

BOOST_AUTO_TEST_CASE(a_failed_read_is_reported_to_all_and_tried_again_later) {
  MemoryDevice device(4096);
  World world;
  device.set_scheduler(&world.scheduler);
  const auto image = put_segment(device, kFsid, BlockNo{100}, 1, numbered(10'000));
  SegmentCache cache(world.scheduler, device, kFsid, 4u << 20);
  for (const std::uint64_t failing : {1, 2}) {  // the open, then the block
    device.fail_read(failing);
    TaskScope scope(world.scheduler);
    int found = 0;
    for (int i = 0; i < 3; ++i) {
      scope.spawn(get_into(cache, image.info.ref, "k1000010", &found));
    }
    world.scheduler.run();
    BOOST_TEST(found == 0);
  }
  BOOST_TEST(world.run(cache.get(image.info.ref, "k1000010")).value().has_value());
}

BOOST_AUTO_TEST_CASE(a_small_segment_takes_one_read) {
  MemoryDevice device(4096);
  const auto image = put_segment(device, kFsid, BlockNo{100}, 1, numbered(40));
  World world;
  SegmentCache cache(world.scheduler, device, kFsid, 4u << 20);
  for (const auto& [key, entry] : numbered(40)) {
    BOOST_TEST(world.run(cache.get(image.info.ref, key)).value().has_value());
  }
  BOOST_TEST(device.counters().reads == 1U);
}

BOOST_AUTO_TEST_CASE(it_stays_within_its_size_and_keeps_what_is_used) {
  MemoryDevice device(8192);
  const Model model = numbered(40'000);
  const auto image = put_segment(device, kFsid, BlockNo{100}, 1, model);
  World world;
  constexpr std::uint64_t kSize = 512u << 10;
  SegmentCache cache(world.scheduler, device, kFsid, kSize);
  BOOST_TEST(world.run(cache.get(image.info.ref, "k1000000")).value().has_value());
  std::uint64_t misses_of_hot = 0;
  int round = 0;
  for (const auto& [key, entry] : model) {
    if (++round % 50 != 0) continue;
    BOOST_TEST(world.run(cache.get(image.info.ref, key)).value().has_value());
    const std::uint64_t before = cache.counters().block_misses;
    BOOST_TEST(world.run(cache.get(image.info.ref, "k1000000")).value().has_value());
    misses_of_hot += cache.counters().block_misses - before;
    BOOST_TEST(cache.size_bytes() <= kSize);
  }
  BOOST_TEST(misses_of_hot == 0U);
  BOOST_TEST(cache.counters().opens == 1U);
  BOOST_TEST(cache.size_bytes() > kSize / 2);
}

BOOST_AUTO_TEST_CASE(a_cache_of_no_size_still_answers) {
  MemoryDevice device(4096);
  World world;
  device.set_scheduler(&world.scheduler);
  const Model model = numbered(3'000);
  const auto image = put_segment(device, kFsid, BlockNo{100}, 1, model);
  SegmentCache cache(world.scheduler, device, kFsid, 0);
  for (int i = 0; i < 3'000; i += 100) {
    const std::string key = "k" + std::to_string(1'000'000 + i);
    BOOST_TEST(world.run(cache.get(image.info.ref, key)).value().has_value());
    BOOST_TEST(cache.size_bytes() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(most_absent_keys_need_no_block) {
  MemoryDevice device(4096);
  const auto image = put_segment(device, kFsid, BlockNo{100}, 1, numbered(10'000));
  World world;
  SegmentCache cache(world.scheduler, device, kFsid, 4u << 20);
  for (int i = 0; i < 1'000; ++i) {
    const std::string key = "k" + std::to_string(1'000'000 + i) + "x";
    BOOST_TEST(!world.run(cache.get(image.info.ref, key)).value().has_value());
  }
  BOOST_TEST(cache.counters().filter_negatives > 950U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::lsm
