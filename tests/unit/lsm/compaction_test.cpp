#include "engine/lsm/compaction.hpp"

#include "tests/support/run.hpp"
#include "tests/support/segments.hpp"
#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

using testing::MemoryDevice;
using testing::Model;
using testing::put_segment;
using testing::World;

constexpr Fsid kFsid{5};

// Gives out blocks from `next` on, up to `end`.
class Space : public OutputSpace {
 public:
  Space(std::uint64_t next, std::uint64_t end) : next_(next), end_(end) {}
  Result<SegmentRef> allocate(std::uint64_t blocks) override {
    if (blocks > end_ - next_) return fail(Errc::no_space);
    const SegmentRef ref{{BlockNo{next_}, blocks}, 9000 + next_};
    next_ += blocks;
    return ref;
  }

 private:
  std::uint64_t next_;
  std::uint64_t end_;
};

struct Bench {
  ~Bench() { world.run(cache.close()); }

  Placed segment(std::uint64_t start, std::uint8_t level, std::uint64_t record,
                 const Model& items) {
    SegmentInfo info = put_segment(device, kFsid, BlockNo{start}, start, items).info;
    return moved(Placed{std::move(info), level, RecordNo{record}}, level);
  }
  Result<std::vector<SegmentInfo>> run(const Job& job, std::uint64_t space = 2000) {
    Space outputs(1000, 1000 + space);
    return world.run(run_job(cache, device, kFsid, job, outputs));
  }
  // All entries of the segments, tombstones as they are.
  Model contents(const std::vector<SegmentInfo>& infos) {
    Model items;
    for (const SegmentInfo& info : infos) {
      MergeIterator it(cache, {info.first(), info.last()}, Fill::bypass);
      it.add(Placed{info, 0, RecordNo{1}});
      while (true) {
        auto item = world.run(it.next());
        BOOST_REQUIRE(item.has_value());
        if (!item->has_value()) break;
        const bool added = items.emplace((*item)->key, (*item)->entry).second;
        BOOST_REQUIRE(added);
      }
    }
    return items;
  }

  World world;
  MemoryDevice device{4000};
  SegmentCache cache{world.scheduler, device, kFsid, 1u << 20};
};

Job job_of(std::vector<Placed> inputs, std::uint8_t output_level) {
  Job job;
  job.id = JobId{1};
  job.inputs = std::move(inputs);
  job.output_level = output_level;
  job.output_record = job.inputs.front().record;
  return job;
}

BOOST_AUTO_TEST_CASE(the_newest_entry_of_each_key_survives_a_merge) {
  Bench bench;
  const Placed newer = bench.segment(10, 0, 2, {{"a", "2"}, {"b", std::nullopt}, {"d", "2"}});
  const Placed older = bench.segment(20, 0, 1, {{"a", "1"}, {"b", "1"}, {"c", "1"}});
  const Placed oldest = bench.segment(30, 1, 0, {{"b", "0"}, {"c", "0"}, {"e", "0"}});
  const auto outputs = bench.run(job_of({newer, older, oldest}, 1));
  BOOST_REQUIRE(outputs.has_value());
  BOOST_REQUIRE_EQUAL(outputs->size(), 1u);
  const Model expected{{"a", "2"}, {"b", std::nullopt}, {"c", "1"}, {"d", "2"}, {"e", "0"}};
  BOOST_TEST((bench.contents(*outputs) == expected));
  BOOST_TEST(outputs->front().item_count == 5u);
  BOOST_TEST(outputs->front().coverage.size() == 1u);
  BOOST_TEST(bench.device.unflushed_count() == 0u);
}

BOOST_AUTO_TEST_CASE(tombstones_are_dropped_at_the_bottom_and_only_there) {
  Bench bench;
  Model deletions;
  for (char c = 'a'; c <= 'h'; ++c) deletions[std::string(1, c)] = std::nullopt;
  Job job = job_of({bench.segment(10, 0, 1, deletions)}, 1);
  job.bottom = {{"b", "c"}, {"f", "f"}, {"h", "z"}};
  const auto outputs = bench.run(job);
  BOOST_REQUIRE(outputs.has_value());
  const Model expected{{"a", {}}, {"d", {}}, {"e", {}}, {"g", {}}};
  BOOST_TEST((bench.contents(*outputs) == expected));
  job.bottom = {{"a", "z"}};
  const auto nothing = bench.run(job);
  BOOST_REQUIRE(nothing.has_value());
  BOOST_TEST(nothing->empty());
}

BOOST_AUTO_TEST_CASE(no_output_crosses_a_split_even_where_what_lies_at_it_is_dropped) {
  Bench bench;
  const Placed input = bench.segment(
      10, 0, 1, {{"a", "1"}, {"c", std::nullopt}, {"d", "1"}, {"e", "1"}, {"x", "1"}});
  Job job = job_of({input}, 1);
  job.bottom = {{"c", "c"}};
  job.splits = {"b", "e", "m", "n"};
  const auto outputs = bench.run(job);
  BOOST_REQUIRE(outputs.has_value());
  std::vector<KeyRange> ranges;
  for (const SegmentInfo& info : *outputs) ranges.push_back({info.first(), info.last()});
  BOOST_TEST((ranges == std::vector<KeyRange>{{"a", "a"}, {"d", "d"}, {"e", "e"}, {"x", "x"}}));
}

