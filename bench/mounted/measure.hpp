// Timed operations on one or more threads, and what comes out of them.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

namespace scoutfs::bench {

using MonotonicClock = std::chrono::steady_clock;

// Seconds.
inline double since(MonotonicClock::time_point start) {
  return std::chrono::duration<double>(MonotonicClock::now() - start).count();
}

// A measurement of something that fails is none: says so and exits.
inline void expect(bool good, const std::string& what) {
  if (good) return;
  const int number = errno;
  std::fprintf(stderr, "mount_bench: %s: %s\n", what.c_str(), std::strerror(number));
  std::exit(1);
}

struct Timing {
  double seconds = 0;                // from the first operation's start to the last one's end
  std::vector<double> latencies_us;  // one an operation

  double per_s() const {
    return static_cast<double>(latencies_us.size()) / std::max(seconds, 1e-9);
  }
};

// Latencies of a phase, with the unit in each key.
inline nlohmann::json to_json(Timing timing) {
  std::vector<double>& latencies = timing.latencies_us;
  nlohmann::json out{{"operations", latencies.size()}, {"operations_per_s", timing.per_s()}};
  if (latencies.empty()) return out;
  std::ranges::sort(latencies);
  out["p50_us"] = latencies[latencies.size() / 2];
  out["p99_us"] = latencies[std::min(latencies.size() - 1, latencies.size() * 99 / 100)];
  out["max_us"] = latencies.back();
  return out;
}

// What the threads did, and how long all of it took. `work(thread, out)` adds its latencies.
inline Timing on_threads(unsigned threads,
                         const std::function<void(unsigned, std::vector<double>&)>& work) {
  std::vector<std::vector<double>> latencies(threads);
  const auto start = MonotonicClock::now();
  {
    std::vector<std::jthread> others;
    for (unsigned thread = 1; thread < threads; ++thread) {
      others.emplace_back([&, thread] { work(thread, latencies[thread]); });
    }
    work(0, latencies[0]);
  }
  Timing timing{.seconds = since(start), .latencies_us = {}};
  for (const std::vector<double>& part : latencies) {
    timing.latencies_us.insert(timing.latencies_us.end(), part.begin(), part.end());
  }
  return timing;
}

using Operation = std::function<void(unsigned thread, std::uint64_t index)>;

// One operation for each index below `count`, spread over the threads in contiguous runs.
inline Timing each(unsigned threads, std::uint64_t count, const Operation& operation) {
  return on_threads(threads, [&](unsigned thread, std::vector<double>& latencies_us) {
    const std::uint64_t end = count * (thread + 1) / threads;
    for (std::uint64_t i = count * thread / threads; i < end; ++i) {
      const auto start = MonotonicClock::now();
      operation(thread, i);
      latencies_us.push_back(since(start) * 1e6);
    }
  });
}

// Operations for so many seconds.
inline Timing for_seconds(unsigned threads, double seconds, const Operation& operation) {
  return on_threads(threads, [&](unsigned thread, std::vector<double>& latencies_us) {
    const auto begin = MonotonicClock::now();
    for (std::uint64_t i = 0; since(begin) < seconds; ++i) {
      const auto start = MonotonicClock::now();
      operation(thread, i);
      latencies_us.push_back(since(start) * 1e6);
    }
  });
}

}  // namespace scoutfs::bench
