// Whole volumes: clean ones, the fixed blocks, and damage to any byte.
#include <set>

#include "engine/base/hash.hpp"
#include "engine/format/quorum.hpp"
#include "tests/unit/check/sample.hpp"

namespace scoutfs::check {
namespace {

std::string superblock_image(Sample& sample, std::uint64_t copy) {
  return sample.device.peek(format::superblock_at(copy), format::kSuperblockBlocks);
}

// Changes bytes and makes the checksum good again.
void forge_superblock(Sample& sample, std::uint64_t copy, std::size_t offset) {
  std::string image = superblock_image(sample, copy);
  image[offset] = static_cast<char>(image[offset] ^ 1);
  store_little(image.data(), checksum64(std::string_view(image).substr(8), 0));
  sample.device.put(format::superblock_at(copy), image);
}

BOOST_AUTO_TEST_SUITE(volume)

BOOST_AUTO_TEST_CASE(a_sound_volume_is_clean_and_counted) {
  Sample sample;
  sample.build();
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->clean(), all_of(*report));
  BOOST_TEST(report->inodes == 12U);
  BOOST_TEST(report->directories == 3U);
  BOOST_TEST(report->files == 7U);
  BOOST_TEST(report->orphans == 1U);
  BOOST_TEST(report->segments == 3U);
  BOOST_TEST(report->tombstones == 1U);
  BOOST_TEST(report->items == sample.tree.items.size());
  BOOST_TEST(report->granted_blocks == sample.granted.count);
  BOOST_TEST(report->job_blocks == sample.output.count);
  BOOST_TEST(report->replaced_blocks == sample.replaced.count);
  BOOST_TEST(report->file_blocks == 39U);
  BOOST_TEST(report->free_blocks + report->granted_blocks + report->job_blocks +
                 report->replaced_blocks + report->segment_blocks + report->file_blocks ==
             sample.superblock.space.count);
  BOOST_TEST((report->members == std::map<Rid, TxnNo>{{sample.rid, TxnNo{12}}}));
}

BOOST_AUTO_TEST_CASE(the_check_writes_nothing) {
  Sample sample;
  sample.build();
  const std::uint64_t before = sample.device.counters().writes;
  BOOST_REQUIRE(sample.check().has_value());
  BOOST_TEST(sample.device.counters().writes == before);
}

BOOST_AUTO_TEST_CASE(data_is_read_only_when_asked_for) {
  Sample sample;
  sample.build();
  sample.device.flip_bit(sample.report_data.start, 0);
  Options options;
  options.verify_data = false;
  const Result<Report> report = sample.check(options);
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->clean());
}

BOOST_AUTO_TEST_CASE(all_problems_are_counted_and_some_are_kept) {
  Sample sample;
  sample.build();
  for (std::uint64_t i = 0; i < sample.report_data.count; ++i) {
    sample.device.flip_bit(BlockNo{sample.report_data.start.value + i}, i);
  }
  Options options;
  options.problems_max = 2;
  const Result<Report> report = sample.check(options);
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->problems.size() == 2U);
  BOOST_TEST(report->problem_count == sample.report_data.count);
  BOOST_TEST(!report->clean());
}

BOOST_AUTO_TEST_CASE(progress_ends_with_all_bytes_done) {
  Sample sample;
  sample.build();
  std::uint64_t last_done = 0, last_total = 0;
  Options options;
  options.progress = [&](std::uint64_t done, std::uint64_t total) {
    BOOST_TEST(done >= last_done);
    last_done = done;
    last_total = total;
  };
  const Result<Report> report = sample.check(options);
  BOOST_REQUIRE(report.has_value());
  // Allocated blocks that were never written have no bytes to read.
  BOOST_TEST(last_done == (report->segment_blocks + report->file_blocks - 20) * kBlockSize);
  BOOST_TEST(last_total >= last_done);
}

