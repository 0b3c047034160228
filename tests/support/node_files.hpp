// What tests of the deployed world need of the host: private directories and a disk server, all
// gone when the test ends.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/assert.hpp"
#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"

namespace scoutfs::testing {

// Bytes that no other seed gives. Requires: size % 8 == 0.
inline std::string pattern(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) store_little(bytes.data() + i, mix(seed, i));
  return bytes;
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::array<char, 32> name{"/tmp/scoutfs-test-XXXXXX"};
    SCOUTFS_ASSERT(mkdtemp(name.data()) != nullptr);
    path_ = name.data();
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // Makes a sparse file.
  std::string image(const std::string& name, std::uint64_t size) const {
    const std::string path = file(name);
    const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    SCOUTFS_ASSERT(fd >= 0);
    SCOUTFS_ASSERT(ftruncate(fd, static_cast<off_t>(size)) == 0);
    ::close(fd);
    return path;
  }

 private:
  std::string path_;
};

// A child process, killed and reaped when this dies.
class ChildProcess {
 public:
  explicit ChildProcess(std::vector<std::string> arguments) {
    std::vector<char*> raw;
    for (std::string& argument : arguments) raw.push_back(argument.data());
    raw.push_back(nullptr);
    pid_ = fork();
    SCOUTFS_ASSERT(pid_ >= 0);
    if (pid_ == 0) {
      // A test that is killed leaves nothing behind.
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      execvp(raw[0], raw.data());
      _exit(127);
    }
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { end(SIGKILL); }

  pid_t pid() const { return pid_; }
  void end(int signal_number) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal_number);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

// nbdkit on a Unix socket in a private directory.
class NbdServer {
 public:
  // `arguments` follow nbdkit's own: plugin and parameters.
  explicit NbdServer(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
    start();
  }
  ~NbdServer() { stop(); }

  void start() {
    std::vector<std::string> command{"nbdkit", "--foreground", "--exit-with-parent",  "--unix",
                                     socket(), "--pidfile",    directory_.file("pid")};
    command.insert(command.end(), arguments_.begin(), arguments_.end());
    child_ = std::make_unique<ChildProcess>(std::move(command));
    // The pid file is written when the socket is ready.
    for (int i = 0; i < 1000; ++i) {
      if (std::filesystem::exists(directory_.file("pid"))) return;
      usleep(10'000);
    }
    const bool server_started = false;
    SCOUTFS_ASSERT(server_started);
  }
  // With everything that is in flight.
  void stop() {
    child_.reset();
    std::error_code ignored;
    std::filesystem::remove(directory_.file("pid"), ignored);
    std::filesystem::remove(socket(), ignored);
  }
  void signal(int number) { ::kill(child_->pid(), number); }
  std::string socket() const { return directory_.file("socket"); }
  std::string uri() const { return "nbd+unix:///?socket=" + socket(); }
  const TemporaryDirectory& directory() const { return directory_; }

 private:
  TemporaryDirectory directory_;
  std::vector<std::string> arguments_;
  std::unique_ptr<ChildProcess> child_;
};

}  // namespace scoutfs::testing
