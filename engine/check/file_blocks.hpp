// FileBlocks: extents and checksums of one inode.
//
// Memory: 24 bytes for each written extent of the inode at hand.
#pragma once

#include <vector>

#include "engine/check/data_verifier.hpp"
#include "engine/check/space.hpp"
#include "engine/format/inode.hpp"

namespace scoutfs::check {

class FileBlocks {
 public:
  // `data` null: the blocks are not read.
  FileBlocks(SpaceMap& space, DataVerifier* data, Problems& problems)
      : space_(space), data_(data), problems_(problems) {}

  // `deleting`: the inode is being deleted, in several transactions: extents go first, their
  // checksums may still be there.
  void begin(Ino ino, bool deleting);
  // Items of the inode in key order: extents, then checksums. False: the value is not
  // canonical.
  void add_extent(std::uint64_t first, const format::ExtentValue& extent);
  bool add_checksums(std::uint64_t chunk, std::string_view value);
  void end(const format::Inode& inode);

 private:
  struct Written {
    std::uint64_t first = 0, end = 0;  // file blocks
    BlockNo start;                     // none: not within the space
  };
  void add_checksum(std::uint64_t block, std::uint64_t checksum);
  void skip_to(std::uint64_t block);

  SpaceMap& space_;
  DataVerifier* data_;
  Problems& problems_;
  Ino ino_;
  bool deleting_ = false;
  std::uint64_t end_ = 0;          // of the last extent
  std::uint64_t written_end_ = 0;  // of the last one that is not merely allocated
  std::uint64_t online_ = 0, offline_ = 0;
  std::vector<Written> written_;
  std::size_t at_ = 0;            // in written_: the first that still needs checksums
  std::uint64_t next_block_ = 0;  // checksums below were seen or reported
};

}  // namespace scoutfs::check
