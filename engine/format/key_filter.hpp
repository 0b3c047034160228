// Key filters: a blocked Bloom filter, which says of most absent keys that they are absent.
//
// After Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters" (2007):
// all bits of a key lie in one line of 64 bytes, so a question costs one cache miss. About one
// in a hundred absent keys is let through.
//
// The bytes are whole lines. Bit b of a line is bit b % 8 of its byte b / 8. For a key:
//   h    = XXH3-64 of the key, seed 0
//   line = (h >> 32) * line count >> 32
//   p    = h mod 2^32; for each of six bits: bit p >> 23, then p = p * 0x9e3779b1 mod 2^32
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/hash.hpp"

namespace scoutfs::format {

// Contributed to format_description(). Changes with what is said above.
inline constexpr std::string_view kKeyFilterFormat = "key filter 1\n";

inline constexpr std::size_t kFilterLine = 64;  // bytes
inline constexpr std::size_t kFilterBitsPerKey = 10;

inline std::uint64_t filter_hash(std::string_view key) {
  return checksum64(key, 0);
}

// Bytes of the filter of so many keys.
constexpr std::size_t filter_size(std::uint64_t key_count) {
  return (key_count * kFilterBitsPerKey + kFilterLine * 8 - 1) / (kFilterLine * 8) *
         kFilterLine;
}

// The filter of the keys with these hashes. Requires: at least one.
std::string build_filter(const std::vector<std::uint64_t>& hashes);

// False: the key is not among them. Requires: a filter of whole lines, at least one.
bool filter_may_hold(std::string_view filter, std::uint64_t hash);

}  // namespace scoutfs::format
