// scoutfs check: verifies a volume that nobody has mounted.
#include "engine/check/check.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

#include "cli/command.hpp"
#include "cli/volume.hpp"
#include "node/status_json.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  std::string device;
  bool metadata_only = false;
  bool json = false;
};

// Overwrites one line of a terminal.
void show_progress(std::uint64_t done, std::uint64_t total) {
  const std::uint64_t percent = total == 0 ? 0 : std::min(done, total) * 100 / total;
  fmt::print(stderr, "\rchecked {} of {} ({}%)  ", scaled(done), scaled(total), percent);
  std::fflush(stderr);
}

nlohmann::json to_json(const check::Report& report) {
  nlohmann::json problems = nlohmann::json::array();
  for (const check::Problem& problem : report.problems) {
    problems.push_back({{"kind", problem.kind}, {"what", problem.what}});
  }
  nlohmann::json members = nlohmann::json::array();
  for (const auto& [rid, txn] : report.members) {
    members.push_back({{"rid", node::hex(rid.value)}, {"recorded_transaction", txn.value}});
  }
  return {{"clean", report.clean()},
          {"problem_count", report.problem_count},
          {"problems", std::move(problems)},
          {"fsid", node::hex(report.superblock.fsid.value)},
          {"inodes", report.inodes},
          {"directories", report.directories},
          {"files", report.files},
          {"orphans", report.orphans},
          {"items", report.items},
          {"tombstones", report.tombstones},
          {"segments", report.segments},
          {"segment_blocks", report.segment_blocks},
          {"file_blocks", report.file_blocks},
          {"free_blocks", report.free_blocks},
          {"granted_blocks", report.granted_blocks},
          {"replaced_blocks", report.replaced_blocks},
          {"job_blocks", report.job_blocks},
          {"members_not_unmounted", std::move(members)}};
}

void print_text(const check::Report& report) {
  for (const check::Problem& problem : report.problems) {
    fmt::print("{}: {}\n", problem.kind, problem.what);
  }
  if (report.problem_count > report.problems.size()) {
    fmt::print("... and {} more\n", report.problem_count - report.problems.size());
  }
  fmt::print(
      "{} inodes ({} directories, {} files, {} without a name), {} items in {} segments\n",
      report.inodes, report.directories, report.files, report.orphans, report.items,
      report.segments);
  fmt::print("blocks: {} metadata, {} file data, {} free, {} granted to nodes, {} replaced\n",
             report.segment_blocks, report.file_blocks, report.free_blocks,
             report.granted_blocks, report.replaced_blocks);
  for (const auto& [rid, txn] : report.members) {
    fmt::print("mount {} did not end cleanly; recorded up to its transaction {}\n",
               node::hex(rid.value), txn.value);
  }
  if (report.clean()) {
    fmt::print("clean\n");
  } else {
    fmt::print("{} problem{}\n", report.problem_count, report.problem_count == 1 ? "" : "s");
  }
}

int run(const Options& options) {
  OfflineVolume volume;
  std::string why;
  if (!volume.open(options.device, OfflineVolume::Access::read_only, why)) {
    return failed("check", why);
  }
  if (volume.is_mounted(options.device, why)) return failed("check", why);
  check::Options how;
  how.verify_data = !options.metadata_only;
  const bool progress = isatty(STDERR_FILENO) != 0 && !options.json;
  if (progress) how.progress = show_progress;
  const auto report = volume.loop().run(
      check::check_volume(volume.loop().scheduler(), volume.device(), std::move(how)));
  if (progress) fmt::print(stderr, "\r\033[K");
  if (!report.has_value()) {
    return failed("check", explain_volume(options.device, report.error().code));
  }
  if (options.json) {
    print_json(to_json(*report));
  } else {
    print_text(*report);
  }
  return report->clean() ? kOk : kFailed;
}

}  // namespace

void add_check(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      commands.add("check", "Verify a whole volume that nobody has mounted; changes nothing.",
                   [options] { return run(*options); });
  command
      ->add_option("device", options->device,
                   "an NBD or iSCSI URI, a block device or an image file")
      ->required();
  command->add_flag("--metadata-only", options->metadata_only, "do not read file data");
  command->add_flag("--json", options->json, "print JSON");
  command->footer("One line a problem. Exit code 0: clean; 1: problems, or it cannot be read.");
}

}  // namespace scoutfs::cli
