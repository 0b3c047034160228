#include "engine/lsm/journal.hpp"

#include "tests/support/memory_device.hpp"
#include "tests/support/run.hpp"
#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

using testing::MemoryDevice;
using testing::World;

constexpr Fsid kFsid{77};
constexpr Extent kRing{BlockNo{100}, Journal::kBlocksMin};
constexpr Journal::Author kAuthor{{3, 1}, Rid{33}};

Batch one(std::string key, std::string value) {
  Batch batch;
  batch.put(std::move(key), std::move(value));
  return batch;
}

struct Ring {
  World world;
  MemoryDevice device{1000};
  Journal journal{device, kFsid, kRing, {}};

  Result<void> append(const Batch& batch, Journal::Author author = kAuthor) {
    std::string payload;
    Writer out(payload);
    encode(out, batch);
    return world.run(journal.append(author, std::move(payload)));
  }
  // Replays from `from` and returns the changes.
  Result<std::vector<Change>> replay(Journal::Position from, Journal::Author author = kAuthor) {
    Journal reader(device, kFsid, kRing, from);
    std::vector<Change> found;
    const Journal::Apply apply = [&found](Batch batch) {
      for (Change& change : batch.changes) found.push_back(std::move(change));
    };
    SCOUTFS_CHECK(world.run(reader.replay(author, apply)));
    next = reader.next();
    return found;
  }
  // Positions of each record, and of the end.
  std::vector<Journal::Position> fill(int count, std::size_t size = 10) {
    std::vector<Journal::Position> at;
    for (int i = 0; i < count; ++i) {
      at.push_back(journal.next());
      BOOST_REQUIRE(append(one("k" + std::to_string(i), std::string(size, 'v'))).has_value());
    }
    at.push_back(journal.next());
    return at;
  }
  void damage(Journal::Position at) {
    device.flip_bit(BlockNo{kRing.start.value + at.block % kRing.count}, 800);
  }
  Journal::Position next;
};

BOOST_AUTO_TEST_CASE(appended_records_are_replayed_in_order) {
  Ring ring;
  Batch batch = one("a", "1");
  batch.erase("b");
  BOOST_REQUIRE(ring.append(batch).has_value());
  BOOST_REQUIRE(ring.append(one("a", "2")).has_value());
  const auto found = ring.replay({});
  BOOST_REQUIRE(found.has_value());
  const std::vector<Change> expected{{"a", "1"}, {"b", std::nullopt}, {"a", "2"}};
  BOOST_TEST((*found == expected));
  BOOST_TEST((ring.next == ring.journal.next()));
  BOOST_TEST(ring.next.number == 3u);
}

BOOST_AUTO_TEST_CASE(each_record_is_one_forced_write) {
  Ring ring;
  ring.device.set_recording(true);
  ring.fill(3);
  const auto writes = ring.device.take_recorded();
  BOOST_REQUIRE_EQUAL(writes.size(), 3u);
  for (const auto& write : writes) BOOST_TEST((write.durability == Durability::on_completion));
  BOOST_TEST(ring.device.unflushed_count() == 0u);
}

BOOST_AUTO_TEST_CASE(replay_starts_at_the_position_of_the_checkpoint) {
  Ring ring;
  const auto at = ring.fill(5);
  BOOST_TEST(ring.replay(at[3])->size() == 2u);
  BOOST_TEST(ring.replay(at[5])->empty());
  Journal::Position wrong = at[3];
  wrong.chain ^= 1;
  BOOST_TEST(failed_with(ring.replay(wrong), Errc::corrupt));
}

BOOST_AUTO_TEST_CASE(records_wrap_around_the_ring_and_one_may_cross_its_end) {
  Ring ring;
  ring.device.set_recording(true);
  std::vector<Journal::Position> at;
  int crossed = 0;
  for (int i = 0; i < 300; ++i) {
    at.push_back(ring.journal.next());
    if (i >= 5) ring.journal.release(at[i - 5]);
    const std::size_t size = 1000 * (i % 40);
    const std::string name = std::to_string(i);
    BOOST_REQUIRE(ring.append(one(name, std::string(size, 'x'))).has_value());
    const std::uint64_t first = at[i].block % kRing.count;
    const std::uint64_t last = (ring.journal.next().block - 1) % kRing.count;
    const std::size_t writes = ring.device.take_recorded().size();
    BOOST_REQUIRE_EQUAL(writes, last < first ? 2u : 1u);
    crossed += last < first ? 1 : 0;
    const auto found = ring.replay(at[i >= 5 ? i - 5 : 0]);
    BOOST_REQUIRE(found.has_value());
    BOOST_REQUIRE_EQUAL(found->size(), std::min(i + 1, 6));
    BOOST_REQUIRE_EQUAL(found->back().key, name);
  }
  BOOST_TEST(crossed > 3);
  BOOST_TEST(ring.journal.next().block > 4 * kRing.count);
}

