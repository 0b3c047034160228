// The bytes of a segment, from the builder to the reader.
#include "engine/format/segment.hpp"

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

Model numbered(int count, std::size_t value_size) {
  Model model;
  for (int i = 0; i < count; ++i) {
    std::string value;
    while (value.size() < value_size) {
      const std::uint64_t bits = mix(static_cast<std::uint64_t>(i), value.size());
      value.append(reinterpret_cast<const char*>(&bits), 8);
      value.append(8, 'v');
    }
    value.resize(value_size);
    model["fs/" + std::to_string(1'000'000 + i * 3) + "/entry"] =
        i % 7 == 3 ? Entry() : Entry(value);
  }
  return model;
}

// Everything of the segment, through the cache: nullopt if anything is found to be wrong.
Result<Model> read_all(MemoryDevice& device, SegmentRef ref, Fsid fsid, const Model& wanted) {
  World world;
  SegmentCache cache(world.scheduler, device, fsid, 64u << 20);
  Model found;
  for (const auto& [key, entry] : wanted) {
    auto answer = world.run(cache.get(ref, key));
    if (!answer.has_value()) return std::unexpected(answer.error());
    if (answer->has_value()) found[key] = **answer;
  }
  world.run(cache.close());
  return found;
}

BOOST_AUTO_TEST_SUITE(segment_format)

BOOST_AUTO_TEST_CASE(the_bytes_are_pinned) {
  MemoryDevice device(64);
  const Model model = {{"a", "one"}, {"b", std::nullopt}, {"c", "three"}};
  const SegmentImage image =
      put_segment(device, kFsid, BlockNo{8}, 77, model, {.compression_level = 0});
  BOOST_TEST(image.bytes.size() == kBlockSize);
  BOOST_TEST(image.info.item_count == 3U);
  BOOST_TEST(checksum64(image.bytes, 0) == 12585407720756584295U);
}

BOOST_AUTO_TEST_CASE(small_segments_take_one_block) {
  for (const int count : {1, 5, 20, 50}) {
    SegmentBuilder builder = scoutfs::testing::build(numbered(count, 80));
    BOOST_TEST(builder.finish() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(every_item_is_found_and_nothing_else) {
  for (const int count : {1, 2, 30, 400, 5'000, 30'000}) {
    MemoryDevice device(2048);
    const Model model = numbered(count, 60);
    const SegmentImage image = put_segment(device, kFsid, BlockNo{8}, 77, model);
    const auto found = read_all(device, image.info.ref, kFsid, model);
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST((*found == model));
    Model absent;
    for (const auto& [key, entry] : model) absent[key + "x"] = entry;
    BOOST_TEST(read_all(device, image.info.ref, kFsid, absent)->empty());
  }
}

BOOST_AUTO_TEST_CASE(items_of_every_size_fit) {
  Model model;
  model[""] = "empty key";
  model[std::string(kKeySizeMax, '\xff')] = std::string(kValueSizeMax, 'v');
  std::string noise;
  for (std::uint64_t i = 0; noise.size() < kValueSizeMax; ++i)
    noise += std::to_string(mix(i, 1));
  noise.resize(kValueSizeMax);
  for (int i = 0; i < 20; ++i) model["big" + std::to_string(i)] = noise;
  MemoryDevice device(2048);
  const SegmentImage image = put_segment(device, kFsid, BlockNo{8}, 77, model);
  const auto found = read_all(device, image.info.ref, kFsid, model);
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST((*found == model));
}

BOOST_AUTO_TEST_CASE(another_place_identity_or_volume_is_corrupt) {
  MemoryDevice device(2048);
  const Model model = numbered(2'000, 60);
  const SegmentImage image = put_segment(device, kFsid, BlockNo{8}, 77, model);
  device.put(BlockNo{1000}, image.bytes);
  const SegmentRef good = image.info.ref;
  SegmentRef other_id = good;
  other_id.id = 78;
  SegmentRef other_place = good;
  other_place.where.start = BlockNo{1000};
  SegmentRef shorter = good;
  --shorter.where.count;
  SegmentRef outside = good;
  outside.where.start = BlockNo{2047};
  BOOST_TEST(read_all(device, good, kFsid, model).has_value());
  for (const SegmentRef& ref : {other_id, other_place, shorter, outside}) {
    BOOST_TEST(failed_with(read_all(device, ref, kFsid, model), Errc::corrupt));
  }
  BOOST_TEST(failed_with(read_all(device, good, Fsid{1}, model), Errc::corrupt));
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_is_found) {
  MemoryDevice device(64);
  const Model model = numbered(400, 20);
  const SegmentImage image = put_segment(device, kFsid, BlockNo{8}, 77, model);
  BOOST_TEST(image.info.ref.where.count > 1U);
  for (std::uint64_t bit = 0; bit < image.bytes.size() * 8; bit += 5) {
    const BlockNo at{8 + bit / (kBlockSize * 8)};
    device.flip_bit(at, bit % (kBlockSize * 8));
    const auto found = read_all(device, image.info.ref, kFsid, model);
    BOOST_REQUIRE(failed_with(found, Errc::corrupt));
    device.flip_bit(at, bit % (kBlockSize * 8));
  }
  BOOST_TEST(read_all(device, image.info.ref, kFsid, model).has_value());
}

BOOST_AUTO_TEST_CASE(the_coverage_is_split_at_the_widest_gaps) {
  Model model;
  for (const char* zone : {"a", "k", "z"}) {
    for (int i = 0; i < 20; ++i) model[zone + std::to_string(1000 + i)] = "v";
  }
  MemoryDevice device(64);
  const SegmentImage image =
      put_segment(device, kFsid, BlockNo{8}, 1, model, {.coverage_max = 3});
  const std::vector<KeyRange> expected = {
      {"a1000", "a1019"}, {"k1000", "k1019"}, {"z1000", "z1019"}};
  BOOST_TEST((image.info.coverage == expected));
  const SegmentImage single =
      put_segment(device, kFsid, BlockNo{8}, 1, model, {.coverage_max = 1});
  BOOST_TEST((single.info.coverage == std::vector<KeyRange>{{"a1000", "z1019"}}));
  World world;
  SegmentCache cache(world.scheduler, device, kFsid, 1u << 20);
  const auto info = world.run(cache.info(single.info.ref));
  BOOST_REQUIRE(info.has_value());
  BOOST_TEST((*info == single.info));
}

BOOST_AUTO_TEST_CASE(a_builder_stays_within_its_size) {
  for (const std::size_t size_max : {kBlockSize, 4 * kBlockSize, std::size_t{256} << 10}) {
    for (const int compression : {0, 1}) {
      SegmentBuilder builder({.size_max = size_max, .compression_level = compression});
      std::size_t added = 0;
      for (const auto& [key, entry] : numbered(20'000, 60)) {
        if (!builder.add(key, entry)) break;
        ++added;
      }
      const std::uint64_t blocks = builder.finish();
      BOOST_TEST(added > 0U);
      BOOST_TEST(blocks * kBlockSize <= size_max);
      // The bound is not so cautious as to waste much.
      if (size_max > 100'000) BOOST_TEST(blocks * kBlockSize > size_max - 24'000);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::lsm
