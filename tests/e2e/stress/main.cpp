// coherence_stress: processes in several mounts of one volume change things and look at them,
// all at once; every look is checked (README.md).
#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "tests/e2e/stress/kinds.hpp"
#include "tests/e2e/stress/shared.hpp"

namespace scoutfs::stress {
namespace {

constexpr int kStale = 1, kHung = 2;  // exit codes
constexpr auto kHangs = std::chrono::seconds(30);

// A directory that another node has moved is moved in this kernel's own tree when it is looked
// up at its new place. While somebody works in its old place, that fails (ESTALE), and whoever
// looks must try again.
constexpr int kRetries = 10'000;
constexpr useconds_t kRetryPause = 500;  // microseconds

// What is done before trying once more.
void pause_before(int attempt, Shared& shared) {
  if (attempt == 0) return;
  shared.retried.fetch_add(1);
  usleep(kRetryPause);
}

struct Options {
  double seconds = 10;
  unsigned workers = 2;  // for each mount
  unsigned copies = 2;   // subjects of each kind
  unsigned seed = 1;
  bool older_ends = false;
  std::vector<std::string> mounts;
};

const Kind& kind_of(std::size_t subject) {
  return kinds()[subject % kinds().size()];
}

// Names of a subject below one mount. Directories are made through different mounts, so that
// what is in them is covered by different locks.
Subject subject_at(const std::string& mount, std::size_t number, std::size_t count) {
  const std::string name = fmt::format("s{}", number);
  return {.path = fmt::format("{}/d{}/{}", mount, number % count, name),
          .other = fmt::format("{}/d{}/{}-other", mount, (number + 1) % count, name)};
}

constexpr std::size_t kDirectories = 4;

class Worker {
 public:
  Worker(Shared& shared, std::size_t number, const Options& options, std::size_t subjects)
      : shared_(shared),
        number_(number),
        random_(options.seed * 1000 + static_cast<unsigned>(number)),
        older_ends_allowed_(options.older_ends) {
    const std::string& mount = options.mounts[number % options.mounts.size()];
    for (std::size_t i = 0; i < subjects; ++i) {
      subjects_.push_back(subject_at(mount, i, kDirectories));
      if (kind_of(i).keeps_open) keep_open(i);
    }
  }

  void run() {
    while (!shared_.stop) {
      const std::size_t subject = random_() % subjects_.size();
      if (random_() % 3 != 0 || !change(subject)) look(subject);
      shared_.workers[number_].steps.fetch_add(1);
    }
    shared_.workers[number_].step = "finished";
  }

