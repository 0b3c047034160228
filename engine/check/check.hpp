// Offline verification of a whole volume: every block, every cross-reference, all space
// accounted.
//
// Reads the device only. Run it on a volume that nobody has mounted, or (the simulator does) on
// a crash image.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/async/scheduler.hpp"
#include "engine/env/block_device.hpp"
#include "engine/format/volume.hpp"

namespace scoutfs::check {

// One line that says what is wrong and where. `kind` is stable, for tests and scripts.
struct Problem {
  std::string kind;  // as "nlink", "space-overlap", "segment-corrupt"
  std::string what;
};

struct Options {
  bool verify_data = true;  // read every file block and compare its checksum
  // The device may have lost power during a checkpoint: one superblock copy that does not
  // verify is what that leaves, and no problem.
  bool after_crash = false;
  std::size_t problems_max = 1000;  // stop reporting (not checking) after so many
  std::uint64_t cache_bytes = 64u << 20;
  // Told now and then: bytes done and bytes known so far. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

struct Report {
  std::vector<Problem> problems;
  std::uint64_t problem_count = 0;
  format::Superblock superblock;
  // What was found.
  std::uint64_t inodes = 0, directories = 0, files = 0, orphans = 0;
  std::uint64_t segments = 0, segment_blocks = 0, items = 0, tombstones = 0;
  std::uint64_t free_blocks = 0, granted_blocks = 0, replaced_blocks = 0, job_blocks = 0,
                file_blocks = 0;
  // Members that did not unmount cleanly, with the newest transaction that is recorded of each.
  std::map<Rid, TxnNo> members;
  bool clean() const { return problem_count == 0; }
};

// Errors: only what makes a report impossible: both superblocks damaged (corrupt), another
// format (unsupported), a device that cannot be read at all. Damage beyond that is a Problem.
Task<Result<Report>> check_volume(Scheduler& scheduler, BlockDevice& device, Options options);

// Every item of the main tree in key order, newest version, for dumps and oracles.
using VisitItem = std::function<void(std::string_view key, std::string_view value)>;
Task<Result<void>> visit_items(Scheduler& scheduler, BlockDevice& device, VisitItem visit);
// The same for the server tree.
Task<Result<void>> visit_server_items(Scheduler& scheduler, BlockDevice& device,
                                      VisitItem visit);

}  // namespace scoutfs::check
