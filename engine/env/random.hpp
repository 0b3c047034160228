// Random: the only door to chance.
#pragma once

#include <cstdint>

namespace scoutfs {

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;  // 64 uniform bits
  // Uniform in [0, bound). Requires: bound > 0. The bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  // A non-zero id.
  std::uint64_t id() {
    std::uint64_t value = 0;
    while (value == 0) value = next();
    return value;
  }
};

}  // namespace scoutfs
