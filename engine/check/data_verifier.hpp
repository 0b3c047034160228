// DataVerifier: reads file blocks and compares their checksums, a batch at a time.
#pragma once

#include <vector>

#include "engine/check/problems.hpp"

namespace scoutfs::check {

class DataVerifier {
 public:
  struct Block {
    BlockNo where;
    std::uint64_t checksum = 0;
    Ino ino;
    std::uint64_t file_block = 0;
  };

  explicit DataVerifier(Problems& problems) : problems_(problems) {}

  // Requires: on the device.
  void add(Block block) { blocks_.push_back(block); }
  // True when run() is due.
  bool full() const { return blocks_.size() >= kBatch; }
  // Verifies what was added.
  Task<void> run(BlockDevice& device);
  std::uint64_t bytes_done() const { return bytes_done_; }

 private:
  static constexpr std::size_t kBatch = 16'384;    // blocks
  static constexpr std::size_t kReadBlocks = 256;  // of one read
  void verify(const Block& block, std::string_view bytes);
  Task<void> read_singly(BlockDevice& device, std::size_t begin, std::size_t end);

  Problems& problems_;
  std::vector<Block> blocks_;
  std::string buffer_;
  std::uint64_t bytes_done_ = 0;
};

}  // namespace scoutfs::check
