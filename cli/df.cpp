// scoutfs df: space of a mounted volume.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "cli/command.hpp"
#include "engine/base/ids.hpp"
#include "node/fs_client.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  PathArgument path;
  bool human = false;
  bool json = false;
};

using Row = std::array<std::string, 6>;

void print_rows(const std::vector<Row>& rows) {
  std::array<std::size_t, 6> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) fmt::print("{:>{}}  ", row[i], widths[i]);
    fmt::print("\n");
  }
}

int run(const Options& options) {
  const std::string path = options.path.get();
  const auto client = node::FsClient::open(path);
  if (!client.has_value()) return failed("df", explain_errno(path, client.error()));
  const auto more = client->stat_fs_more();
  if (!more.has_value()) return failed("df", explain_errno(path, more.error()));
  const std::uint64_t total = more->total_blocks;
  const std::uint64_t free = std::min(more->free_blocks, total);
  const std::uint64_t used = total - free;
  const std::uint64_t percent = total == 0 ? 0 : used * 100 / total;
  if (options.json) {
    print_json({{"block_bytes", kBlockSize},
                {"total_blocks", total},
                {"used_blocks", used},
                {"free_blocks", free},
                {"used_percent", percent}});
    return kOk;
  }
  const auto text = [&](std::uint64_t blocks) {
    return options.human ? scaled(blocks * kBlockSize) : std::to_string(blocks);
  };
  // Metadata and data share the device's blocks.
  print_rows(
      {{"Type", "Size", "Total", "Used", "Free", "Use%"},
       {"Shared", "4KB", text(total), text(used), text(free), fmt::format("{}%", percent)}});
  return kOk;
}

}  // namespace

void add_df(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      commands.add("df", "Show total, used and free blocks of a mounted volume.",
                   [options] { return run(*options); });
  options->path.add_to(*command);
  command->set_help_flag("--help", "Print this help message and exit");
  command->add_flag("-h,--human", options->human, "print sizes with units of 1024");
  command->add_flag("--json", options->json, "print JSON");
}

}  // namespace scoutfs::cli
