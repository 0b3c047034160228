#include "engine/base/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace scoutfs {

std::uint64_t checksum64(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash128 hash128(std::string_view bytes, std::uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {.low = hash.low64, .high = hash.high64};
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  // The finalizer of splitmix64 over a running sum: each bit of each field reaches all bits.
  std::uint64_t state = 0x9e3779b97f4a7c15ULL;
  for (const std::uint64_t field : {a, b, c}) {
    state += field;
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ULL;
    state = (state ^ (state >> 27)) * 0x94d049bb133111ebULL;
    state ^= state >> 31;
  }
  return state;
}

}  // namespace scoutfs
