#include "node/program.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "node/loop/unique_fd.hpp"

namespace scoutfs::node {

namespace {

constexpr std::size_t kSaidMax = 512;  // bytes
constexpr int kLook = 50;              // milliseconds between two looks at it

std::vector<std::string> environment(const Variables& variables) {
  std::vector<std::string> entries;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view entry = *at;
    if (!variables.contains(std::string(entry.substr(0, entry.find('='))))) {
      entries.emplace_back(entry);
    }
  }
  for (const auto& [name, value] : variables) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// How to start it: signals as a program expects them, no input, its output to `output`.
class SpawnRules {
 public:
  explicit SpawnRules(int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO);
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  SpawnRules(const SpawnRules&) = delete;
  SpawnRules& operator=(const SpawnRules&) = delete;
  ~SpawnRules() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

// What there is to read now; the rest of a long text is dropped.
void listen(int output, std::string& said) {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = ::read(output, buffer.data(), buffer.size());
    if (got <= 0) return;
    const std::size_t room = kSaidMax - std::min(kSaidMax, said.size());
    said.append(buffer.data(), std::min(static_cast<std::size_t>(got), room));
  }
}

}  // namespace

std::string to_string(const ProgramEnd& end) {
  std::string text;
  switch (end.how) {
    case ProgramEnd::How::exited:
      text = fmt::format("exited with {}", end.code);
      break;
    case ProgramEnd::How::by_a_signal:
      text = fmt::format("was ended by signal {}", end.code);
      break;
    case ProgramEnd::How::too_late:
      text = "took too long and was killed";
      break;
    case ProgramEnd::How::not_started:
      return fmt::format("could not be started: {}", std::strerror(end.code));
  }
  std::string said = end.said;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  std::ranges::replace(said, '\n', ' ');
  return said.empty() ? text : text + ": " + said;
}

ProgramEnd run_program(std::vector<std::string> words, const Variables& variables,
                       TimeNs patience_ns, const std::stop_token& stop) {
  ProgramEnd end;
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    end.code = errno;
    return end;
  }
  const UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);
  std::vector<std::string> entries = environment(variables);
  pid_t child = -1;
  {
    const SpawnRules rules(input.get());
    end.code = posix_spawn(&child, words.front().c_str(), rules.actions(), rules.attributes(),
                           pointers(words).data(), pointers(entries).data());
  }
  if (end.code != 0) return end;
  input.reset();
  using Steady = std::chrono::steady_clock;
  const auto deadline = Steady::now() + std::chrono::nanoseconds(patience_ns);
  int status = 0;
  bool late = false;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (!late && (Steady::now() >= deadline || stop.stop_requested())) {
      late = true;
      ::kill(-child, SIGKILL);
    }
    pollfd wait{.fd = output.get(), .events = POLLIN, .revents = 0};
    // It may have closed its output; then there is nothing to wait for but time.
    poll(&wait, 1, kLook);
    listen(output.get(), end.said);
    if ((wait.revents & POLLHUP) != 0) usleep(kLook * 1000);
  }
  listen(output.get(), end.said);
  end.how = late                ? ProgramEnd::How::too_late
            : WIFEXITED(status) ? ProgramEnd::How::exited
                                : ProgramEnd::How::by_a_signal;
  end.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
  return end;
}

}  // namespace scoutfs::node
