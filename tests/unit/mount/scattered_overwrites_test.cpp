// One node whose journal is the smallest there is: what it may record at once is little.
#include "bench/engine_world.hpp"
#include "engine/mount/mount.hpp"
#include "tests/test.hpp"

namespace scoutfs {
namespace {

constexpr std::uint64_t kBlocks = 16384;  // of the file

struct Outcome {
  bool written = false;
  bool synced = false;
  bool ended = false;
};

// Writes a file, then every second block of it anew: each frees a run of its own.
Task<void> overwrite(Env env, Outcome* outcome) {
  FormatOptions format;
  format.journal_blocks = 256;
  const Result<format::Superblock> made = co_await format_volume(env, std::move(format));
  BOOST_REQUIRE(made.has_value());
  MountOptions options;
  options.commit_interval_ns = 3600 * kSecond;
  Mount mount(env, options);
  const Result<void> started = co_await mount.start(nullptr);
  BOOST_REQUIRE(started.has_value());
  fs::FileSystem& fs = mount.fs();
  const fs::Context context;
  fs::NewNode node{.mode = format::kTypeRegular | 0644, .rdev = 0, .target = {}};
  const auto file = co_await fs.create(context, kRootIno, "file", std::move(node));
  BOOST_REQUIRE(file.has_value());
  outcome->written = true;
  const std::uint64_t steps[] = {1, 2};
  for (const std::uint64_t step : steps) {
    for (std::uint64_t block = 0; block < kBlocks; block += step) {
      std::string bytes(kBlockSize, static_cast<char>('a' + block % 26));
      const auto at =
          co_await fs.write(context, file->ino, block * kBlockSize, std::move(bytes));
      outcome->written = outcome->written && at.has_value();
    }
    const Result<void> synced = co_await fs.sync(context);
    outcome->synced = synced.has_value();
  }
  const Result<void> ended = co_await mount.unmount();
  outcome->ended = ended.has_value();
}

BOOST_AUTO_TEST_SUITE(scattered_overwrites)

BOOST_AUTO_TEST_CASE(thousands_of_freed_runs_are_recorded_in_pieces_that_the_journal_takes) {
  bench::RealClock clock;
  Scheduler scheduler(clock);
  bench::FlatDevice device(scheduler, 65536);
  bench::LoopNetwork network(scheduler);
  bench::SplitMix random;
  bench::NoFencing fencing;
  bench::StderrLog log(LogLevel::warning);
  const Env env{scheduler, clock, random, device, network, fencing, log};
  Outcome outcome;
  {
    TaskScope scope(scheduler);
    scope.spawn(overwrite(env, &outcome));
    while (scope.running() > 0) scheduler.run(1024);
  }
  BOOST_TEST(outcome.written);
  BOOST_TEST(outcome.synced);
  BOOST_TEST(outcome.ended);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs
