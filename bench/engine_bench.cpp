// The engine on a memory device: one node, one thread, everything durable by its commits.
//
// Creates files in directories, looks them up, walks the change index, and measures what the
// metadata takes on the device when compaction has settled. One JSON object on standard output.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/engine_world.hpp"
#include "engine/mount/mount.hpp"

namespace scoutfs::bench {

struct Plan {
  std::uint64_t files = 1'000'000;
  std::uint64_t directories = 100;
  std::uint64_t device_mib = 4096;
  std::uint64_t cache_mib = 256;
  std::uint64_t segment_cache_mib = 256;
  bool verbose = false;
};

double seconds_since(const Clock& clock, TimeNs start_ns) {
  return static_cast<double>(clock.now_ns() - start_ns) / 1e9;
}

void expect(bool good, std::string_view what) {
  if (good) return;
  fmt::print(stderr, "engine_bench: {} failed\n", what);
  std::exit(1);
}

Task<void> settle(Env env, Mount& mount) {
  while (true) {
    const MountStatus status = mount.status();
    if (status.compaction_debt_blocks == 0 && status.replaced_blocks == 0) co_return;
    co_await Sleep(env.scheduler, 20 * kMillisecond);
  }
}

Task<void> look_up(Env env, fs::FileSystem& fs, Plan plan, const std::vector<Ino>* directories,
                   nlohmann::json* out) {
  const std::uint64_t lookups = std::min<std::uint64_t>(plan.files, 300'000);
  const fs::Context context;
  for (const char* pass : {"lookups_cold_per_s", "lookups_per_s"}) {
    const TimeNs start_ns = env.clock.now_ns();
    for (std::uint64_t n = 0; n < lookups; ++n) {
      const std::uint64_t i = n;
      const auto found = co_await fs.lookup(context, (*directories)[i % plan.directories],
                                            fmt::format("file-{:08}", i));
      expect(found.has_value(), "lookup");
      if (n % 64 == 0) co_await Yield(env.scheduler);
    }
    (*out)[pass] = static_cast<double>(lookups) / seconds_since(env.clock, start_ns);
  }
}

Task<void> walk(Env env, fs::FileSystem& fs, nlohmann::json* out) {
  const fs::Context context;
  const TimeNs start_ns = env.clock.now_ns();
  std::uint64_t entries = 0;
  fs::IndexEntry first{};
  const fs::IndexEntry last{Seq{~std::uint64_t{0}}, Ino{~std::uint64_t{0}}};
  while (true) {
    const auto page = co_await fs.walk_inodes(context, format::IndexType::meta_seq, first, last,
                                              16'384, client::Store::Wait::no);
    expect(page.has_value(), "walk");
    if (page->entries.empty()) break;
    entries += page->entries.size();
    first = {page->entries.back().seq, page->entries.back().ino.next()};
  }
  (*out)["walk_entries_per_s"] =
      static_cast<double>(entries) / seconds_since(env.clock, start_ns);
  (*out)["walked"] = entries;
}

Task<void> measure(Env env, FlatDevice& device, Plan plan, nlohmann::json* out) {
  FormatOptions format;
  const Result<format::Superblock> made = co_await format_volume(env, std::move(format));
  expect(made.has_value(), "mkfs");
  MountOptions options;
  options.item_cache_bytes = plan.cache_mib << 20;
  options.segment_cache_bytes = plan.segment_cache_mib << 20;
  options.heartbeat_ns = 20 * kMillisecond;
  Mount mount(env, options);
  const Result<void> started = co_await mount.start(nullptr);
  expect(started.has_value(), "mount");
  fs::FileSystem& fs = mount.fs();
  const fs::Context context;
  const std::uint64_t free_before = mount.status().free_blocks;

  std::vector<Ino> directories;
  for (std::uint64_t i = 0; i < plan.directories; ++i) {
    fs::NewNode node{.mode = format::kTypeDirectory | 0755, .rdev = 0, .target = {}};
    const auto made_dir =
        co_await fs.create(context, kRootIno, fmt::format("directory-{}", i), std::move(node));
    expect(made_dir.has_value(), "mkdir");
    directories.push_back(made_dir->ino);
  }

  TimeNs start_ns = env.clock.now_ns();
  for (std::uint64_t i = 0; i < plan.files; ++i) {
    fs::NewNode node{.mode = format::kTypeRegular | 0644, .rdev = 0, .target = {}};
    const auto file = co_await fs.create(context, directories[i % plan.directories],
                                         fmt::format("file-{:08}", i), std::move(node));
    expect(file.has_value(), "create");
    // What the device and the leader's messages would do meanwhile on their own.
    if (i % 64 == 0) co_await Yield(env.scheduler);
  }
  const Result<void> synced = co_await fs.sync(context);
  expect(synced.has_value(), "sync");
  (*out)["creates_per_s"] =
      static_cast<double>(plan.files) / seconds_since(env.clock, start_ns);
  start_ns = env.clock.now_ns();
  co_await settle(env, mount);
  (*out)["settle_s"] = seconds_since(env.clock, start_ns);

  co_await look_up(env, fs, plan, &directories, out);
  co_await walk(env, fs, out);

  const Result<void> unmounted = co_await mount.unmount();
  expect(unmounted.has_value(), "unmount");
  Mount again(env, options);
  const Result<void> restarted = co_await again.start(nullptr);
  expect(restarted.has_value(), "mount again");
  co_await settle(env, again);
  const std::uint64_t used = free_before + 0 - again.status().free_blocks;
  (*out)["metadata_bytes_per_file"] =
      static_cast<double>(used * kBlockSize) / static_cast<double>(plan.files);
  (*out)["device_bytes_per_file"] =
      static_cast<double>(device.bytes_written()) / static_cast<double>(plan.files);
  const Result<void> ended = co_await again.unmount();
  expect(ended.has_value(), "unmount");
}

int run(const Plan& plan) {
  RealClock clock;
  Scheduler scheduler(clock);
  FlatDevice device(scheduler, plan.device_mib << 8);
  LoopNetwork network(scheduler);
  SplitMix random;
  NoFencing fencing;
  StderrLog log(plan.verbose ? LogLevel::debug : LogLevel::warning);
  Env env{scheduler, clock, random, device, network, fencing, log};
  nlohmann::json out;
  out["files"] = plan.files;
  out["directories"] = plan.directories;
  out["item_cache_mib"] = plan.cache_mib;
  {
    TaskScope scope(scheduler);
    scope.spawn(measure(env, device, plan, &out));
    while (scope.running() > 0) scheduler.run(1024);
  }
  fmt::print("{}\n", out.dump(2));
  return 0;
}

}  // namespace scoutfs::bench

int main(int argc, char** argv) {
  CLI::App app{"The engine on a memory device: creates, lookups, index walks, space"};
  scoutfs::bench::Plan plan;
  app.add_option("--files", plan.files, "files to create");
  app.add_option("--directories", plan.directories, "directories they are spread over");
  app.add_option("--device-mib", plan.device_mib, "size of the device in MiB");
  app.add_option("--cache-mib", plan.cache_mib, "item cache in MiB");
  app.add_option("--segment-cache-mib", plan.segment_cache_mib, "segment cache in MiB");
  app.add_flag("--verbose", plan.verbose, "the node's log on standard error");
  CLI11_PARSE(app, argc, argv);
  return scoutfs::bench::run(plan);
}
