#include "engine/lsm/durable_tree.hpp"

#include "engine/lsm/journal.hpp"
#include "tests/support/volume.hpp"
#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

using testing::make_volume;
using testing::MemoryDevice;
using testing::small_superblock;
using testing::TreeNode;
using Items = std::map<std::string, std::string>;

Batch put(std::string key, std::string value) {
  Batch batch;
  batch.put(std::move(key), std::move(value));
  return batch;
}

// What zstd cannot make small.
std::string noise(std::uint64_t seed, std::size_t size) {
  std::string out;
  for (std::uint64_t i = 0; out.size() < size; ++i) Writer(out).put(mix(seed, i));
  out.resize(size);
  return out;
}

struct Volume {
  explicit Volume(std::uint64_t journal = Journal::kBlocksMin, std::uint64_t area = 2048,
                  const Memtable& items = {})
      : superblock(small_superblock(journal, area)), device(superblock.device_blocks) {
    BOOST_REQUIRE(make_volume(device, superblock, items).has_value());
  }
  Items read() {
    TreeNode node(device);
    const auto items = node.load();
    BOOST_REQUIRE(items.has_value());
    return *items;
  }
  format::Superblock superblock;
  MemoryDevice device;
};

BOOST_AUTO_TEST_CASE(a_new_tree_holds_what_it_was_made_with) {
  Memtable items;
  items.set("a", "1");
  items.set("b", "2");
  Volume volume(Journal::kBlocksMin, 2048, items);
  BOOST_TEST((volume.read() == Items{{"a", "1"}, {"b", "2"}}));
  BOOST_TEST(volume.device.unflushed_count() == 0u);
}

BOOST_AUTO_TEST_CASE(both_superblock_copies_are_good_after_mkfs) {
  Volume volume;
  for (std::uint64_t copy = 0; copy < 2; ++copy) {
    const std::string image =
        volume.device.peek(format::superblock_at(copy), format::kSuperblockBlocks);
    const auto superblock = format::decode_superblock(image);
    BOOST_REQUIRE(superblock.has_value());
    BOOST_TEST(superblock->checkpoint % 2 == copy);
  }
}

BOOST_AUTO_TEST_CASE(mkfs_over_an_old_volume_leaves_nothing_of_it) {
  Volume volume;
  {
    TreeNode node(volume.device);
    BOOST_REQUIRE(node.load().has_value());
    BOOST_REQUIRE(node.open().has_value());
    for (int i = 0; i < 50; ++i) {
      BOOST_REQUIRE(node.commit(put(std::to_string(i), "old")).has_value());
    }
  }
  // The same fsid: nothing but what mkfs writes tells old from new.
  BOOST_REQUIRE(make_volume(volume.device, volume.superblock).has_value());
  BOOST_TEST(volume.read().empty());
}