BOOST_AUTO_TEST_CASE(outputs_stay_within_the_size_and_are_disjoint) {
  Bench bench;
  Model items;
  for (std::uint64_t i = 0; i < 400; ++i) {
    std::string value;
    for (std::uint64_t j = 0; j < 100; ++j) Writer(value).put(mix(i, j));
    items["key" + std::to_string(1000 + i)] = value;
  }
  Job job = job_of({bench.segment(10, 0, 1, items)}, 2);
  job.segment_size_max = 16 * kBlockSize;
  const auto outputs = bench.run(job);
  BOOST_REQUIRE(outputs.has_value());
  BOOST_TEST(outputs->size() >= 5u);
  for (std::size_t i = 0; i < outputs->size(); ++i) {
    BOOST_TEST(outputs->at(i).ref.where.count <= 16u);
    if (i > 0) BOOST_TEST(outputs->at(i - 1).last() < outputs->at(i).first());
  }
  BOOST_TEST((bench.contents(*outputs) == items));
}

BOOST_AUTO_TEST_CASE(equal_inputs_and_places_give_equal_bytes) {
  const auto bytes = [] {
    Bench bench;
    Model items;
    for (int i = 0; i < 500; ++i) items["key" + std::to_string(i)] = std::to_string(i * i);
    const Placed newer = bench.segment(10, 0, 2, {{"key7", "new"}, {"key8", std::nullopt}});
    const Placed older = bench.segment(20, 0, 1, items);
    const auto outputs = bench.run(job_of({newer, older}, 0));
    BOOST_REQUIRE(outputs.has_value());
    return bench.device.peek(BlockNo{1000}, 100);
  };
  BOOST_TEST(bytes() == bytes());
}

BOOST_AUTO_TEST_CASE(a_merge_without_space_or_with_a_damaged_input_fails) {
  Bench bench;
  const Placed input = bench.segment(10, 0, 1, {{"a", "1"}});
  BOOST_TEST(failed_with(bench.run(job_of({input}, 1), 0), Errc::no_space));
  bench.device.fail_write(1);
  BOOST_TEST(failed_with(bench.run(job_of({input}, 1)), Errc::io_error));
  bench.device.fail_flush(1);
  BOOST_TEST(failed_with(bench.run(job_of({input}, 1)), Errc::io_error));
  BOOST_TEST(bench.run(job_of({input}, 1)).has_value());
  const Placed damaged = bench.segment(40, 0, 1, {{"a", "1"}});
  bench.device.flip_bit(BlockNo{40}, 100);
  BOOST_TEST(failed_with(bench.run(job_of({damaged}, 1)), Errc::corrupt));
}

BOOST_AUTO_TEST_CASE(a_job_has_exactly_these_bytes_and_survives_decoding) {
  Job job;
  job.id = JobId{3};
  job.inputs = {{{{{BlockNo{1}, 2}, 4}, 5, {{"a", "b"}}}, 0, RecordNo{6}}};
  job.output_level = 1;
  job.output_record = RecordNo{6};
  job.bottom = {{"c", "d"}};
  job.splits = {"e"};
  job.segment_size_max = kBlockSize;
  std::string bytes;
  Writer out(bytes);
  encode(out, job);
  std::string expected;
  Writer by_hand(expected);
  by_hand.put(job.id);
  by_hand.put_varint(1);
  encode(by_hand, job.inputs[0]);
  by_hand.put(std::uint8_t{1});
  by_hand.put(RecordNo{6});
  by_hand.put_raw(
      "\x01\x01"
      "c\x01"
      "d\x01\x01"
      "e\x80\x20");
  BOOST_TEST(bytes == expected);
  Reader in(bytes);
  BOOST_TEST((decode_job(in) == job));
  BOOST_TEST(in.finished());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Reader cut(std::string_view(bytes).substr(0, size));
    static_cast<void>(decode_job(cut));
    BOOST_TEST(!cut.finished());
  }
}

BOOST_AUTO_TEST_CASE(a_job_that_run_job_could_not_bear_is_no_job) {
  const auto good = [](const auto& change) {
    Job job;
    job.inputs = {{{{{BlockNo{1}, 2}, 4}, 5, {{"a", "b"}}}, 0, RecordNo{6}}};
    change(job);
    std::string bytes;
    Writer out(bytes);
    encode(out, job);
    Reader in(bytes);
    static_cast<void>(decode_job(in));
    return in.finished();
  };
  BOOST_TEST(good([](Job&) {}));
  BOOST_TEST(!good([](Job& job) { job.inputs.clear(); }));
  BOOST_TEST(!good([](Job& job) { job.inputs[0].level = kLevelMax + 1; }));
  BOOST_TEST(!good([](Job& job) { job.output_level = kLevelMax + 1; }));
  BOOST_TEST(!good([](Job& job) { job.segment_size_max = 0; }));
  BOOST_TEST(!good([](Job& job) { job.segment_size_max = kBlockSize + 1; }));
  BOOST_TEST(!good([](Job& job) { job.bottom = {{"b", "a"}}; }));
  BOOST_TEST(!good([](Job& job) { job.bottom = {{"a", "b"}, {"b", "c"}}; }));
  BOOST_TEST(!good([](Job& job) { job.splits = {"b", "b"}; }));
  BOOST_TEST(!good([](Job& job) { job.splits = {std::string(kJobKeyMax + 1, 'x')}; }));
}

}  // namespace
}  // namespace scoutfs::lsm
