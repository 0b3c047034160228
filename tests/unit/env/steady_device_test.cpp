#include "engine/env/steady_device.hpp"

#include "tests/support/memory_device.hpp"
#include "tests/support/run.hpp"
#include "tests/test.hpp"

namespace scoutfs {
namespace {

class SilentLog final : public Log {
 public:
  void write(LogLevel, std::string_view) override {}
  bool enabled(LogLevel) const override { return false; }
};

struct Disk {
  testing::ManualClock clock;
  Scheduler scheduler{clock};
  testing::MemoryDevice inner{64};
  SilentLog log;
  int lost = 0;
  SteadyDevice device{scheduler, inner, log, [this] { ++lost; }};

  Result<void> read(std::string& bytes) {
    bytes.assign(kBlockSize, '\0');
    const std::span<std::byte> out{reinterpret_cast<std::byte*>(bytes.data()), bytes.size()};
    return testing::run(scheduler, clock, device.read(BlockNo{7}, out));
  }
  Result<void> write(char fill) {
    const std::string bytes(kBlockSize, fill);
    const std::span<const std::byte> data = std::as_bytes(std::span(bytes));
    return testing::run(scheduler, clock,
                        device.write(BlockNo{7}, data, Durability::after_flush));
  }
  Result<void> flush() { return testing::run(scheduler, clock, device.flush()); }
};

BOOST_AUTO_TEST_CASE(an_error_that_passes_is_not_seen) {
  Disk disk;
  disk.inner.fail_write(1);
  BOOST_TEST(disk.write('a').has_value());
  BOOST_TEST(disk.inner.counters().writes == 2U);
  disk.inner.fail_read(1);
  std::string bytes;
  BOOST_TEST(disk.read(bytes).has_value());
  BOOST_TEST(bytes == std::string(kBlockSize, 'a'));
  BOOST_TEST(disk.lost == 0);
}

BOOST_AUTO_TEST_CASE(an_error_that_stays_is_told_and_other_blocks_go_on) {
  Disk disk;
  disk.inner.add_bad_write(BlockNo{7});
  BOOST_TEST(failed_with(disk.write('a'), Errc::io_error));
  BOOST_TEST(disk.inner.counters().writes == 4U);
  disk.inner.add_bad_read(BlockNo{7});
  std::string bytes;
  BOOST_TEST(failed_with(disk.read(bytes), Errc::io_error));
  BOOST_TEST(disk.inner.counters().reads == 3U);
  BOOST_TEST(disk.flush().has_value());
  BOOST_TEST(disk.lost == 0);
}

BOOST_AUTO_TEST_CASE(nothing_is_written_after_a_flush_that_failed) {
  Disk disk;
  BOOST_TEST(disk.write('a').has_value());
  disk.inner.fail_flush(1);
  BOOST_TEST(failed_with(disk.flush(), Errc::io_error));
  BOOST_TEST(disk.inner.counters().flushes == 1U);
  BOOST_TEST(disk.lost == 1);
  // The device would take both; nobody may believe it.
  BOOST_TEST(failed_with(disk.write('b'), Errc::io_error));
  BOOST_TEST(failed_with(disk.flush(), Errc::io_error));
  BOOST_TEST(disk.inner.counters().writes == 1U);
  BOOST_TEST(disk.inner.counters().flushes == 1U);
  std::string bytes;
  BOOST_TEST(disk.read(bytes).has_value());
  BOOST_TEST(disk.lost == 1);
}

}  // namespace
}  // namespace scoutfs