BOOST_AUTO_TEST_CASE(visits_show_every_item_once_in_its_newest_version) {
  Sample sample;
  sample.build();
  std::map<std::string, std::string> items, server_items;
  const auto into = [](std::map<std::string, std::string>& map) {
    return [&map](std::string_view key, std::string_view value) {
      BOOST_TEST(map.emplace(key, value).second);
    };
  };
  testing::World& world = sample.world;
  testing::MemoryDevice& device = sample.device;
  BOOST_REQUIRE(world.run(visit_items(world.scheduler, device, into(items))).has_value());
  BOOST_REQUIRE(
      world.run(visit_server_items(world.scheduler, device, into(server_items))).has_value());
  BOOST_TEST((items == sample.tree.items));
  BOOST_TEST((server_items == sample.server_items));
}

BOOST_AUTO_TEST_CASE(one_damaged_superblock_is_reported_and_the_other_used) {
  for (std::uint64_t copy = 0; copy < 2; ++copy) {
    Sample sample;
    sample.build();
    sample.device.flip_bit(format::superblock_at(copy), 8 * 100);
    const Result<Report> report = sample.check();
    BOOST_REQUIRE(report.has_value());
    BOOST_TEST(report->problem_count == 1U);
    BOOST_TEST(has(*report, "superblock-copy"));
    BOOST_TEST(report->inodes == 12U);
  }
}

BOOST_AUTO_TEST_CASE(a_torn_superblock_is_what_a_crash_leaves) {
  Sample sample;
  sample.build();
  sample.device.flip_bit(format::superblock_at(1), 8 * 100);
  Options options;
  options.after_crash = true;
  Result<Report> report = sample.check(options);
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->clean(), all_of(*report));

  sample.device.add_bad_read(format::superblock_at(1));
  report = sample.check(options);
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(has(*report, "superblock-copy"));
}

BOOST_AUTO_TEST_CASE(two_damaged_superblocks_are_corrupt) {
  Sample sample;
  sample.build();
  sample.device.flip_bit(format::superblock_at(0), 8 * 100);
  sample.device.flip_bit(BlockNo{format::superblock_at(1).value + 15}, 8 * 4000);
  BOOST_TEST(failed_with(sample.check(), Errc::corrupt));
}

BOOST_AUTO_TEST_CASE(an_empty_device_is_corrupt) {
  testing::World world;
  for (const std::uint64_t blocks :
       {std::uint64_t{0}, std::uint64_t{10}, std::uint64_t{9000}}) {
    testing::MemoryDevice device(blocks);
    const auto report = world.run(check_volume(world.scheduler, device, {}));
    BOOST_TEST(failed_with(report, Errc::corrupt));
  }
}

BOOST_AUTO_TEST_CASE(another_format_hash_is_unsupported) {
  Sample sample;
  sample.build();
  constexpr std::size_t kFormatHashOffset = 16;
  forge_superblock(sample, 0, kFormatHashOffset);
  forge_superblock(sample, 1, kFormatHashOffset);
  BOOST_TEST(failed_with(sample.check(), Errc::unsupported));
}

BOOST_AUTO_TEST_CASE(copies_of_two_volumes_are_reported) {
  Sample sample;
  sample.build();
  constexpr std::size_t kFsidOffset = 24;
  forge_superblock(sample, 1, kFsidOffset);
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(has(*report, "superblock-copy"));
}

BOOST_AUTO_TEST_CASE(a_device_that_shrank_is_reported_and_not_read_beyond_its_end) {
  Sample sample;
  sample.build();
  testing::MemoryDevice small(sample.superblock.device_blocks - 1);
  for (std::uint64_t copy = 0; copy < 2; ++copy) {
    small.put(format::superblock_at(copy), superblock_image(sample, copy));
  }
  const auto report = sample.world.run(check_volume(sample.world.scheduler, small, {}));
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(has(*report, "device-size"));
}

BOOST_AUTO_TEST_CASE(quorum_blocks_must_verify_or_be_empty) {
  Sample sample;
  sample.build();
  format::QuorumBlock block;
  block.slot = 3;
  block.write_number = 4;
  block.who = {sample.rid, Epoch{1}};
  const std::string image = encode(block, sample.superblock.fsid);
  sample.device.put(format::quorum_block_at(3, 4), image);
  Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->clean(), all_of(*report));

  sample.device.put(format::quorum_block_at(3, 5), image);  // the other copy's place
  sample.device.put(format::quorum_block_at(4, 4), image);  // another slot's
  report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->problem_count == 2U);
  BOOST_TEST(has(*report, "quorum-block"));
}

