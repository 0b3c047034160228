// The LSM against RocksDB: durable loads in order and out of order, cached random reads, a
// scan.
//
// Both sides run in this process one after the other, on the same directory, which should be a
// tmpfs so that the device costs nothing. Results are one JSON object on standard output.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <numeric>
#include <utility>

#include "bench/side.hpp"

namespace scoutfs::bench {
namespace {

using Json = nlohmann::ordered_json;

// Of all threads of the process.
double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The numbers below `count`, in an order that looks random and is the same in every run.
std::vector<std::uint64_t> shuffled(std::uint64_t count) {
  std::vector<std::uint64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (std::uint64_t i = count; i > 1; --i) std::swap(order[i - 1], order[mix(i, 5) % i]);
  return order;
}

Json load(Side& side, const Settings& settings, const std::vector<std::uint64_t>& order) {
  const double cpu_before = cpu_seconds();
  const Stopwatch stopwatch;
  std::vector<std::uint64_t> batch;
  for (std::uint64_t at = 0; at < order.size(); at += settings.batch_size) {
    const auto end = std::min<std::uint64_t>(at + settings.batch_size, order.size());
    batch.assign(order.begin() + static_cast<std::ptrdiff_t>(at),
                 order.begin() + static_cast<std::ptrdiff_t>(end));
    side.write_batch(batch);
  }
  const double loaded = stopwatch.seconds();
  side.settle();
  const double settled = stopwatch.seconds();
  const auto count = static_cast<double>(order.size());
  return {{"items_per_second", count / loaded},
          {"items_per_second_settled", count / settled},
          {"items_per_cpu_second", count / (cpu_seconds() - cpu_before)},
          {"amplification",
           static_cast<double>(side.bytes_written()) / (count * (kKeySize + kValueSize))},
          {"shape", side.shape()}};
}

Json read(Side& side, const Settings& settings) {
  std::vector<std::uint64_t> items(settings.read_count);
  for (std::uint64_t i = 0; i < items.size(); ++i) items[i] = mix(i, 9) % settings.item_count;
  side.reopen();
  const Stopwatch cold;
  std::uint64_t found = side.read(items);
  const double cold_seconds = cold.seconds();
  // Once more, until all blocks are in the cache.
  const std::vector<std::uint64_t> all = shuffled(settings.item_count);
  found += side.read(all);
  const Stopwatch cached;
  found += side.read(items);
  const double cached_seconds = cached.seconds();
  if (found != 2 * items.size() + all.size()) {
    std::cerr << side.name() << ": items are missing\n";
    std::exit(1);
  }
  const auto count = static_cast<double>(items.size());
  return {{"first_reads_per_second", count / cold_seconds},
          {"cached_reads_per_second", count / cached_seconds}};
}

Json scan(Side& side, const Settings& settings) {
  side.reopen();
  const Stopwatch stopwatch;
  std::uint64_t bytes = 0;
  const std::uint64_t count = side.scan(bytes);
  const double seconds = stopwatch.seconds();
  if (count != settings.item_count || bytes != count * (kKeySize + kValueSize)) {
    std::cerr << side.name() << ": the scan found " << count << " items\n";
    std::exit(1);
  }
  return {{"items_per_second", static_cast<double>(count) / seconds}};
}

Json measure(std::unique_ptr<Side> (*make)(const Settings&), const Settings& settings) {
  Json out;
  if (settings.phases.find("sorted") != std::string::npos) {
    std::vector<std::uint64_t> order(settings.item_count);
    std::iota(order.begin(), order.end(), 0);
    const auto side = make(settings);
    out["load_sorted"] = load(*side, settings, order);
    out["scan_sorted"] = scan(*side, settings);
  }
  if (settings.phases.find("random") != std::string::npos) {
    const auto side = make(settings);
    out["load_random"] = load(*side, settings, shuffled(settings.item_count));
    out["scan_random"] = scan(*side, settings);
    out["read_random"] = read(*side, settings);
  }
  return out;
}

}  // namespace
}  // namespace scoutfs::bench

int main(int argc, char** argv) {
  using namespace scoutfs::bench;
  Settings settings;
  std::string only;
  CLI::App app("The LSM against RocksDB.");
  app.add_option("--directory", settings.directory, "where both keep their files");
  app.add_option("--items", settings.item_count, "how many items");
  app.add_option("--batch", settings.batch_size, "items of one durable batch");
  app.add_option("--reads", settings.read_count, "random reads");
  app.add_option("--cache", settings.cache_bytes, "bytes of block cache");
  std::uint64_t level1_mib = settings.compaction.level1_blocks >> 8;
  app.add_option("--level0-count", settings.compaction.level0_count, "runs that start merging");
  app.add_option("--level1-mib", level1_mib, "size of level 1");
  app.add_option("--fanout", settings.compaction.fanout, "ratio of sizes of levels");
  app.add_option("--inputs-max", settings.compaction.inputs_max, "segments of one job");
  app.add_option("--phases", settings.phases, "which orders to load in: sorted,random");
  app.add_option("--only", only, "scoutfs or rocksdb");
  CLI11_PARSE(app, argc, argv);
  settings.compaction.level1_blocks = level1_mib << 8;

  nlohmann::ordered_json out;
  out["items"] = settings.item_count;
  out["batch"] = settings.batch_size;
  if (only != "rocksdb") out["scoutfs"] = measure(make_lsm_side, settings);
  if (only != "scoutfs") out["rocksdb"] = measure(make_rocks_side, settings);
  std::cout << out.dump(2) << "\n";
  return 0;
}
