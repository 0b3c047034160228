// The test device itself: what a power cut may and may not leave.
#include "tests/support/memory_device.hpp"

#include "engine/base/codec.hpp"
#include "tests/support/device_io.hpp"
#include "tests/support/run.hpp"
#include "tests/test.hpp"

namespace scoutfs::testing {
namespace {

std::string block_of(char c) {
  return std::string(kBlockSize, c);
}

BOOST_AUTO_TEST_SUITE(memory_device)

BOOST_AUTO_TEST_CASE(a_power_cut_undoes_only_what_was_not_flushed) {
  World world;
  MemoryDevice device(16);
  BOOST_TEST(world.run(put(device, BlockNo{1}, block_of('a'))).has_value());
  BOOST_TEST(world.run(device.flush()).has_value());
  BOOST_TEST(world.run(put(device, BlockNo{1}, block_of('b'))).has_value());
  BOOST_TEST(world.run(put(device, BlockNo{2}, block_of('c'))).has_value());
  BOOST_TEST(device.unflushed_count() == 2U);
  device.power_cut([](std::size_t i) { return i == 1; });
  BOOST_TEST((device.peek(BlockNo{1}, 1) == block_of('a')));
  BOOST_TEST((device.peek(BlockNo{2}, 1) == block_of('c')));
}

BOOST_AUTO_TEST_CASE(a_forced_write_is_durable_and_replaces_older_versions) {
  World world;
  MemoryDevice device(16);
  BOOST_TEST(world.run(put(device, BlockNo{1}, block_of('a'))).has_value());
  BOOST_TEST(
      world.run(put(device, BlockNo{1}, block_of('b'), Durability::on_completion)).has_value());
  device.power_cut([](std::size_t) { return true; });
  BOOST_TEST((device.peek(BlockNo{1}, 1) == block_of('b')));
}

BOOST_AUTO_TEST_CASE(a_write_in_flight_may_be_lost) {
  World world;
  MemoryDevice device(16);
  device.set_scheduler(&world.scheduler);
  TaskScope scope(world.scheduler);
  std::optional<Result<void>> done;
  scope.spawn(testing::detail::store(
      put(device, BlockNo{1}, block_of('a'), Durability::on_completion), &done));
  world.scheduler.run(1);
  BOOST_TEST(!done.has_value());
  world.scheduler.kill();
  device.power_cut([](std::size_t) { return false; });
  BOOST_TEST((device.peek(BlockNo{1}, 1) == block_of('\0')));
}

BOOST_AUTO_TEST_CASE(injected_errors_fail_the_request_they_name) {
  World world;
  MemoryDevice device(16);
  std::vector<std::byte> out(kBlockSize);
  device.fail_read(2);
  BOOST_TEST(world.run(device.read(BlockNo{1}, out)).has_value());
  BOOST_TEST(failed_with(world.run(device.read(BlockNo{1}, out)), Errc::io_error));
  BOOST_TEST(world.run(device.read(BlockNo{1}, out)).has_value());
  device.add_bad_read(BlockNo{3});
  BOOST_TEST(failed_with(world.run(device.read(BlockNo{3}, out)), Errc::io_error));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::testing
