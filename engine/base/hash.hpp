// Checksums: XXH3, the 64-bit and the 128-bit form.
#pragma once

#include <cstdint>
#include <string_view>

namespace scoutfs {

std::uint64_t checksum64(std::string_view bytes, std::uint64_t seed);

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  constexpr bool operator==(const Hash128&) const = default;
};
Hash128 hash128(std::string_view bytes, std::uint64_t seed);

// Mixes identity fields into one seed. Order matters.
std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c = 0);

}  // namespace scoutfs
