// One program, and the helpers that mount(8) and umount(8) find under their own names.
#include <cstring>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/index_position.hpp"
#include "cli/mount.hpp"

int main(int argc, char** argv) {
  using namespace scoutfs::cli;
  const std::string program = argc > 0 ? basename(argv[0]) : "scoutfs";
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (program == "mount.scoutfs") return run_mount_helper(arguments);
  if (program == "umount.fuse.scoutfs" || program == "umount.fuseblk.scoutfs")
    return run_umount_helper(arguments);
  Commands commands;
  add_all(commands);
  unwrap_negative_positions(arguments);
  return commands.run(std::move(arguments));
}
