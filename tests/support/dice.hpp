// Dice: a stream of chance from one number, for tests that take many steps.
#pragma once

#include <cstdint>

#include "engine/base/hash.hpp"

namespace scoutfs::testing {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : seed_(seed) {}
  std::uint64_t next() { return mix(seed_, ++count_); }
  // Uniform in [0, bound).
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // True once in `times`.
  bool once_in(std::uint64_t times) { return below(times) == 0; }

 private:
  std::uint64_t seed_;
  std::uint64_t count_ = 0;
};

}  // namespace scoutfs::testing
