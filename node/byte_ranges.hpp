// ByteRanges: a few disjoint ranges of a file, in order. Bounded: of too many, the closest grow
// together, so the set may cover more than was added, never less.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace scoutfs::node {

// [first, end), in bytes.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

class ByteRanges {
 public:
  static constexpr std::size_t kRangesMax = 8;

  bool empty() const { return ranges_.empty(); }
  void clear() { ranges_.clear(); }
  // Requires: range.first < range.end.
  void add(ByteRange range);
  // Takes exactly this range out.
  void remove(ByteRange range);
  const std::vector<ByteRange>& ranges() const { return ranges_; }

 private:
  std::vector<ByteRange> ranges_;
};

}  // namespace scoutfs::node