 private:
  void keep_open(std::size_t number) {
    Subject& subject = subjects_[number];
    subject.fd = ::open(subject.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (subject.fd < 0) return fail(number, "open", {.error = errno}, 0, 0);
    subject.mapping = mapped(subject.fd, MAP_SHARED);
    if (subject.mapping == nullptr) return;
    const int writable = ::open(subject.path.c_str(), O_RDWR | O_CLOEXEC);
    if (writable < 0) return fail(number, "open for writing", {.error = errno}, 0, 0);
    subject.private_mapping = mapped(writable, MAP_PRIVATE);
    close(writable);
  }

  static const volatile std::uint64_t* mapped(int fd, int how) {
    void* const at = mmap(nullptr, kContentBytes, PROT_READ, how, fd, 0);
    return at == MAP_FAILED ? nullptr : static_cast<const volatile std::uint64_t*>(at);
  }

  void fail(std::size_t subject, const char* what, Sight sight, std::uint64_t done,
            std::uint64_t applied) {
    shared_.fail({.worker = number_,
                  .subject = subject,
                  .what = what,
                  .saw = sight.value,
                  .done = done,
                  .applied = applied,
                  .error = sight.error});
  }

  // False: somebody else is changing it.
  bool change(std::size_t number) {
    SharedSubject& shared = shared_.subjects[number];
    if (shared.taken.exchange(true)) return false;
    const Kind& kind = kind_of(number);
    shared_.workers[number_].step = kind.name;
    const std::uint64_t version = shared.applied.fetch_add(1) + 1;
    int error = ESTALE;
    for (int i = 0; i < kRetries && error == ESTALE; ++i) {
      pause_before(i, shared_);
      error = kind.change(subjects_[number], version);
    }
    if (error != 0) fail(number, kind.name, {.error = error}, version - 1, version);
    shared.done = version;
    shared.taken = false;
    shared_.changes.fetch_add(1);
    return true;
  }

  void look(std::size_t number) {
    const SharedSubject& shared = shared_.subjects[number];
    const Kind& kind = kind_of(number);
    const Look& look = kind.looks[random_() % kind.looks.size()];
    shared_.workers[number_].step = look.name;
    std::uint64_t done = 0;
    Sight sight{.error = ESTALE};
    for (int i = 0; i < kRetries && sight.error == ESTALE; ++i) {
      pause_before(i, shared_);
      done = shared.done;
      sight = look.look(subjects_[number]);
    }
    const std::uint64_t applied = shared.applied;
    shared_.looks.fetch_add(1);
    if (explains(look, sight, done, applied)) return;
    if (look.ends_at_size && older_ends_allowed_ && explains(look, sight, 0, done)) {
      shared_.older_ends.fetch_add(1);
    } else {
      fail(number, look.name, sight, done, applied);
    }
  }

  // True if the state of one of the versions is what was seen.
  static bool explains(const Look& look, Sight sight, std::uint64_t first, std::uint64_t last) {
    if (sight.error != 0) return false;
    for (std::uint64_t version = first; version <= last; ++version) {
      if (look.expected(version) == sight.value) return true;
    }
    return false;
  }

  Shared& shared_;
  std::size_t number_;
  std::mt19937 random_;
  bool older_ends_allowed_;
  std::vector<Subject> subjects_;
};

bool prepare(const Options& options, std::size_t subjects) {
  for (std::size_t i = 0; i < kDirectories; ++i) {
    const std::string& mount = options.mounts[i % options.mounts.size()];
    const std::string path = fmt::format("{}/d{}", mount, i);
    if (mkdir(path.c_str(), 0755) != 0) {
      fmt::print(stderr, "coherence_stress: cannot make '{}': {}\n", path, strerror(errno));
      return false;
    }
  }
  for (std::size_t i = 0; i < subjects; ++i) {
    const std::string& mount = options.mounts[i % options.mounts.size()];
    const int error = kind_of(i).prepare(subject_at(mount, i, kDirectories));
    if (error != 0) {
      fmt::print(stderr, "coherence_stress: cannot make subject {} ({}): {}\n", i,
                 kind_of(i).name, strerror(error));
      return false;
    }
  }
  return true;
}

// Its output is nobody's: who reads ours must see its end even if a worker hangs.
pid_t start_worker(Shared& shared, std::size_t number, const Options& options,
                   std::size_t subjects) {
  const pid_t child = fork();
  if (child != 0) return child;
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
  Worker worker(shared, number, options, subjects);
  worker.run();
  _exit(0);
}

std::string where(pid_t process) {
  std::ifstream in(fmt::format("/proc/{}/stack", process));
  return {std::istreambuf_iterator<char>(in), {}};
}

// True if all ended. Otherwise somebody hangs, and it has been said who.
bool watch(Shared& shared, const std::vector<pid_t>& workers, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  std::vector<std::pair<std::uint64_t, Clock::time_point>> last(workers.size(),
                                                                {0, Clock::now()});
  std::vector<bool> ended(workers.size());
  std::size_t left = workers.size();
  while (left > 0) {
    usleep(20'000);
    const auto now = Clock::now();
    if (now >= end) shared.stop = true;
    for (std::size_t i = 0; i < workers.size(); ++i) {
      if (ended[i]) continue;
      int status = 0;
      if (waitpid(workers[i], &status, WNOHANG) == workers[i]) {
        if (status != 0) {
          // By a signal, as reading a mapping behind the end of its file.
          shared.fail({.worker = i, .what = shared.workers[i].step, .error = ECHILD});
        }
        ended[i] = true;
        --left;
        continue;
      }
      const std::uint64_t steps = shared.workers[i].steps;
      if (steps != last[i].first) last[i] = {steps, now};
      if (now - last[i].second < kHangs) continue;
      for (std::size_t j = 0; j < workers.size(); ++j) {
        if (ended[j]) continue;
        fmt::print(stderr, "worker {} at '{}':\n{}", j, shared.workers[j].step.load(),
                   where(workers[j]));
        kill(workers[j], SIGKILL);
      }
      return false;
    }
  }
  return true;
}

void report(const Shared& shared, double seconds, bool hung) {
  const std::size_t kept = std::min<std::size_t>(shared.failure_count, kFailuresMax);
  for (std::size_t i = 0; i < kept; ++i) {
    const Failure& failure = shared.failures[i];
    fmt::print(stderr, "worker {}, subject {}: {}: ", failure.worker, failure.subject,
               failure.what);
    if (failure.error != 0) fmt::print(stderr, "{}; ", strerror(failure.error));
    fmt::print(stderr, "saw {}, versions {} to {}\n", failure.saw, failure.done,
               failure.applied);
  }
  fmt::print(
      "{{\"seconds\": {}, \"changes\": {}, \"looks\": {}, \"retried\": {}, \"older_ends\": {}, "
      "\"errors\": {}, "
      "\"stale\": {}, \"hung\": {}}}\n",
      seconds, shared.changes.load(), shared.looks.load(), shared.retried.load(),
      shared.older_ends.load(), shared.errors.load(), shared.stale.load(), hung);
}

int run(const Options& options) {
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return kStale;
  Shared& shared = *::new (memory) Shared;
  const std::size_t subjects = std::min(kSubjectsMax, kinds().size() * options.copies);
  if (!prepare(options, subjects)) return kStale;
  std::vector<pid_t> workers;
  const std::size_t count = std::min(kWorkersMax, options.workers * options.mounts.size());
  for (std::size_t i = 0; i < count; ++i) {
    workers.push_back(start_worker(shared, i, options, subjects));
  }
  const bool all_ended = watch(shared, workers, options.seconds);
  report(shared, options.seconds, !all_ended);
  if (!all_ended) return kHung;
  return shared.failure_count == 0 ? 0 : kStale;
}

}  // namespace
}  // namespace scoutfs::stress

int main(int argc, char** argv) {
  scoutfs::stress::Options options;
  CLI::App app("Mounts of one volume against each other: every look is checked");
  app.add_option("--seconds", options.seconds, "how long")->capture_default_str();
  app.add_option("--workers", options.workers, "processes for each mount");
  app.add_option("--copies", options.copies, "subjects of each kind");
  app.add_option("--seed", options.seed, "of the choices");
  app.add_flag("--older-ends", options.older_ends,
               "reads to the end of a cached file may end at an older end; they are counted");
  app.add_option("DIRECTORY", options.mounts, "empty, one in each mount")->required();
  CLI11_PARSE(app, argc, argv);
  return scoutfs::stress::run(options);
}
