#include "sim/disk.hpp"

#include "engine/async/scope.hpp"
#include "sim/world.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

std::string block_of(char fill) {
  return std::string(kBlockSize, fill);
}

struct Array {
  World world;
  NodeClock clock{world.events(), {}};
  Scheduler scheduler{clock};
  Actor actor{0, scheduler, clock};
  SharedDisk disk;
  std::shared_ptr<DiskPath> path;
  SimDevice device;
  TaskScope scope{scheduler};
  std::uint64_t completed = 0;

  explicit Array(std::uint64_t seed = 1)
      : disk(world.events(), world.trace(), world.board(), SimRandom(seed, Stream::disk), {}),
        path(disk.open_path(0)),
        device(disk, path, scheduler) {
    world.add(actor);
  }
  ~Array() {
    scheduler.kill();
    world.events().clear();
  }
  void run() {
    while (world.step()) {
    }
  }
  static Task<void> write_task(Array* self, std::uint64_t first, std::string data,
                               Durability durability) {
    const Result<void> done =
        co_await self->device.write(BlockNo{first}, std::as_bytes(std::span(data)), durability);
    if (done.has_value()) ++self->completed;
  }
  static Task<void> flush_task(Array* self) {
    const Result<void> done = co_await self->device.flush();
    if (done.has_value()) ++self->completed;
  }
  void write(std::uint64_t first, std::string data,
             Durability durability = Durability::after_flush) {
    scope.spawn(write_task(this, first, std::move(data), durability));
  }
  void flush() { scope.spawn(flush_task(this)); }
  std::string at(std::uint64_t block) const {
    std::string bytes(kBlockSize, '\0');
    copy_block(disk.image().block(block), reinterpret_cast<std::byte*>(bytes.data()));
    return bytes;
  }
  void cut(CutMode mode) {
    disk.drop_path(path);
    scheduler.kill();
    disk.power_cut(mode);
  }
};

BOOST_AUTO_TEST_CASE(a_completed_write_is_visible_at_once_and_durable_only_after_a_flush) {
  for (const bool flushed : {false, true}) {
    Array array;
    array.write(7, block_of('a'));
    array.run();
    BOOST_TEST(array.at(7) == block_of('a'));
    if (flushed) array.flush();
    array.run();
    array.cut(CutMode::keeps_none);
    BOOST_TEST((array.at(7) == block_of('a')) == flushed);
  }
}

BOOST_AUTO_TEST_CASE(a_write_that_asks_for_it_is_durable_on_completion) {
  Array array;
  array.write(7, block_of('a'), Durability::on_completion);
  array.run();
  array.cut(CutMode::keeps_none);
  BOOST_TEST(array.at(7) == block_of('a'));
}

BOOST_AUTO_TEST_CASE(a_flush_does_not_cover_a_write_that_completes_after_it_started) {
  bool lost_one = false;
  for (std::uint64_t seed = 1; seed <= 50 && !lost_one; ++seed) {
    Array array(seed);
    array.write(7, block_of('a'));
    array.flush();
    while (array.completed < 2) array.world.step();
    array.cut(CutMode::keeps_none);
    lost_one = array.at(7) != block_of('a');
  }
  BOOST_TEST(lost_one);
}

BOOST_AUTO_TEST_CASE(a_power_cut_keeps_old_or_new_blocks_and_tears_only_in_sectors) {
  bool torn = false, older = false, newest = false;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Array array(seed);
    array.write(3, block_of('d'), Durability::on_completion);
    array.run();
    array.write(3, block_of('a'));
    array.run();
    array.write(3, block_of('b'));
    array.run();
    array.cut(seed % 2 == 0 ? CutMode::any_blocks : CutMode::any_sectors);
    const std::string bytes = array.at(3);
    for (std::size_t at = 0; at < kBlockSize; ++at) {
      BOOST_TEST_REQUIRE((bytes[at] == 'd' || bytes[at] == 'a' || bytes[at] == 'b'));
      BOOST_TEST_REQUIRE(bytes[at] == bytes[at - at % kSectorSize]);
    }
    const bool whole = bytes == std::string(kBlockSize, bytes[0]);
    if (seed % 2 == 0) BOOST_TEST(whole);
    torn = torn || !whole;
    older = older || bytes == block_of('a');
    newest = newest || bytes == block_of('b');
  }
  BOOST_TEST(torn);
  BOOST_TEST(older);
  BOOST_TEST(newest);
}

