// MergeIterator: read-ahead, laziness, errors, and abandonment.
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
const KeyRange kAll{"", std::string(kKeySizeMax, '\xff')};

Model numbered(int first, int count) {
  Model model;
  for (int i = first; i < first + count; ++i) {
    model["k" + std::to_string(1'000'000 + i)] =
        std::to_string(mix(static_cast<std::uint64_t>(i), 7)) + std::string(20, 'v');
  }
  return model;
}

Task<Result<Model>> drain(MergeIterator& it) {
  Model out;
  while (true) {
    SCOUTFS_CO_TRY(std::optional<Change> change, co_await it.next());
    if (!change.has_value()) co_return out;
    SCOUTFS_ASSERT(out.empty() || out.rbegin()->first < change->key);
    out.emplace(std::move(change->key), std::move(change->entry));
  }
}

struct Fixture {
  Fixture() { device.set_scheduler(&world.scheduler); }
  ~Fixture() { world.run(cache.close()); }
  Placed put(std::uint64_t at, const Model& items, std::uint8_t level) {
    return {put_segment(device, kFsid, BlockNo{at}, at, items).info, level, RecordNo{at}};
  }

  MemoryDevice device{1u << 16};
  World world;
  SegmentCache cache{world.scheduler, device, kFsid, 16u << 20};
};

BOOST_AUTO_TEST_SUITE(merge_iterator)

BOOST_AUTO_TEST_CASE(sources_that_were_added_earlier_win) {
  Fixture f;
  Memtable memtable;
  memtable.set("a", "memory");
  memtable.set("b", std::nullopt);
  memtable.set("z", "outside");
  MergeIterator it(f.cache, {"a", "d"}, Fill::cache);
  it.add(memtable);
  it.add(f.put(100, {{"a", "new"}, {"b", "new"}, {"c", "new"}}, 0));
  it.add(f.put(200, {{"a", "old"}, {"c", "old"}, {"d", "old"}, {"e", "old"}}, 0));
  memtable.set("a", "changed afterwards");
  const auto found = f.world.run(drain(it));
  const Model expected = {{"a", "memory"}, {"b", std::nullopt}, {"c", "new"}, {"d", "old"}};
  BOOST_TEST((found.value() == expected));
  BOOST_TEST(!f.world.run(it.next()).value().has_value());
}

