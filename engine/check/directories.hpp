// Directories: whether every linked one hangs below the root.
//
// Memory: 17 bytes a directory.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/check/problems.hpp"

namespace scoutfs::check {

class Directories {
 public:
  // A linked directory and the one that holds it, ascending by inode.
  void add(Ino ino, Ino parent) { links_.push_back({ino, parent}); }
  // Reports cycles and directories whose parent is no linked directory.
  void finish(Problems& problems);

 private:
  struct Link {
    Ino ino;
    Ino parent;
  };
  enum class State : std::uint8_t { unknown, on_path, judged };
  std::optional<std::size_t> find(Ino ino) const;

  std::vector<Link> links_;
};

}  // namespace scoutfs::check
