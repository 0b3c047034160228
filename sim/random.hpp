// SimRandom: the simulator's generator, xoshiro256**, one independent stream a concern.
//
// A stream is named by the seed and two numbers (what it is for, which one of them), so drawing
// more for one concern changes nothing for another.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "engine/base/assert.hpp"
#include "engine/base/hash.hpp"
#include "engine/env/random.hpp"

namespace scoutfs::sim {

enum class Stream : std::uint64_t {
  config = 1,
  disk,
  network,
  clocks,
  node,
  workload,
  faults,
  follower,
  test,
  kernel,
  disk_errors,
  device_plan,
  space_plan,
  slot_plan,
  fencing,
  standstills,
  workload_mix,
  scenario,
  windows,
};

class SimRandom final : public Random {
 public:
  SimRandom(std::uint64_t seed, Stream stream, std::uint64_t index = 0) {
    std::uint64_t state = mix(seed, static_cast<std::uint64_t>(stream), index);
    for (std::uint64_t& word : words_) word = state = mix(state, 1);
  }

  std::uint64_t next() override {
    const std::uint64_t result = std::rotl(words_[1] * 5, 7) * 9;
    const std::uint64_t shifted = words_[1] << 17;
    words_[2] ^= words_[0];
    words_[3] ^= words_[1];
    words_[1] ^= words_[2];
    words_[0] ^= words_[3];
    words_[2] ^= shifted;
    words_[3] = std::rotl(words_[3], 45);
    return salt_ == 0 ? result : mix(result, salt_);
  }

  // What all generators of this process draw from now on is another future of the same past.
  // Only for a process that was forked for it (likelihood.hpp). 0: as if nothing had been said.
  static void reseed_all(std::uint64_t salt) { salt_ = salt; }

  // Uniform in [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    SCOUTFS_ASSERT(low <= high);
    return low + below(high - low + 1);
  }
  // True `times` times `out_of`.
  bool chance(std::uint64_t times, std::uint64_t out_of) { return below(out_of) < times; }
  // In [low, high], each power of two about as likely as the next.
  std::uint64_t log_between(std::uint64_t low, std::uint64_t high) {
    SCOUTFS_ASSERT(low > 0);
    const auto bits_low = static_cast<std::uint64_t>(std::bit_width(low));
    const auto bits_high = static_cast<std::uint64_t>(std::bit_width(high));
    const std::uint64_t bits = between(bits_low, bits_high);
    const std::uint64_t first = std::uint64_t{1} << (bits - 1);
    const std::uint64_t last = first + (first - 1);
    return between(first < low ? low : first, last > high ? high : last);
  }
  template <class Container>
  auto& pick(Container& from) {
    SCOUTFS_ASSERT(!from.empty());
    return from[static_cast<std::size_t>(below(from.size()))];
  }

 private:
  static inline std::uint64_t salt_ = 0;

  std::array<std::uint64_t, 4> words_{};
};

}  // namespace scoutfs::sim
