// CoverageBuilder: a few key ranges that hold all keys of a segment, split at the widest gaps.
//
// The width of a gap is the difference of its two keys as numbers, read as binary fractions, so
// a gap between zones is wider than one between inodes, and that wider than one between names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/lsm/segment.hpp"

namespace scoutfs::lsm {

class CoverageBuilder {
 public:
  explicit CoverageBuilder(std::size_t ranges_max);

  // Keys in ascending order. `last` is the key before, of which `key` shares `shared` bytes.
  void add_first(std::string_view key) { first_ = key; }
  void add(std::string_view last, std::string_view key, std::size_t shared);
  // The ranges, ascending. `last` is the last key of all.
  std::vector<KeyRange> finish(std::string_view last) const;
  // Bytes of keys held, at most what finish() returns without the last key.
  std::size_t size_bytes() const;

 private:
  // Orders gaps by width: the position of the first differing bit (earlier is wider), then the
  // bits from there on.
  struct Width {
    std::uint32_t position = 0;
    std::uint64_t bits = 0;
    bool wider_than(const Width& other) const {
      if (position != other.position) return position < other.position;
      return bits > other.bits;
    }
  };
  struct Gap {
    Width width;
    std::string before;  // the last key of a range
    std::string after;   // the first key of the next
  };
  static Width width_of(std::string_view last, std::string_view key, std::size_t shared);
  void find_narrowest();

  std::size_t gaps_max_;
  std::string first_;
  std::vector<Gap> gaps_;  // the widest so far, unordered
  std::size_t narrowest_ = 0;
};

}  // namespace scoutfs::lsm