// Blocks that hold something: the superblocks, the server tree's segments, the main tree's, and
// the data of files.
std::vector<BlockNo> used_blocks(Sample& sample) {
  std::vector<Extent> extents{
      {BlockNo{format::kSuperblockFirst}, 2 * format::kSuperblockBlocks}};
  const auto superblock = sample.world.run(lsm::read_superblock(sample.device));
  SCOUTFS_ASSERT(superblock.has_value());
  for (const auto& segment : superblock->segments) extents.push_back(segment.where);
  for (const lsm::Placed& placed : sample.segments) extents.push_back(placed.info.ref.where);
  for (const auto& [key, value] : sample.tree.items) {
    const auto parsed = format::parse_key(key);
    SCOUTFS_ASSERT(parsed.has_value());
    if (parsed->zone != format::Zone::fs || parsed->type != format::ItemType::extent) continue;
    const auto extent = format::decode_extent(value);
    SCOUTFS_ASSERT(extent.has_value());
    if (extent->flags == 0) extents.push_back({extent->start, extent->count});
  }
  std::vector<BlockNo> blocks;
  for (const Extent& extent : extents) {
    for (std::uint64_t i = 0; i < extent.count; ++i) {
      blocks.push_back(BlockNo{extent.start.value + i});
    }
  }
  return blocks;
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_in_any_used_block_is_never_overlooked) {
  Sample sample;
  sample.build();
  const std::vector<BlockNo> used = used_blocks(sample);
  rc::check("a flipped bit is found", [&] {
    const BlockNo where = *rc::gen::elementOf(used);
    const auto bit = *rc::gen::inRange<std::uint64_t>(0, kBlockSize * 8);
    sample.device.flip_bit(where, bit);
    const Result<Report> report = sample.check();
    sample.device.flip_bit(where, bit);
    RC_ASSERT(!report.has_value() || !report->clean());
  });
  // Every block, a few bits of each.
  for (const BlockNo where : used) {
    for (const std::uint64_t bit :
         {std::uint64_t{0}, std::uint64_t{20'000}, std::uint64_t{32'767}}) {
      sample.device.flip_bit(where, bit);
      const Result<Report> report = sample.check();
      sample.device.flip_bit(where, bit);
      BOOST_TEST((!report.has_value() || !report->clean()),
                 "block " << where.value << " bit " << bit);
    }
  }
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->clean(), all_of(*report));
}

BOOST_AUTO_TEST_CASE(a_block_full_of_garbage_is_never_overlooked) {
  Sample sample;
  sample.build();
  const std::vector<BlockNo> used = used_blocks(sample);
  rc::check("garbage is found", [&] {
    const BlockNo where = *rc::gen::elementOf(used);
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    const std::string before = sample.device.peek(where, 1);
    std::string garbage(kBlockSize, '\0');
    for (std::size_t i = 0; i < garbage.size(); i += 8) store_little(&garbage[i], mix(seed, i));
    sample.device.put(where, garbage);
    const Result<Report> report = sample.check();
    sample.device.put(where, before);
    RC_ASSERT(!report.has_value() || !report->clean());
  });
}

// Whatever the items are, as long as the segments hold them soundly.
BOOST_AUTO_TEST_CASE(items_with_any_damage_are_never_a_crash) {
  rc::check("damaged items", [&] {
    Sample sample;
    const auto changes = *rc::gen::inRange(1, 6);
    for (int i = 0; i < changes; ++i) {
      auto it = sample.tree.items.begin();
      std::advance(it, *rc::gen::inRange<std::size_t>(0, sample.tree.items.size()));
      std::string key = it->first, value = it->second;
      std::string& bytes = *rc::gen::arbitrary<bool>() ? key : value;
      if (bytes.empty()) continue;
      const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
      bytes[at] = static_cast<char>(*rc::gen::arbitrary<std::uint8_t>());
      if (key.empty()) continue;
      sample.tree.items.erase(it);
      sample.tree.items[key] = value;
    }
    sample.build();
    const Result<Report> report = sample.check();
    RC_ASSERT(report.has_value());
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::check