BOOST_AUTO_TEST_CASE(a_volume_too_small_for_a_journal_is_refused) {
  MemoryDevice device(10'000);
  const auto journal = make_volume(device, small_superblock(Journal::kBlocksMin - 1, 2048));
  BOOST_TEST(failed_with(journal, Errc::invalid));
  const auto area = make_volume(
      device, small_superblock(Journal::kBlocksMin, DurableTree::kAreaBlocksMin - 1));
  BOOST_TEST(failed_with(area, Errc::invalid));
}

BOOST_AUTO_TEST_CASE(commits_are_there_after_a_crash_without_a_checkpoint) {
  Volume volume;
  {
    TreeNode node(volume.device);
    BOOST_REQUIRE(node.load().has_value());
    BOOST_REQUIRE(node.open().has_value());
    BOOST_REQUIRE(node.commit(put("a", "1")).has_value());
    Batch batch = put("b", "2");
    batch.erase("a");
    batch.put("b", "3");
    BOOST_REQUIRE(node.commit(std::move(batch)).has_value());
    BOOST_TEST(node.tree->counters().checkpoints == 1u);
  }
  volume.device.power_cut(1, 0);
  BOOST_TEST((volume.read() == Items{{"b", "3"}}));
}

BOOST_AUTO_TEST_CASE(commits_are_there_after_close_and_the_journal_is_empty) {
  Volume volume;
  {
    TreeNode node(volume.device);
    BOOST_REQUIRE(node.load().has_value());
    BOOST_REQUIRE(node.open().has_value());
    BOOST_REQUIRE(node.commit(put("a", "1")).has_value());
    BOOST_REQUIRE(node.close().has_value());
    BOOST_TEST(failed_with(node.commit(put("b", "1")), Errc::stopping));
  }
  // Damage to the whole journal does not matter now.
  const std::string zero(volume.superblock.journal.count * kBlockSize, '\0');
  volume.device.put(volume.superblock.journal.start, zero);
  BOOST_TEST((volume.read() == Items{{"a", "1"}}));
}

BOOST_AUTO_TEST_CASE(commits_that_arrive_during_an_append_form_one_group_in_order) {
  Volume volume;
  TreeNode node(volume.device);
  BOOST_REQUIRE(node.load().has_value());
  BOOST_REQUIRE(node.open().has_value());
  std::vector<Task<Result<void>>> commits;
  for (int i = 0; i < 100; ++i)
    commits.push_back(node.tree->commit(put("k", std::to_string(i))));
  BOOST_REQUIRE(node.world.run(node.tree->barrier()).has_value());
  BOOST_TEST(node.tree->counters().groups <= 2u);
  BOOST_TEST(node.tree->counters().commits == 101u);
  for (Task<Result<void>>& commit : commits) {
    BOOST_REQUIRE(node.world.run(std::move(commit)).has_value());
  }
  commits.clear();
  BOOST_REQUIRE(node.close().has_value());
  BOOST_TEST((volume.read() == Items{{"k", "99"}}));
}

BOOST_AUTO_TEST_CASE(the_ring_wraps_many_times_and_small_segments_are_merged) {
  Volume volume;
  Items model;
  {
    TreeNode node(volume.device);
    BOOST_REQUIRE(node.load().has_value());
    BOOST_REQUIRE(node.open().has_value());
    for (std::uint64_t i = 0; i < 4000; ++i) {
      const std::string key = "key" + std::to_string(mix(i, 7) % 500);
      if (i % 5 == 4) {
        Batch batch;
        batch.erase(key);
        BOOST_REQUIRE(node.commit(std::move(batch)).has_value());
        model.erase(key);
      } else {
        model[key] = noise(i, 40 + i % 2000);
        BOOST_REQUIRE(node.commit(put(key, model[key])).has_value());
      }
      if (i % 100 == 0) node.tree->check_invariants();
    }
    const DurableTree::Counters& counters = node.tree->counters();
    BOOST_TEST(counters.journal_blocks > 8 * volume.superblock.journal.count);
    BOOST_TEST(counters.checkpoints > 20u);
    BOOST_TEST(counters.merges > 1u);
    BOOST_TEST(node.tree->superblock().segments.size() < 12u);
  }
  BOOST_TEST((volume.read() == model));
}

BOOST_AUTO_TEST_CASE(a_batch_that_no_record_can_hold_is_refused_and_harms_nothing) {
  Volume volume;
  TreeNode node(volume.device);
  BOOST_REQUIRE(node.load().has_value());
  BOOST_REQUIRE(node.open().has_value());
  Batch batch;
  for (int i = 0; i < 3; ++i) batch.put(std::to_string(i), std::string(kValueSizeMax, 'v'));
  BOOST_TEST(encoded_size_max(batch) > node.tree->batch_size_max());
  BOOST_TEST(failed_with(node.commit(std::move(batch)), Errc::too_large));
  BOOST_TEST(node.commit(put("a", std::string(kValueSizeMax, 'v'))).has_value());
  BOOST_REQUIRE(node.close().has_value());
}

BOOST_AUTO_TEST_CASE(a_full_server_area_fails_commits_and_keeps_what_was_acknowledged) {
  Volume volume(Journal::kBlocksMin, DurableTree::kAreaBlocksMin);
  Items model;
  {
    TreeNode node(volume.device);
    BOOST_REQUIRE(node.load().has_value());
    BOOST_REQUIRE(node.open().has_value());
    std::uint64_t i = 0;
    while (true) {
      const std::string key = std::to_string(i);
      const std::string value = noise(i++, 3000);
      const Result<void> done = node.commit(put(key, value));
      if (!done.has_value()) {
        BOOST_REQUIRE(failed_with(done, Errc::no_space));
        break;
      }
      model[key] = value;
      BOOST_REQUIRE(i < 1000);
    }
    BOOST_TEST(i > 150u);
    BOOST_TEST(failed_with(node.commit(put("after", "1")), Errc::no_space));
    BOOST_TEST(failed_with(node.world.run(node.tree->barrier()), Errc::no_space));
    BOOST_TEST(failed_with(node.close(), Errc::no_space));
  }
  // It can be opened again: deleting is possible.
  TreeNode node(volume.device);
  const auto items = node.load();
  BOOST_REQUIRE(items.has_value());
  BOOST_TEST((*items == model));
  BOOST_REQUIRE(node.open().has_value());
  BOOST_REQUIRE(node.close().has_value());
  BOOST_TEST((volume.read() == model));
}

BOOST_AUTO_TEST_CASE(an_error_of_the_device_ends_all_writing) {
  Volume volume;
  TreeNode node(volume.device);
  BOOST_REQUIRE(node.load().has_value());
  BOOST_REQUIRE(node.open().has_value());
  BOOST_REQUIRE(node.commit(put("a", "1")).has_value());
  volume.device.fail_write(1);
  BOOST_TEST(failed_with(node.commit(put("b", "1")), Errc::io_error));
  const std::uint64_t writes = volume.device.counters().writes;
  BOOST_TEST(failed_with(node.commit(put("c", "1")), Errc::io_error));
  BOOST_TEST(failed_with(node.close(), Errc::io_error));
  BOOST_TEST(volume.device.counters().writes == writes);
  BOOST_TEST((volume.read() == Items{{"a", "1"}}));
}

BOOST_AUTO_TEST_CASE(an_error_during_a_checkpoint_ends_all_writing_and_loses_nothing) {
  for (std::uint64_t nth = 1; nth < 4; ++nth) {
    Volume volume;
    Items model;
    {
      TreeNode node(volume.device);
      BOOST_REQUIRE(node.load().has_value());
      BOOST_REQUIRE(node.open().has_value());
      const BlockNo bad = nth == 1 ? volume.superblock.server_area.start
                          : nth == 2
                              ? format::superblock_at(node.tree->superblock().checkpoint + 1)
                              : BlockNo{volume.superblock.server_area.start.value + 5};
      volume.device.add_bad_write(bad);
      Result<void> done;
      for (std::uint64_t i = 0; i < 1000 && done.has_value(); ++i) {
        const std::string key = std::to_string(i);
        done = node.commit(put(key, noise(i, 3000)));
        if (done.has_value()) model[key] = noise(i, 3000);
      }
      BOOST_TEST(failed_with(done, Errc::io_error));
      BOOST_TEST(failed_with(node.close(), Errc::io_error));
    }
    volume.device.clear_errors();
    const Items found = volume.read();
    // The last commit's fate is open.
    for (const auto& [key, value] : model) BOOST_REQUIRE(found.at(key) == value);
    BOOST_TEST(found.size() <= model.size() + 1);
  }
}

BOOST_AUTO_TEST_CASE(a_damaged_record_in_the_middle_is_refused_and_a_torn_tail_is_not) {
  Volume volume;
  std::uint64_t first = 0;
  {
    TreeNode node(volume.device);
    BOOST_REQUIRE(node.load().has_value());
    BOOST_REQUIRE(node.open().has_value());
    first = node.tree->superblock().journal_block;
    for (const char* key : {"a", "b", "c"}) {
      BOOST_REQUIRE(node.commit(put(key, "1")).has_value());
    }
  }
  const BlockNo ring = volume.superblock.journal.start;
  const BlockNo middle{ring.value + first + 1};
  const BlockNo last{ring.value + first + 2};
  volume.device.flip_bit(middle, 600);
  {
    TreeNode node(volume.device);
    BOOST_TEST(failed_with(node.load(), Errc::corrupt));
  }
  volume.device.flip_bit(middle, 600);
  volume.device.flip_bit(last, 600);
  TreeNode node(volume.device);
  const auto items = node.load();
  BOOST_REQUIRE(items.has_value());
  BOOST_TEST((*items == Items{{"a", "1"}, {"b", "1"}}));
  // Once it was served without, it stays away, even if the record becomes readable again.
  BOOST_REQUIRE(node.open().has_value());
  volume.device.flip_bit(last, 600);
  BOOST_TEST((volume.read() == Items{{"a", "1"}, {"b", "1"}}));
}

BOOST_AUTO_TEST_CASE(one_damaged_superblock_copy_does_not_matter_until_the_journal_moved_on) {
  Volume volume;
  std::uint64_t checkpoint = 0;
  {
    TreeNode node(volume.device);
    BOOST_REQUIRE(node.load().has_value());
    BOOST_REQUIRE(node.open().has_value());
    checkpoint = node.tree->superblock().checkpoint;
  }
  const BlockNo newest = format::superblock_at(checkpoint);
  volume.device.flip_bit(newest, 9000);
  BOOST_TEST(volume.read().empty());
  volume.device.flip_bit(newest, 9000);
  {
    TreeNode node(volume.device);
    BOOST_REQUIRE(node.load().has_value());
    BOOST_REQUIRE(node.open().has_value());
    BOOST_REQUIRE(node.commit(put("a", "1")).has_value());
    checkpoint = node.tree->superblock().checkpoint;
  }
  // The older checkpoint does not know of "a": better no answer than that one.
  volume.device.flip_bit(format::superblock_at(checkpoint), 9000);
  TreeNode node(volume.device);
  BOOST_TEST(failed_with(node.load(), Errc::corrupt));
}

BOOST_AUTO_TEST_CASE(each_superblock_is_one_forced_write_over_the_older_copy_after_a_flush) {
  Volume volume;
  TreeNode node(volume.device);
  BOOST_REQUIRE(node.load().has_value());
  for (int i = 0; i < 3; ++i) {
    volume.device.set_recording(true);
    const std::uint64_t before = node.tree->superblock().checkpoint;
    if (i == 0) {
      BOOST_REQUIRE(node.open().has_value());
    } else {
      const std::uint64_t checkpoints = node.tree->counters().checkpoints;
      for (std::uint64_t k = 0; node.tree->counters().checkpoints == checkpoints; ++k) {
        BOOST_REQUIRE(node.commit(put(std::to_string(k), noise(k, 2000))).has_value());
      }
    }
    BOOST_TEST(node.tree->superblock().checkpoint == before + 1);
    std::size_t superblocks = 0;
    for (const auto& write : volume.device.take_recorded()) {
      if (write.first.value >= format::kQuorumFirst) continue;
      ++superblocks;
      BOOST_TEST(write.first.value == format::superblock_at(before + 1).value);
      BOOST_TEST(write.count == format::kSuperblockBlocks);
      BOOST_TEST((write.durability == Durability::on_completion));
    }
    BOOST_TEST(superblocks == 1u);
  }
  BOOST_REQUIRE(node.close().has_value());
}

BOOST_AUTO_TEST_CASE(superblocks_that_cannot_be_read_say_why) {
  Volume volume;
  const auto load = [&volume] {
    TreeNode node(volume.device);
    return node.load();
  };
  const std::string zero(format::kSuperblockBlocks * kBlockSize, '\0');
  format::Superblock other = volume.superblock;
  other.fsid = Fsid{1};
  other.checkpoint = 3;
  volume.device.put(format::superblock_at(1), format::encode(other));
  BOOST_TEST(failed_with(load(), Errc::corrupt));
  volume.device.put(format::superblock_at(0), zero);
  volume.device.put(format::superblock_at(1), zero);
  BOOST_TEST(failed_with(load(), Errc::corrupt));
  std::string foreign = format::encode(other);
  foreign[16] = static_cast<char>(foreign[16] ^ 1);
  store_little(foreign.data(), checksum64(std::string_view(foreign).substr(8), 0));
  volume.device.put(format::superblock_at(1), foreign);
  BOOST_TEST(failed_with(load(), Errc::unsupported));
  volume.device.add_bad_read(format::superblock_at(0));
  BOOST_TEST(failed_with(load(), Errc::io_error));
}

BOOST_AUTO_TEST_CASE(an_error_of_the_visitor_ends_the_load) {
  Memtable items;
  items.set("a", "1");
  Volume volume(Journal::kBlocksMin, 2048, items);
  testing::World world;
  const auto superblock = world.run(read_superblock(volume.device));
  SegmentCache cache(world.scheduler, volume.device, superblock->fsid, 1u << 20);
  DurableTree tree(world.scheduler, volume.device, cache, *superblock);
  const Visit refuse = [](std::string_view, std::string_view) { return fail(Errc::invalid); };
  BOOST_TEST(failed_with(world.run(tree.load(refuse)), Errc::invalid));
  world.run(cache.close());
}

}  // namespace
}  // namespace scoutfs::lsm
