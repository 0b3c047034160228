// IndexFollower: what an archive agent does: it walks the change index again and again, and
// holds the index to its promise that nothing appears later at or below a bound that it was
// told.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "engine/fs/filesystem.hpp"
#include "sim/oracle_board.hpp"
#include "sim/random.hpp"

namespace scoutfs::sim {

// What one agent knows of one index; it outlives the lives of its node.
class IndexFollower {
 public:
  IndexFollower(OracleBoard& board, unsigned node, format::IndexType index)
      : board_(board), node_(node), index_(index) {}

  // One pass from the cursor, or from the beginning. Ends early, changing nothing, on an error
  // of the engine.
  Task<void> pass(fs::FileSystem& filesystem, SimRandom& random, bool from_the_beginning);

  using Entries = std::map<Ino, Seq>;
  // All entries now; fails unless there is one an inode. nullopt on an error of the engine.
  Task<std::optional<Entries>> all(fs::FileSystem& filesystem, std::size_t page_size);
  // Fails unless the entries are those that the inodes call for.
  void compare(const Entries& got, const Entries& want);

 private:
  void check_page(const fs::IndexPage& page, fs::IndexEntry first, Seq bound_before);
  void fail(const std::string& what);

  OracleBoard& board_;
  unsigned node_;
  format::IndexType index_;
  Seq bound_;                      // complete up to here
  std::set<fs::IndexEntry> seen_;  // at or below the bound
};

}  // namespace scoutfs::sim
