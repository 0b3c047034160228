// scoutfs ino-path: every path of an inode.
#include <fmt/core.h>

#include <cerrno>

#include "cli/command.hpp"
#include "node/fs_client.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  std::uint64_t ino = 0;
  PathArgument path;
  bool json = false;
};

int run(const Options& options) {
  const std::string path = options.path.get();
  const auto client = node::FsClient::open(path);
  if (!client.has_value()) return failed("ino-path", explain_errno(path, client.error()));
  const auto paths = client->paths(options.ino);
  if (!paths.has_value()) {
    if (paths.error() == ENOENT) {
      return failed("ino-path", fmt::format("no path leads to inode {}", options.ino));
    }
    return failed("ino-path", explain_errno(path, paths.error()));
  }
  if (options.json) {
    print_json({{"ino", options.ino}, {"paths", *paths}});
    return kOk;
  }
  for (const std::string& one : *paths) fmt::print("{}\n", one);
  return kOk;
}

}  // namespace

void add_ino_path(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = commands.add(
      "ino-path", "List every path of an inode, from the root of the volume (root only).",
      [options] { return run(*options); });
  command->add_option("ino", options->ino, "inode number")->required();
  options->path.add_to(*command);
  command->add_flag("--json", options->json, "print JSON");
}

}  // namespace scoutfs::cli
