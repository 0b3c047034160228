// What the processes of a stress run share: one anonymous shared mapping.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace scoutfs::stress {

inline constexpr std::size_t kSubjectsMax = 64;
inline constexpr std::size_t kWorkersMax = 32;
inline constexpr std::size_t kFailuresMax = 16;  // that are kept; all are counted

struct SharedSubject {
  std::atomic<std::uint64_t> applied{0};  // changes that have begun
  std::atomic<std::uint64_t> done{0};     // changes that have returned
  std::atomic<bool> taken{false};         // one process changes it at a time
};

struct SharedWorker {
  std::atomic<std::uint64_t> steps{0};
  std::atomic<const char*> step{"start"};  // a literal, at the same address in every process
};

struct Failure {
  std::size_t worker = 0;
  std::size_t subject = 0;
  const char* what = nullptr;
  std::uint64_t saw = 0, done = 0, applied = 0;
  int error = 0;  // errno; 0: a stale answer
};

struct Shared {
  std::array<SharedSubject, kSubjectsMax> subjects;
  std::array<SharedWorker, kWorkersMax> workers;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> changes{0}, looks{0}, stale{0}, errors{0}, retried{0},
      older_ends{0};
  std::array<Failure, kFailuresMax> failures;
  std::atomic<std::size_t> failure_count{0};

  void fail(const Failure& failure) {
    (failure.error == 0 ? stale : errors).fetch_add(1);
    const std::size_t place = failure_count.fetch_add(1);
    if (place < failures.size()) failures[place] = failure;
  }
};

}  // namespace scoutfs::stress
