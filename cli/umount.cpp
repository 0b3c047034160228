// scoutfs umount, and umount.fuse.scoutfs and umount.fuseblk.scoutfs for umount(8): they return
// when the volume, not just the directory, is unmounted: everything recorded, the slot left.
#include <fmt/core.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/command.hpp"
#include "cli/mount.hpp"
#include "cli/mounts.hpp"
#include "node/loop/unique_fd.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  std::string directory;
  bool lazy = false;
  bool force = false;
};

constexpr int kPatience = 3000;  // milliseconds between two lines about what is waited for

// As the kernel shows it. A symlink in the last place is not looked through: to look at what is
// mounted there might hang.
std::string mounted_name(const std::string& directory) {
  const std::string plain = plain_path(directory);
  if (find_scoutfs_mount(plain, Match::exact).has_value()) return plain;
  const std::filesystem::path path(plain);
  std::error_code error;
  const auto parent = std::filesystem::canonical(path.parent_path(), error);
  return error ? plain : (parent / path.filename()).string();
}

// Waits until the daemon has ended.
void wait_for_end(int process, const node::UniqueFd& watched) {
  pollfd wait{.fd = watched.get(), .events = POLLIN, .revents = 0};
  while (watched) {
    const int ready = poll(&wait, 1, kPatience);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return;
    if (ready == 0) {
      fmt::print(stderr, "scoutfs: waiting for the daemon (process {}) to record everything\n",
                 process);
    }
  }
}

int unmount(const Options& options, const std::string& as, int failure) {
  const auto give_up = [&](const std::string& why) {
    fmt::print(stderr, "{}: {}\n", as, why);
    return failure;
  };
  const std::string directory = mounted_name(options.directory);
  if (!find_scoutfs_mount(directory, Match::exact).has_value()) {
    return give_up(fmt::format("no scoutfs volume is mounted on '{}'", options.directory));
  }
  const auto status = ask_daemon_of(directory);
  const int process = status.has_value() ? status->value("process", 0) : 0;
  node::UniqueFd watched;
  if (process > 0) {
    watched.reset(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  }
  const int flags =
      UMOUNT_NOFOLLOW | (options.lazy ? MNT_DETACH : 0) | (options.force ? MNT_FORCE : 0);
  if (umount2(directory.c_str(), flags) != 0) {
    if (errno == EBUSY) {
      return give_up(
          fmt::format("'{}' is in use; end what uses it (fuser -vm '{}' lists it), or "
                      "give -l to detach it now",
                      directory, directory));
    }
    return give_up(fmt::format("cannot unmount '{}': {}", directory, std::strerror(errno)));
  }
  // A lazy unmount ends with the last process that uses it, whenever that is.
  if (!options.lazy) wait_for_end(process, watched);
  return kOk;
}

}  // namespace

void add_umount(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = commands.add(
      "umount", "Unmount a volume; returns when everything is recorded and the daemon is gone.",
      [options] { return unmount(*options, "scoutfs umount", kFailed); });
  command->add_option("directory", options->directory, "where it is mounted")->required();
  command->add_flag("-l,--lazy", options->lazy,
                    "detach the directory now, end when the last process leaves it");
  command->add_flag("-f,--force", options->force, "abort requests that hang");
}

int run_umount_helper(const std::vector<std::string>& arguments) {
  constexpr int kHelperUsage = 1, kHelperFailed = 32;
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "-t" || argument == "-N") {
      ++i;
    } else if (argument.starts_with('-')) {
      options.lazy = options.lazy || argument.find('l') != std::string::npos;
      options.force = options.force || argument.find('f') != std::string::npos;
    } else {
      options.directory = argument;
    }
  }
  if (options.directory.empty()) {
    fmt::print(stderr, "usage: umount.fuse.scoutfs DIR [-flnrv]\n");
    return kHelperUsage;
  }
  return unmount(options, "umount", kHelperFailed);
}

}  // namespace scoutfs::cli
