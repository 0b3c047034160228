// The order of a check: superblocks, server tree, every segment and with them every item of the
// main tree in key order, file data on the way, then what all of it leaves of the space.
//
// Each part reports and goes on where going on makes sense. The server tree is read with lsm's
// own code (its journal has one reader); the segments of the main tree are read from their
// bytes.
#include "engine/check/check.hpp"

#include <memory>

#include "engine/check/quorum_blocks.hpp"
#include "engine/check/segment_scan.hpp"
#include "engine/check/server_state.hpp"
#include "engine/check/superblocks.hpp"
#include "engine/check/tree_check.hpp"
#include "engine/lsm/durable_tree.hpp"

namespace scoutfs::check {

namespace {

constexpr std::uint64_t kCacheBytes = 64u << 20;  // of a visit

// Reads the server tree of `superblock`.
Task<Result<void>> load_server_tree(Scheduler& scheduler, BlockDevice& device,
                                    format::Superblock superblock, std::uint64_t cache_bytes,
                                    lsm::Visit visit) {
  lsm::SegmentCache cache(scheduler, device, superblock.fsid, cache_bytes);
  Result<void> loaded;
  {
    lsm::DurableTree tree(scheduler, device, cache, std::move(superblock));
    loaded = co_await tree.load(std::move(visit));
  }
  co_await cache.close();
  co_return loaded;
}

class Progress {
 public:
  Progress(const Options& options, const Report& report,
           const std::vector<lsm::Placed>& segments)
      : options_(options), report_(report) {
    for (const lsm::Placed& placed : segments) segment_blocks_ += placed.info.ref.where.count;
  }
  // `file_blocks` are known so far; they count when their data is read.
  void tell(std::uint64_t data_bytes, std::uint64_t file_blocks) const {
    if (!options_.progress) return;
    const std::uint64_t data_total = options_.verify_data ? file_blocks * kBlockSize : 0;
    options_.progress(report_.segment_blocks * kBlockSize + data_bytes,
                      segment_blocks_ * kBlockSize + data_total);
  }

