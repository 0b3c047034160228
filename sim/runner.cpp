#include "sim/runner.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/base/codec.hpp"
#include "sim/verdict_codec.hpp"

namespace scoutfs::sim {

namespace {

// What the assertion handler, a plain function, needs.
RunConfig running;
int verdict_pipe = -1;

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void send_verdict(const Verdict& verdict) {
  const std::string body = encode(verdict);
  std::string frame;
  Writer out(frame);
  out.put(static_cast<std::uint32_t>(body.size()));
  out.put_raw(body);
  write_all(verdict_pipe, frame);
}

void on_assertion(const char* expression, std::source_location where) {
  const std::string what =
      fmt::format("{} at {}:{}", expression, where.file_name(), where.line());
  if (verdict_pipe < 0) {
    fmt::print(stderr, "seed {}: assertion: {}\nrepeat with: {} --verbose\n", running.seed,
               what, replay_command(running));
    return;
  }
  Verdict verdict;
  verdict.seed = running.seed;
  verdict.oracle = "assertion";
  verdict.what = what;
  send_verdict(verdict);
}

// A child, and the runs that it still has to do.
struct Job {
  pid_t pid = -1;
  int fd = -1;
  std::uint64_t next = 0;  // the run whose verdict comes next
  std::string received;
  bool asserted = false;  // the verdict of the run that ended it was told
};

class Batch {
 public:
  using OnVerdict = std::function<bool(std::uint64_t, const Verdict&)>;
  Batch(const BatchConfig& config, const OnVerdict& on_verdict,
        const std::function<bool()>& go_on)
      : config_(config),
        on_verdict_(on_verdict),
        go_on_(go_on),
        jobs_(std::max(1U, config.jobs)) {}

  void run() {
    for (std::size_t i = 0; i < jobs_.size(); ++i)
      start(jobs_[i], at_or_after(config_.first + i));
    while (!stopped_ && go_on_() && wait()) {
    }
    for (Job& job : jobs_) {
      if (job.pid >= 0) ::kill(job.pid, SIGKILL);
      finish(job);
    }
  }

 private:
  // The first run of a job's that is to be done, `number` or one after it; beyond the last if
  // there is none.
  std::uint64_t at_or_after(std::uint64_t number) const {
    while (number <= config_.last && std::ranges::binary_search(config_.done, number)) {
      number += jobs_.size();
    }
    return number;
  }
  std::uint64_t after(std::uint64_t number) const { return at_or_after(number + jobs_.size()); }

  void start(Job& job, std::uint64_t first) {
    job = Job{};
    job.next = first;
    int ends[2];
    if (first > config_.last || ::pipe(ends) != 0) return;
    job.pid = ::fork();
    if (job.pid == 0) {
      ::close(ends[0]);
      verdict_pipe = ends[1];
      run_child(first);
    }
    ::close(ends[1]);
    job.fd = ends[0];
  }

  [[noreturn]] void run_child(std::uint64_t first) {
    // The parent decides what an interrupt means, and ends its children; they do not outlive
    // it.
    std::signal(SIGINT, SIG_IGN);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Nor go on from where it ends, whatever the parent does there.
    for (const int ends : {SIGABRT, SIGALRM}) std::signal(ends, SIG_DFL);
    for (std::uint64_t number = first; number <= config_.last; number = after(number)) {
      running = config_.config(number);
      set_assert_handler(on_assertion);
      ::alarm(config_.seconds_per_run);
      send_verdict(config_.execute(running));
    }
    ::_exit(0);
  }

  static int finish(Job& job) {
    if (job.fd >= 0) ::close(job.fd);
    int status = 0;
    if (job.pid >= 0) ::waitpid(job.pid, &status, 0);
    job.fd = -1;
    job.pid = -1;
    return status;
  }

  // Takes what the children have said. False when none is left.
  bool wait() {
    std::vector<pollfd> polls;
    for (const Job& job : jobs_)
      polls.push_back({.fd = job.fd, .events = POLLIN, .revents = 0});
    bool any = false;
    for (const Job& job : jobs_) any = any || job.fd >= 0;
    if (!any) return false;
    constexpr int kLookAtLeastEveryMs = 1000;
    if (::poll(polls.data(), polls.size(), kLookAtLeastEveryMs) < 0) return true;
    for (std::size_t i = 0; i < jobs_.size() && !stopped_; ++i) {
      if (polls[i].fd >= 0 && polls[i].revents != 0) take(jobs_[i]);
    }
    return true;
  }

  void take(Job& job) {
    char buffer[65'536];
    const ssize_t size = ::read(job.fd, buffer, sizeof buffer);
    if (size > 0) {
      job.received.append(buffer, static_cast<std::size_t>(size));
      while (!stopped_ && take_verdict(job)) {
      }
      return;
    }
    const int status = finish(job);
    const std::uint64_t number = job.next;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    // It died. A failed assertion has had its verdict; anything else gets one here.
    if (!job.asserted) {
      Verdict verdict;
      verdict.seed = config_.config(number).seed;
      verdict.oracle = "process";
      verdict.what = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
                         ? "took too long"
                         : fmt::format("ended with wait status {}", status);
      tell(number, verdict);
    }
    start(job, after(number));
  }

  bool take_verdict(Job& job) {
    if (job.received.size() < 4) return false;
    const auto size = load_little<std::uint32_t>(job.received.data());
    if (job.received.size() < 4 + size) return false;
    const Result<Verdict> verdict =
        decode_verdict(std::string_view(job.received).substr(4, size));
    SCOUTFS_ASSERT(verdict.has_value());
    job.received.erase(0, 4 + size);
    const std::uint64_t number = job.next;
    if (verdict->oracle == "assertion") {
      job.asserted = true;
    } else {
      job.next = after(number);
    }
    tell(number, *verdict);
    return true;
  }

  void tell(std::uint64_t number, const Verdict& verdict) {
    if (!on_verdict_(number, verdict)) stopped_ = true;
  }

  const BatchConfig& config_;
  const OnVerdict& on_verdict_;
  const std::function<bool()>& go_on_;
  std::vector<Job> jobs_;
  bool stopped_ = false;
};

}  // namespace

void run_seeds(const RangeConfig& config, const std::function<bool(const Verdict&)>& on_verdict,
               const std::function<bool()>& go_on) {
  BatchConfig batch;
  batch.first = config.first;
  batch.last = config.last;
  batch.jobs = config.jobs;
  batch.seconds_per_run = config.seconds_per_seed;
  batch.done = config.done;
  batch.config = [&config](std::uint64_t seed) {
    RunConfig run = config.run;
    run.seed = seed;
    return run;
  };
  run_batch(
      batch,
      [&on_verdict](std::uint64_t, const Verdict& verdict) { return on_verdict(verdict); },
      go_on);
}

void run_batch(const BatchConfig& batch,
               const std::function<bool(std::uint64_t, const Verdict&)>& on_verdict,
               const std::function<bool()>& go_on) {
  SCOUTFS_ASSERT(std::ranges::is_sorted(batch.done));
  Batch(batch, on_verdict, go_on).run();
}

void report_assertions_of(const RunConfig& config) {
  running = config;
  set_assert_handler(on_assertion);
}

}  // namespace scoutfs::sim