BOOST_AUTO_TEST_CASE(a_durable_write_makes_older_versions_of_its_block_impossible) {
  Array array;
  array.write(3, block_of('a'));
  array.run();
  array.write(3, block_of('b'), Durability::on_completion);
  array.run();
  array.cut(CutMode::keeps_none);
  BOOST_TEST(array.at(3) == block_of('b'));
}

BOOST_AUTO_TEST_CASE(a_dead_nodes_writes_land_late_or_never_until_its_path_is_drained) {
  bool landed_late = false, never = false;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Array array(seed);
    array.write(9, block_of('x'));
    array.scheduler.run();
    array.disk.drop_path(array.path);
    array.scheduler.kill();
    const bool before = array.at(9) == block_of('x');
    array.run();
    BOOST_TEST(array.disk.drained(*array.path));
    array.disk.confirm_dead(*array.path);
    const bool after = array.at(9) == block_of('x');
    landed_late = landed_late || (!before && after);
    never = never || !after;
    BOOST_TEST(array.completed == 0);
    BOOST_TEST(!array.world.board().failed());
  }
  BOOST_TEST(landed_late);
  BOOST_TEST(never);
}

BOOST_AUTO_TEST_CASE(a_fence_ends_after_what_had_arrived_and_refuses_everything_later) {
  bool drained_one = false;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Array array(seed);
    array.write(9, block_of('x'));
    array.scheduler.run();
    const bool before = array.at(9) == block_of('x');
    const SharedDisk::Done fenced(array.scheduler);
    array.disk.fence(array.path, fenced);
    while (!fenced.is_set()) array.world.step();
    BOOST_TEST(SharedDisk::confirmed(*array.path));
    BOOST_TEST(array.at(9) == block_of('x'));
    drained_one = drained_one || !before;
    array.write(9, block_of('y'));
    array.flush();
    array.run();
    BOOST_TEST(array.at(9) == block_of('x'));
    BOOST_TEST(array.completed == 0);
    BOOST_TEST(array.disk.refused() == 2);
    BOOST_TEST(!array.world.board().failed());
  }
  BOOST_TEST(drained_one);
}

BOOST_AUTO_TEST_CASE(a_fence_of_a_dead_node_leaves_nothing_that_could_come_late) {
  bool landed = false, never = false;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Array array(seed);
    array.write(9, block_of('x'));
    array.scheduler.run();
    array.disk.drop_path(array.path);
    const SharedDisk::Done fenced(array.scheduler);
    array.disk.fence(array.path, fenced);
    while (!fenced.is_set()) array.world.step();
    const std::string then = array.at(9);
    array.run();
    BOOST_TEST(array.at(9) == then);
    landed = landed || then == block_of('x');
    never = never || then != block_of('x');
  }
  BOOST_TEST(landed);
  BOOST_TEST(never);
}

BOOST_AUTO_TEST_CASE(a_node_that_stood_still_sends_its_queue_into_a_fence) {
  bool refused = false, arrived = false;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Array array(seed);
    array.write(9, block_of('x'));
    array.scheduler.run();
    array.disk.hold_path(array.path, array.world.now_ns() + kSecond);
    const SharedDisk::Done fenced(array.scheduler);
    array.disk.fence(array.path, fenced);
    while (!fenced.is_set()) array.world.step();
    const bool landed = array.at(9) == block_of('x');
    array.run();
    BOOST_TEST((array.at(9) == block_of('x')) == landed);
    refused = refused || (!landed && array.disk.refused() == 1);
    arrived = arrived || landed;
  }
  BOOST_TEST(refused);
  BOOST_TEST(arrived);
}

BOOST_AUTO_TEST_CASE(a_lost_path_fails_what_is_in_flight_and_all_that_follows) {
  Array array;
  array.write(9, block_of('x'));
  array.scheduler.run();
  array.disk.lose_path(array.path);
  array.write(8, block_of('y'));
  array.run();
  BOOST_TEST(array.completed == 0);
  BOOST_TEST(array.at(8) != block_of('y'));
}

Task<void> reconnect_task(SimDevice& device, Result<void>* out) {
  *out = co_await device.reconnect();
}