 private:
  const Options& options_;
  const Report& report_;
  std::uint64_t segment_blocks_ = 0;
};

// The second look at the items when a digest did not come out even.
Task<void> find_lone_references(BlockDevice& device, Fsid fsid, const ServerState& server,
                                const References& digests, Problems& problems) {
  Report ignored;  // what the first pass reported already
  Problems muted(ignored, 0);
  ExactReferences exact(digests);
  MergedScan scan(server.segments(), fsid, muted, ignored);
  for (MergedScan::Step step = scan.next(); step != MergedScan::Step::end; step = scan.next()) {
    if (step == MergedScan::Step::read) {
      co_await scan.read(device);
    } else if (const auto value = scan.value()) {
      add_exact(exact, scan.key(), *value);
    }
  }
  exact.report(problems);
}

Task<void> check_tree(BlockDevice& device, const Options& options, const ServerState& server,
                      SpaceMap& space, Problems& problems, Report& report) {
  const Fsid fsid = report.superblock.fsid;
  const Progress progress(options, report, server.segments());
  DataVerifier data(problems);
  TreeCheck tree(space, options.verify_data ? &data : nullptr, problems, report);
  MergedScan scan(server.segments(), fsid, problems, report);
  for (MergedScan::Step step = scan.next(); step != MergedScan::Step::end; step = scan.next()) {
    if (step == MergedScan::Step::read) {
      co_await scan.read(device);
      progress.tell(data.bytes_done(), space.blocks(Owner::file));
    } else if (const auto value = scan.value()) {
      tree.add(scan.key(), *value);
      if (data.full()) {
        co_await data.run(device);
        progress.tell(data.bytes_done(), space.blocks(Owner::file));
      }
    }
  }
  co_await data.run(device);
  tree.finish(server.counters());
  progress.tell(data.bytes_done(), space.blocks(Owner::file));
  if (tree.references().complete()) co_return;
  co_await find_lone_references(device, fsid, server, tree.references(), problems);
}

void count_space(const SpaceMap& space, Report& report) {
  report.free_blocks = space.blocks(Owner::free);
  report.granted_blocks = space.blocks(Owner::granted);
  report.replaced_blocks = space.blocks(Owner::replaced);
  report.job_blocks = space.blocks(Owner::job);
  report.file_blocks = space.blocks(Owner::file);
}

}  // namespace

Task<Result<Report>> check_volume(Scheduler& scheduler, BlockDevice& device, Options options) {
  Report report;
  Problems problems(report, options.problems_max);
  SCOUTFS_CO_TRY(report.superblock,
                 co_await read_superblocks(device, options.after_crash, problems));
  if (!check_regions(report.superblock, device.block_count(), problems)) co_return report;
  co_await check_quorum_blocks(device, report.superblock, problems);

  SpaceMap space(report.superblock.space, problems);
  ServerState server(space, problems);
  lsm::Visit visit = [&server](std::string_view key, std::string_view value) {
    server.add(key, value);
    return Result<void>{};
  };
  const Result<void> loaded = co_await load_server_tree(scheduler, device, report.superblock,
                                                        options.cache_bytes, std::move(visit));
  if (!loaded.has_value()) {
    problems.add("server-tree", "the server tree of checkpoint {} cannot be read: {}",
                 report.superblock.checkpoint, to_string(loaded.error().code));
    co_return report;
  }
  server.finish();
  for (const auto& [rid, member] : server.members()) report.members[rid] = member.recorded;

  co_await check_tree(device, options, server, space, problems, report);
  space.finish();
  count_space(space, report);
  co_return report;
}

Task<Result<void>> visit_server_items(Scheduler& scheduler, BlockDevice& device,
                                      VisitItem visit) {
  Report report;
  Problems problems(report, 0);
  SCOUTFS_CO_TRY(format::Superblock superblock,
                 co_await read_superblocks(device, true, problems));
  if (!check_regions(superblock, device.block_count(), problems)) {
    co_return fail(Errc::corrupt);
  }
  lsm::Visit pass_on = [&visit](std::string_view key, std::string_view value) {
    visit(key, value);
    return Result<void>{};
  };
  co_return co_await load_server_tree(scheduler, device, std::move(superblock), kCacheBytes,
                                      std::move(pass_on));
}

Task<Result<void>> visit_items(Scheduler& scheduler, BlockDevice& device, VisitItem visit) {
  Report report;
  Problems problems(report, 0);
  SCOUTFS_CO_TRY(const format::Superblock superblock,
                 co_await read_superblocks(device, true, problems));
  if (!check_regions(superblock, device.block_count(), problems)) {
    co_return fail(Errc::corrupt);
  }
  report.problem_count = 0;  // a bad copy does not matter here
  SpaceMap space(superblock.space, problems);
  ServerState server(space, problems);
  lsm::Visit add = [&server](std::string_view key, std::string_view value) {
    server.add(key, value);
    return Result<void>{};
  };
  SCOUTFS_CO_CHECK(
      co_await load_server_tree(scheduler, device, superblock, kCacheBytes, std::move(add)));
  const std::uint64_t undecodable = report.problem_count;
  server.finish();
  report.problem_count = undecodable;  // only what hides items matters here
  MergedScan scan(server.segments(), superblock.fsid, problems, report);
  for (MergedScan::Step step = scan.next(); step != MergedScan::Step::end; step = scan.next()) {
    if (step == MergedScan::Step::read) {
      co_await scan.read(device);
    } else if (const auto value = scan.value()) {
      visit(scan.key(), *value);
    }
  }
  if (report.problem_count > 0) co_return fail(Errc::corrupt);
  co_return Result<void>{};
}

}  // namespace scoutfs::check
