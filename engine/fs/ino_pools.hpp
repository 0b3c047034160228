// Inode numbers for new files: each directory has a pool of its own, so that the files of one
// directory share lock groups with each other and with nobody else.
//
// A new directory takes the first number of a whole new group; the rest of that group becomes
// the pool of its files on the node that made it. A pool that is evicted loses its numbers,
// which are never handed out again; there are 2^64 of them.
#pragma once

#include <cstdint>
#include <list>

#include <absl/container/btree_map.h>

#include "engine/client/store.hpp"

namespace scoutfs::fs {

class InoPools {
 public:
  static constexpr std::size_t kPoolsMax = 4096;

  explicit InoPools(client::Store& store) : store_(store) {}

  // A number for a file in `dir`. Errors: those of Store::allocate_inos().
  Task<Result<Ino>> take_file(Ino dir);
  // A number for a directory, in a group of its own.
  Task<Result<Ino>> take_directory();
  // Gives back an unused number of take_file().
  void give_back(Ino dir, Ino ino);
  std::size_t size() const { return pools_.size(); }

 private:
  struct Pool {
    Ino dir;
    client::InoRange range;
  };
  // Order of use, most recent first.
  using Pools = std::list<Pool>;
  Pool* find(Ino dir);
  void add(Ino dir, client::InoRange range);

  client::Store& store_;
  Pools pools_;
  absl::btree_map<std::uint64_t, Pools::iterator> by_dir_;
};

}  // namespace scoutfs::fs