BOOST_AUTO_TEST_CASE(a_damaged_last_record_is_a_torn_tail) {
  Ring ring;
  const auto at = ring.fill(4, 9000);
  ring.damage(at[3]);
  const auto found = ring.replay({});
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(found->size() == 3u);
  BOOST_TEST((ring.next == at[3]));
}

BOOST_AUTO_TEST_CASE(a_damaged_record_with_valid_ones_behind_it_is_corruption) {
  for (const std::size_t size : {10, 9000}) {
    for (std::size_t victim = 0; victim < 5; ++victim) {
      Ring ring;
      const auto at = ring.fill(6, size);
      ring.damage(at[victim]);
      BOOST_TEST(failed_with(ring.replay({}), Errc::corrupt));
    }
  }
}

BOOST_AUTO_TEST_CASE(corruption_is_found_across_the_end_of_the_ring) {
  Ring ring;
  std::vector<Journal::Position> at;
  while (ring.journal.next().block < kRing.count - 2) {
    ring.journal.release(ring.journal.next());
    ring.fill(1);
  }
  const Journal::Position needed = ring.journal.next();
  ring.journal.release(needed);
  at = ring.fill(6, 5000);
  BOOST_REQUIRE(at[2].block > kRing.count);
  BOOST_TEST(ring.replay(needed)->size() == 6u);
  ring.damage(at[0]);
  BOOST_TEST(failed_with(ring.replay(needed), Errc::corrupt));
}

BOOST_AUTO_TEST_CASE(records_of_an_earlier_lap_are_not_taken_for_later_ones) {
  Ring ring;
  while (ring.journal.next().block < kRing.count + 20) {
    ring.journal.release(ring.journal.next());
    ring.fill(1, 5000);
  }
  const auto at = ring.fill(3);
  ring.damage(at[2]);
  const auto found = ring.replay(at[0]);
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(found->size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_an_earlier_author_left_behind_the_checkpoint_is_ignored) {
  Ring ring;
  const auto at = ring.fill(3);
  const Journal::Author later{{4, 0}, Rid{44}};
  BOOST_TEST(ring.replay(at[1], later)->empty());
  // A later author's record behind an older checkpoint: the newest checkpoint is missing.
  ring.journal.release(ring.journal.next());
  BOOST_REQUIRE(ring.append(one("later", "1"), later).has_value());
  BOOST_TEST(failed_with(ring.replay({}), Errc::corrupt));
}

BOOST_AUTO_TEST_CASE(a_record_with_a_good_checksum_and_a_bad_batch_is_corruption) {
  Ring ring;
  BOOST_REQUIRE(ring.world.run(ring.journal.append(kAuthor, "\xff\xff")).has_value());
  BOOST_TEST(failed_with(ring.replay({}), Errc::corrupt));
}

BOOST_AUTO_TEST_CASE(device_errors_are_passed_on) {
  Ring ring;
  ring.fill(2);
  ring.device.fail_read(1);
  BOOST_TEST(failed_with(ring.replay({}), Errc::io_error));
  ring.device.fail_write(1);
  BOOST_TEST(failed_with(ring.append(one("k", "v")), Errc::io_error));
  BOOST_TEST(ring.replay({})->size() == 2u);
}

BOOST_AUTO_TEST_CASE(the_ring_counts_what_is_needed) {
  Ring ring;
  BOOST_TEST(ring.journal.empty());
  const auto at = ring.fill(3, 5000);
  BOOST_TEST(ring.journal.free_blocks() == kRing.count - 6);
  ring.journal.release(at[2]);
  BOOST_TEST(ring.journal.free_blocks() == kRing.count - 2);
  BOOST_TEST(!ring.journal.empty());
  ring.journal.release(at[3]);
  BOOST_TEST(ring.journal.empty());
  BOOST_TEST(ring.journal.payload_max() <= format::kJournalPayloadMax);
}

BOOST_AUTO_TEST_CASE(a_batch_has_exactly_these_bytes_and_a_known_bound) {
  Batch batch = one("ab", "xyz");
  batch.erase("c");
  std::string bytes;
  Writer out(bytes);
  encode(out, batch);
  BOOST_TEST(bytes == std::string("\x02\x02"
                                  "ab\x01\x03xyz\x01"
                                  "c\x00",
                                  12));
  BOOST_TEST(bytes.size() <= encoded_size_max(batch));
  Reader in(bytes);
  BOOST_TEST((decode_batch(in).changes == batch.changes));
  BOOST_TEST(in.finished());
}

}  // namespace
}  // namespace scoutfs::lsm
