// Extents of a file, as a value: cut, filled and compared without touching any item.
//
// Extents never overlap. None is longer than kExtentBlocksMax, so the one that covers a block
// is found by scanning that far back. Neighbours that are contiguous on the device are one
// extent, up to that length.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/client/store.hpp"
#include "engine/format/inode.hpp"

namespace scoutfs::fs {

inline constexpr std::uint64_t kExtentBlocksMax = 2048;                  // 8 MiB
inline constexpr std::uint64_t kMaxFileBlocks = std::uint64_t{1} << 51;  // 2^63 bytes

struct FileExtent {
  std::uint64_t first = 0;  // file block
  std::uint64_t count = 0;
  BlockNo start;  // device block; 0 if offline
  std::uint8_t flags = 0;

  std::uint64_t end() const { return first + count; }
  bool written() const { return flags == 0; }
  bool unwritten() const { return flags == format::kExtentUnwritten; }
  bool offline() const { return flags == format::kExtentOffline; }
  // The device block of a file block inside.
  BlockNo device(std::uint64_t block) const { return BlockNo{start.value + (block - first)}; }
  // The part from `from` to `to`. Requires: inside and not empty.
  FileExtent part(std::uint64_t from, std::uint64_t to) const;
  bool operator==(const FileExtent&) const = default;
};

// The extents of a stretch of a file: as they were loaded and as they shall be.
class ExtentWindow {
 public:
  ExtentWindow() = default;
  // Requires: ascending, not overlapping.
  explicit ExtentWindow(std::vector<FileExtent> loaded)
      : before_(loaded), now_(std::move(loaded)) {}

  // The extent that covers the block; null if none does. Valid until the next change.
  const FileExtent* find(std::uint64_t block) const;
  // Takes out what is between the blocks and returns it, in order.
  std::vector<FileExtent> cut(std::uint64_t first, std::uint64_t end);
  // Adds an extent and joins it to its neighbours. Requires: it covers nothing that is mapped.
  void insert(FileExtent extent);

  const std::vector<FileExtent>& before() const { return before_; }
  const std::vector<FileExtent>& now() const { return now_; }
  // Puts and erases what differs, as items of the file.
  void store(client::Txn& txn, Ino ino) const;

 private:
  std::vector<FileExtent> before_;
  std::vector<FileExtent> now_;
};

// Blocks of written extents.
std::uint64_t written_blocks(const std::vector<FileExtent>& extents);

}  // namespace scoutfs::fs
