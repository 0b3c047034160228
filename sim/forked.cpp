#include "sim/forked.hpp"

#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "engine/base/assert.hpp"
#include "sim/verdict_codec.hpp"

namespace scoutfs::sim {

namespace {

// The end of the pipe that the child tells into. The assertion handler, a plain function, needs
// it.
int above = -1;

void tell(const Verdict& verdict) {
  const std::string bytes = encode(verdict);
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t written = ::write(above, rest.data(), rest.size());
    if (written <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

void on_assertion(const char* expression, std::source_location where) {
  Verdict verdict;
  verdict.oracle = "assertion";
  verdict.what = fmt::format("{} at {}:{}", expression, where.file_name(), where.line());
  tell(verdict);
  ::_exit(1);
}

Verdict broken(std::string what) {
  Verdict verdict;
  verdict.oracle = "process";
  verdict.what = std::move(what);
  return verdict;
}

}  // namespace

Verdict run_forked(const std::function<Verdict()>& run, unsigned seconds) {
  int ends[2];
  if (::pipe(ends) != 0) return broken("no pipe");
  const pid_t child = ::fork();
  if (child < 0) return broken("no process");
  if (child == 0) {
    ::close(ends[0]);
    above = ends[1];
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    set_assert_handler(on_assertion);
    ::alarm(seconds);
    tell(run());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string bytes;
  char buffer[4096];
  ssize_t size = 0;
  while ((size = ::read(ends[0], buffer, sizeof buffer)) > 0 || (size < 0 && errno == EINTR)) {
    if (size > 0) bytes.append(buffer, static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (bytes.empty()) {
    const bool late = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    return broken(late ? "took too long" : fmt::format("ended with wait status {}", status));
  }
  const Result<Verdict> verdict = decode_verdict(bytes);
  return verdict.has_value() ? *verdict : broken("its verdict cannot be read");
}

}  // namespace scoutfs::sim
