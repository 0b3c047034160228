// Area: free space of the server area, in memory. What is used follows from the superblock.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs::lsm {

class Area {
 public:
  // Shorter runs are not counted as usable: a segment of one large item may not fit.
  static constexpr std::uint64_t kUsableRun = 32;  // blocks

  explicit Area(Extent whole);  // all of it free

  // False, and nothing is changed, unless all of `extent` is free.
  bool take(Extent extent);
  // First fit. Errors: no_space. Requires: blocks > 0.
  Result<Extent> allocate(std::uint64_t blocks);
  // Requires: all of it is in use.
  void free(Extent extent);

  std::uint64_t size() const { return whole_.count; }
  std::uint64_t free_blocks() const { return free_blocks_; }
  std::uint64_t usable_blocks() const { return usable_blocks_; }
  std::uint64_t largest_run() const;
  void check_invariants() const;

 private:
  using Runs = absl::btree_map<std::uint64_t, std::uint64_t>;  // start -> blocks
  void add_run(std::uint64_t start, std::uint64_t count);
  void remove_run(Runs::iterator run);
  void cut(Runs::iterator run, Extent extent);

  Extent whole_;
  Runs runs_;  // never adjacent to one another
  std::uint64_t free_blocks_ = 0;
  std::uint64_t usable_blocks_ = 0;
};

}  // namespace scoutfs::lsm
