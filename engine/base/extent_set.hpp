// ExtentSet: a set of device blocks kept as maximal runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/base/ids.hpp"

namespace scoutfs {

class ExtentSet {
 public:
  // Told of every change of the runs, so that an owner can persist them: a run that starts at
  // `start` now has `count` blocks; 0: there is none any more.
  using OnChange = std::function<void(BlockNo start, std::uint64_t count)>;
  void set_on_change(OnChange on_change) { on_change_ = std::move(on_change); }

  // False, and nothing changes, if the extent is empty or touches a block that is in the set.
  [[nodiscard]] bool add(Extent extent);
  // False, and nothing changes, unless all of the extent is in the set.
  [[nodiscard]] bool remove(Extent extent);

  bool contains(Extent extent) const;
  bool overlaps(Extent extent) const;
  std::uint64_t blocks() const { return blocks_; }
  std::size_t run_count() const { return runs_.size(); }
  bool empty() const { return runs_.empty(); }
  // The longest run, the lowest of several; empty if there is none. O(1).
  Extent longest() const;

  // Takes one extent of 1 to `count` blocks out of the set: from `hint` on if that block is in
  // the set; else all of `count` from the smallest run that holds it; else the longest run.
  // nullopt: the set is empty, or the best is shorter than `count_min`.
  std::optional<Extent> take(std::uint64_t count, BlockNo hint, std::uint64_t count_min = 1);

  std::vector<Extent> extents() const;
  void check_invariants() const;

 private:
  void put(std::uint64_t start, std::uint64_t count);
  void drop(std::uint64_t start, std::uint64_t count);

  OnChange on_change_;
  std::map<std::uint64_t, std::uint64_t> runs_;                // start -> count
  std::set<std::pair<std::uint64_t, std::uint64_t>> by_size_;  // (count, ~start)
  std::uint64_t blocks_ = 0;
};

}  // namespace scoutfs
