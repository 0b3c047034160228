// A mount in a process of its own, as the command makes it, and the volume it needs.
#pragma once

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "engine/check/check.hpp"
#include "node/daemon.hpp"
#include "node/host_fencing.hpp"
#include "node/loop/log_sink.hpp"
#include "node/open_device.hpp"
#include "node/tcp_network.hpp"
#include "tests/support/node_files.hpp"

namespace scoutfs::testing {

inline std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// Makes a volume on the device.
inline void make_volume(const std::string& name) {
  node::EventLoop loop;
  node::LogSink log(LogLevel::warning);
  node::SystemRandom random;
  std::string why;
  const auto device = loop.run(node::open_device(name, loop, why));
  SCOUTFS_ASSERT(device.has_value());
  node::TcpNetwork network(loop, log);
  node::HostFencing fencing(loop.scheduler(), node::host_id());
  const Env env{.scheduler = loop.scheduler(),
                .clock = loop.clock(),
                .random = random,
                .device = **device,
                .network = network,
                .fencing = fencing,
                .log = log};
  const auto made = loop.run(format_volume(env, FormatOptions{}));
  SCOUTFS_ASSERT(made.has_value());
}

// What an offline check finds wrong, a line each. Requires: nobody has it mounted.
inline std::vector<std::string> problems_of(const std::string& name) {
  node::EventLoop loop;
  std::string why;
  const auto device = loop.run(node::open_device(name, loop, why));
  if (!device.has_value()) return {why};
  const auto report =
      loop.run(check::check_volume(loop.scheduler(), **device, check::Options{}));
  if (!report.has_value()) return {std::string(to_string(report.error().code))};
  std::vector<std::string> out;
  for (const check::Problem& problem : report->problems) {
    out.push_back(problem.kind + ": " + problem.what);
  }
  return out;
}

// Runs until unmount() or the end of the test; then it is gone, whatever state it was in.
class MountedNode {
 public:
  MountedNode(const TemporaryDirectory& directory, const std::string& device,
              const std::string& name)
      : directory_(directory), name_(name) {
    std::filesystem::create_directory(path());
    node::MountConfig config;
    config.device = device;
    config.directory = path();
    config.engine.name = name;
    config.log_file = log_path();
    config.run_directory = directory.path();
    start(std::move(config));
  }
  MountedNode(const TemporaryDirectory& directory, node::MountConfig config)
      : directory_(directory), name_(config.engine.name) {
    config.log_file = log_path();
    config.run_directory = directory.path();
    start(std::move(config));
  }
  MountedNode(const MountedNode&) = delete;
  MountedNode& operator=(const MountedNode&) = delete;
  ~MountedNode() {
    umount2(path().c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    signal(SIGKILL);
    wait();
  }

  std::string path(const std::string& below = "") const {
    return directory_.file(name_) + (below.empty() ? "" : "/" + below);
  }
  std::string log() const { return contents(log_path()); }
  void signal(int number) const {
    if (process_ > 0) ::kill(process_, number);
  }
  // The exit code; -1 if a signal ended it.
  int wait() {
    if (process_ <= 0) return code_;
    int status = 0;
    waitpid(process_, &status, 0);
    process_ = -1;
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return code_;
  }
  // As umount(8) does it. Returns the daemon's exit code.
  int unmount() {
    if (umount2(path().c_str(), UMOUNT_NOFOLLOW) != 0) return -1;
    return wait();
  }
  // False if it ended instead or a minute passed.
  bool mounted() {
    for (int i = 0; i < 6000; ++i) {
      if (contents("/proc/self/mounts").find(" " + path() + " fuse") != std::string::npos) {
        return true;
      }
      int status = 0;
      if (process_ > 0 && waitpid(process_, &status, WNOHANG) == process_) {
        process_ = -1;
        code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        return false;
      }
      usleep(10'000);
    }
    return false;
  }

 private:
  std::string log_path() const { return directory_.file(name_ + ".log"); }
  void start(node::MountConfig config) {
    process_ = fork();
    SCOUTFS_ASSERT(process_ >= 0);
    if (process_ > 0) return;
    // What it would say to an operator is in the log as well.
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    dup2(null, STDOUT_FILENO);
    ::signal(SIGABRT, SIG_DFL);
    ::signal(SIGSEGV, SIG_DFL);
    _exit(node::run_mount(std::move(config), {}));
  }

  const TemporaryDirectory& directory_;
  std::string name_;
  pid_t process_ = -1;
  int code_ = -1;
};

}  // namespace scoutfs::testing