BOOST_AUTO_TEST_CASE(a_new_connection_waits_until_nothing_of_the_old_one_can_land) {
  bool landed_late = false;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Array array(seed);
    array.write(9, block_of('x'));
    array.scheduler.run();
    array.disk.lose_path(array.path, 10 * kMillisecond);
    Result<void> too_early, done = fail(Errc::busy);
    array.scope.spawn(reconnect_task(array.device, &too_early));
    array.world.events().at(11 * kMillisecond, [] {});
    while (array.world.now_ns() < 11 * kMillisecond && array.world.step()) {
    }
    BOOST_TEST(failed_with(too_early, Errc::disconnected));
    const bool landed = array.at(9) == block_of('x');
    array.scope.spawn(reconnect_task(array.device, &done));
    while (!done.has_value() && array.world.step()) {
    }
    landed_late = landed_late || (!landed && array.at(9) == block_of('x'));
    array.write(9, block_of('y'));
    array.run();
    BOOST_TEST(array.completed == 1);
    BOOST_TEST((array.at(9) == block_of('y')));
    BOOST_TEST(!array.world.board().failed());
  }
  BOOST_TEST(landed_late);
}

BOOST_AUTO_TEST_CASE(requests_in_flight_together_complete_out_of_order) {
  bool reordered = false;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Array array(seed);
    array.write(1, block_of('1'));
    array.write(2, block_of('2'));
    while (array.at(1) != block_of('1') && array.at(2) != block_of('2')) array.world.step();
    reordered = reordered || array.at(2) == block_of('2');
    array.run();
  }
  BOOST_TEST(reordered);
}

BOOST_AUTO_TEST_CASE(what_a_failed_write_leaves_is_old_or_new_and_never_durable) {
  bool old_stays = false, new_lands = false;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Array array(seed);
    array.disk.errors().begin({.where = {BlockNo{7}, 1}, .writes = true});
    array.write(7, block_of('a'), Durability::on_completion);
    array.write(8, block_of('b'));
    array.run();
    BOOST_TEST(array.completed == 1);
    BOOST_TEST(array.disk.errors_of(*array.path).writes == 1U);
    const bool landed = array.at(7) == block_of('a');
    BOOST_TEST((landed || array.at(7) == block_of('\0')));
    old_stays = old_stays || !landed;
    new_lands = new_lands || landed;
    array.flush();
    array.run();
    array.cut(CutMode::keeps_none);
    BOOST_TEST(array.at(7) == block_of('\0'));
    BOOST_TEST(array.at(8) == block_of('b'));
  }
  BOOST_TEST(old_stays);
  BOOST_TEST(new_lands);
}

BOOST_AUTO_TEST_CASE(no_later_flush_covers_what_a_failed_one_left_in_doubt) {
  Array array;
  array.write(7, block_of('a'));
  array.run();
  const std::uint64_t trouble =
      array.disk.errors().begin({.node = 0, .where = {}, .flushes = true});
  array.flush();
  array.run();
  array.disk.errors().end(trouble);
  array.write(8, block_of('b'));
  array.run();
  array.flush();
  array.run();
  BOOST_TEST(array.completed == 3);
  array.cut(CutMode::keeps_none);
  BOOST_TEST(array.at(7) == block_of('\0'));
  BOOST_TEST(array.at(8) == block_of('b'));
}

BOOST_AUTO_TEST_CASE(a_trouble_hits_its_node_its_blocks_and_its_kind_of_request_alone) {
  DiskErrors errors(SimRandom(1, Stream::test), {});
  const std::uint64_t number =
      errors.begin({.node = 1, .where = {BlockNo{10}, 5}, .reads = true});
  BOOST_TEST(errors.read_fails(1, {BlockNo{14}, 1}));
  BOOST_TEST(errors.read_fails(1, {BlockNo{0}, 11}));
  BOOST_TEST(!errors.read_fails(1, {BlockNo{15}, 1}));
  BOOST_TEST(!errors.read_fails(0, {BlockNo{14}, 1}));
  BOOST_TEST(!errors.write_fails(1, {BlockNo{14}, 1}));
  BOOST_TEST(!errors.flush_fails(1));
  errors.end(number);
  BOOST_TEST(!errors.read_fails(1, {BlockNo{14}, 1}));
}

}  // namespace
}  // namespace scoutfs::sim
