// TableFile: a FenceTable that survives. Written as a whole beside itself, flushed, then
// renamed over the old one, and the folder flushed: after a crash it is the old table or the
// new one.
#pragma once

#include <string>

#include "nbd/plugin/fence_table.hpp"

namespace scoutfs::nbd {

class TableFile {
 public:
  TableFile() = default;
  explicit TableFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // Errors: not_found (no such file), corrupt, too_large, io_error.
  Result<FenceTable> load() const;
  // Durable when it returns. Errors: io_error: the file holds the old table or the new one.
  Result<void> store(const FenceTable& table) const;

 private:
  std::string path_;
};

}  // namespace scoutfs::nbd
