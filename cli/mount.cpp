// scoutfs mount, and mount.scoutfs for mount(8).
#include "cli/mount.hpp"

#include <fmt/core.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "cli/command.hpp"
#include "cli/mount_options.hpp"
#include "cli/mounts.hpp"
#include "node/daemon.hpp"
#include "node/loop/helper_thread.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  std::string device, directory;
  std::vector<std::string> options;
  std::string log, metrics;
  bool foreground = false;
};

// What other nodes call this one in their messages.
std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "node";
}

// False: `why` says what is wrong with it.
bool check_directory(node::MountConfig& config, std::string& why) {
  std::error_code error;
  // Mounts that hang are looked up by the name the kernel shows, which has no symlinks.
  const std::string given = plain_path(config.directory);
  if (find_scoutfs_mount(given, Match::exact).has_value()) {
    why = fmt::format("a scoutfs volume is mounted on '{}' already; unmount it first", given);
    return false;
  }
  const std::filesystem::path real = std::filesystem::canonical(given, error);
  if (error) {
    why = fmt::format("cannot mount on '{}': {}", config.directory, error.message());
    return false;
  }
  if (!std::filesystem::is_directory(real, error)) {
    why = fmt::format("cannot mount on '{}': it is not a directory", config.directory);
    return false;
  }
  if (find_scoutfs_mount(real.string(), Match::exact).has_value()) {
    why = fmt::format("a scoutfs volume is mounted on '{}' already; unmount it first",
                      real.string());
    return false;
  }
  config.directory = real.string();
  config.engine.name = host_name();
  return true;
}

// Has umount(8) look at this mount's type and call umount.TYPE: it would see only that it is
// FUSE otherwise, and return before everything is recorded. Without, the mount is as good.
// _netdev is kept in the same table: an ordered shutdown unmounts before it takes the network
// down. Returns the process that does it; -1 if it could not be started.
pid_t register_umount_helper(const node::MountConfig& config) {
  // Type and source are those of a private loop device where sync(2) is delivered.
  const std::optional<MountEntry> entry = find_scoutfs_mount(config.directory, Match::exact);
  if (!entry.has_value()) return -1;
  const std::string type = "-t" + entry->type;
  std::array<const char*, 9> arguments{
      "mount",
      "--fake",
      "--internal-only",
      type.c_str(),
      config.needs_network ? "-ouhelper=fuse.scoutfs,_netdev" : "-ouhelper=fuse.scoutfs",
      "--",
      entry->source.c_str(),
      config.directory.c_str(),
      nullptr};
  pid_t child = -1;
  const int error = posix_spawnp(&child, "mount", nullptr, nullptr,
                                 const_cast<char* const*>(arguments.data()), environ);
  return error == 0 ? child : -1;
}

int mount_in_background(const node::MountConfig& config) {
  const int code = node::daemonize_and_run(config);
  if (code != node::kMountOk) return code;
  const pid_t child = register_umount_helper(config);
  if (child > 0) waitpid(child, nullptr, 0);
  return code;
}

int mount_in_foreground(node::MountConfig config) {
  // This process serves the mount while the registration looks at it, so another thread waits.
  std::jthread waiting;
  return node::run_mount(config, [config, &waiting] {
    const pid_t child = register_umount_helper(config);
    if (child <= 0) return;
    waiting = std::jthread([child] {
      node::block_signals();
      waitpid(child, nullptr, 0);
    });
  });
}

int run(const Options& options) {
  node::MountConfig config;
  config.device = options.device;
  config.directory = options.directory;
  std::string why;
  for (const std::string& list : options.options) {
    if (!apply_mount_options(list, Unknown::refuse, config, why)) return misused("mount", why);
  }
  const std::string more = (options.log.empty() ? "" : "log=" + options.log + ",") +
                           (options.metrics.empty() ? "" : "metrics=" + options.metrics);
  if (!apply_mount_options(more, Unknown::refuse, config, why)) return misused("mount", why);
  if (geteuid() != 0) return failed("mount", "only root may mount");
  if (!check_directory(config, why)) return failed("mount", why);
  const int code =
      options.foreground ? mount_in_foreground(std::move(config)) : mount_in_background(config);
  return code == node::kMountOk ? kOk : kFailed;
}

std::string option_help() {
  std::string text = "Options for -o, comma separated:\n";
  for (const MountOptionHelp& help : mount_option_help()) {
    text += fmt::format("  {:<20} {}\n", help.name, help.text);
  }
  text +=
      "The options of every mount(8) are understood too: ro, nosuid, nodev, noexec, "
      "_netdev, ...";
  return text;
}

constexpr int kHelperUsage = 1;

int helper_usage(std::string_view message) {
  fmt::print(stderr, "mount.scoutfs: {}\n", message);
  return kHelperUsage;
}

}  // namespace

void add_mount(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      commands.add("mount", "Mount a volume; returns when it can be used.",
                   [options] { return run(*options); });
  command
      ->add_option("device", options->device,
                   "an NBD or iSCSI URI, a block device or an image file")
      ->required();
  command->add_option("directory", options->directory, "where to mount it")->required();
  command->add_option("-o,--options", options->options, "mount options, comma separated")
      ->expected(1)
      ->take_all();
  command->add_flag("-F,--foreground", options->foreground,
                    "stay in the foreground and log to standard error; ends with an unmount, "
                    "SIGINT or SIGTERM");
  command->add_option("--log", options->log, "append the log to this file");
  command->add_option("--metrics", options->metrics, "IP:PORT; serve Prometheus metrics there");
  command->footer(option_help());
}

int run_mount_helper(const std::vector<std::string>& arguments) {
  node::MountConfig config;
  std::vector<std::string> names, lists;
  Unknown unknown = Unknown::refuse;
  bool fake = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with('-') || argument.size() < 2) {
      names.push_back(argument);
      continue;
    }
    for (std::size_t at = 1; at < argument.size(); ++at) {
      const char flag = argument[at];
      const bool valued = flag == 'o' || flag == 't' || flag == 'N';
      if (valued) {
        std::string value = argument.substr(at + 1);
        if (value.empty() && ++i == arguments.size()) {
          return helper_usage(fmt::format("-{} needs a value", flag));
        }
        if (value.empty()) value = arguments[i];
        if (flag == 'o') lists.push_back(value);
        break;
      }
      switch (flag) {
        case 's':
          unknown = Unknown::ignore;
          break;
        case 'f':
          fake = true;
          break;
        case 'r':
          config.kernel_flags.emplace_back("ro");
          break;
        case 'n':
        case 'v':
        case 'w':
          break;
        default:
          return helper_usage(fmt::format("unknown option '-{}'", flag));
      }
    }
  }
  if (names.size() != 2) {
    return helper_usage("usage: mount.scoutfs DEVICE DIR [-fnrsvw] [-o OPTIONS]");
  }
  config.device = names[0];
  config.directory = names[1];
  std::string why;
  for (const std::string& list : lists) {
    if (!apply_mount_options(list, unknown, config, why)) return helper_usage(why);
  }
  if (!check_directory(config, why)) {
    fmt::print(stderr, "mount.scoutfs: {}\n", why);
    return node::kMountFailed;
  }
  if (fake) return node::kMountOk;
  // Whoever ends mount(8) means its helper.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  return mount_in_background(config);
}

}  // namespace scoutfs::cli
