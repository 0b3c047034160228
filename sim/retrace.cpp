#include "sim/retrace.hpp"

#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "engine/base/assert.hpp"

namespace scoutfs::sim {

namespace {

int story_pipe = -1;

// Unbuffered: the last lines before a death are what is wanted.
void tell(std::string_view line) {
  const std::string bytes = fmt::format("{}\n", line);
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t written = ::write(story_pipe, rest.data(), rest.size());
    if (written <= 0) ::_exit(1);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

void on_assertion(const char* expression, std::source_location where) {
  tell(fmt::format("assertion: {} at {}:{}", expression, where.file_name(), where.line()));
}

[[noreturn]] void run_child(const std::function<void(const Tell&)>& body, unsigned seconds) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Whatever the parent does there, it ends.
  for (const int ends : {SIGABRT, SIGALRM}) std::signal(ends, SIG_DFL);
  std::signal(SIGINT, SIG_IGN);
  set_assert_handler(on_assertion);
  ::alarm(seconds);
  body(tell);
  ::_exit(0);
}

// All that comes, or its end, from the beginning of a line on.
std::string read_story(int fd) {
  std::string story;
  const auto shorten = [&story] {
    if (story.size() <= kStoryMax) return;
    const std::size_t line = story.find('\n', story.size() - kStoryMax);
    story.erase(0, line == std::string::npos ? story.size() - kStoryMax : line + 1);
  };
  char buffer[65'536];
  while (true) {
    const ssize_t size = ::read(fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    story.append(buffer, static_cast<std::size_t>(size));
    if (story.size() > 2 * kStoryMax) shorten();
  }
  shorten();
  return story;
}

}  // namespace

std::string told_by(const std::function<void(const Tell&)>& body, unsigned seconds) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    story_pipe = ends[1];
    run_child(body, seconds);
  }
  ::close(ends[1]);
  std::string story = pid > 0 ? read_story(ends[0]) : "";
  ::close(ends[0]);
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  return story;
}

std::string retrace(const RunConfig& config, unsigned seconds) {
  return told_by([&config](const Tell& to) { to(to_text(run_seed(config, to))); }, seconds);
}

}  // namespace scoutfs::sim