BOOST_AUTO_TEST_CASE(a_level_opens_its_segments_when_they_are_reached) {
  Fixture f;
  SegmentList list;
  for (int i = 0; i < 10; ++i) {
    list.segments.push_back(
        f.put(1'000 + 1'000 * static_cast<std::uint64_t>(i), numbered(i * 20'000, 20'000), 1));
  }
  MergeIterator it(f.cache, kAll, Fill::bypass);
  it.add(list);
  for (int i = 0; i < 1'000; ++i) BOOST_TEST(f.world.run(it.next()).value().has_value());
  BOOST_TEST(f.cache.counters().opens <= 2U);
  MergeIterator narrow(f.cache, {"k1045000", "k1045010"}, Fill::bypass);
  narrow.add(list);
  const std::uint64_t opens = f.cache.counters().opens;
  BOOST_TEST(f.world.run(drain(narrow)).value().size() == 11U);
  BOOST_TEST(f.cache.counters().opens == opens + 1);
}

BOOST_AUTO_TEST_CASE(a_scan_reads_neighbouring_blocks_together_and_ahead) {
  Fixture f;
  const Model model = numbered(0, 60'000);
  const Placed placed = f.put(1'000, model, 1);
  const std::uint64_t blocks = placed.info.ref.where.count;
  BOOST_TEST(blocks > 150U);
  MergeIterator it(f.cache, kAll, Fill::bypass);
  it.add(placed);
  BOOST_TEST((f.world.run(drain(it)).value() == model));
  // Opening takes up to two reads, the data one for each 256 KiB.
  BOOST_TEST(f.device.counters().reads <= 2 + blocks / 64 + 2);
  BOOST_TEST(f.device.counters().blocks_read < blocks + blocks / 10 + 16);
  BOOST_TEST(f.cache.size_bytes() == 0U);
}

BOOST_AUTO_TEST_CASE(a_lookup_of_a_few_keys_reads_a_few_blocks_and_keeps_them) {
  Fixture f;
  const Placed placed = f.put(1'000, numbered(0, 60'000), 1);
  for (int round = 0; round < 2; ++round) {
    MergeIterator it(f.cache, {"k1030000", "k1030010"}, Fill::cache);
    it.add(placed);
    BOOST_TEST(f.world.run(drain(it)).value().size() == 11U);
    BOOST_TEST(f.cache.counters().block_misses <= 2U);
  }
  BOOST_TEST(f.cache.counters().block_hits > 0U);
}

BOOST_AUTO_TEST_CASE(many_sources_are_read_at_the_same_time) {
  Fixture f;
  MergeIterator it(f.cache, kAll, Fill::bypass);
  for (std::uint64_t i = 0; i < 12; ++i)
    it.add(f.put(1'000 + i * 1'000, numbered(static_cast<int>(i), 20'000), 0));
  TaskScope scope(f.world.scheduler);
  std::optional<Result<std::optional<Change>>> first;
  scope.spawn(scoutfs::testing::detail::store(it.next(), &first));
  // One step: every source has begun to open; their reads are in flight.
  f.world.scheduler.run(1 + 12);
  BOOST_TEST(f.cache.counters().opens == 12U);
  BOOST_TEST(f.device.counters().reads == 0U);
  f.world.scheduler.run();
  BOOST_TEST(first->value().has_value());
}

BOOST_AUTO_TEST_CASE(an_error_ends_the_iteration) {
  for (const Fill fill : {Fill::cache, Fill::bypass}) {
    for (std::uint64_t failing = 1; failing <= 6; ++failing) {
      Fixture f;
      const Placed one = f.put(1'000, numbered(0, 60'000), 0);
      const Placed two = f.put(3'000, numbered(30'000, 60'000), 0);
      MergeIterator it(f.cache, kAll, fill);
      it.add(one);
      it.add(two);
      f.device.fail_read(failing);
      BOOST_TEST(failed_with(f.world.run(drain(it)), Errc::io_error));
      BOOST_TEST(!f.world.run(it.next()).value().has_value());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_level_out_of_order_is_corrupt) {
  Fixture f;
  SegmentList list;
  list.segments.push_back(f.put(1'000, numbered(100, 50), 1));
  list.segments.push_back(f.put(2'000, numbered(0, 50), 1));
  MergeIterator it(f.cache, kAll, Fill::cache);
  it.add(list);
  BOOST_TEST(failed_with(f.world.run(drain(it)), Errc::corrupt));
}

BOOST_AUTO_TEST_CASE(an_iterator_may_be_abandoned_while_it_reads_ahead) {
  Fixture f;
  {
    MergeIterator it(f.cache, kAll, Fill::bypass);
    it.add(f.put(1'000, numbered(0, 60'000), 1));
    BOOST_TEST(f.world.run(it.next()).value().has_value());
  }
  f.world.run(f.cache.close());
}

BOOST_AUTO_TEST_CASE(a_node_may_be_killed_in_the_middle) {
  MemoryDevice device(1u << 16);
  const auto image = put_segment(device, kFsid, BlockNo{1'000}, 1, numbered(0, 60'000));
  for (std::uint64_t steps = 1; steps < 12; ++steps) {
    for (const Fill fill : {Fill::cache, Fill::bypass}) {
      World world;
      device.set_scheduler(&world.scheduler);
      SegmentCache cache(world.scheduler, device, kFsid, 16u << 20);
      MergeIterator it(cache, kAll, fill);
      it.add(Placed{image.info, 1, RecordNo{1}});
      TaskScope scope(world.scheduler);
      std::optional<Result<Model>> out;
      scope.spawn(scoutfs::testing::detail::store(drain(it), &out));
      world.scheduler.run(steps);
      world.scheduler.kill();
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::lsm
