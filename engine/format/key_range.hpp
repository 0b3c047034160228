// Ranges of keys. Keys are byte strings, compared as unsigned bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace scoutfs {

inline constexpr std::size_t kKeySizeMax = 512;          // bytes
inline constexpr std::size_t kValueSizeMax = 64u << 10;  // bytes

// All keys k with first <= k <= last. Both ends are included.
struct KeyRange {
  std::string first;
  std::string last;
  bool operator==(const KeyRange&) const = default;
  bool contains(std::string_view key) const { return first <= key && key <= last; }
  bool overlaps(const KeyRange& other) const {
    return first <= other.last && other.first <= last;
  }
};

}  // namespace scoutfs
