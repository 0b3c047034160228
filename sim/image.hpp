// Image: the bytes of a disk, block by block; a copy shares them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/assert.hpp"
#include "engine/base/ids.hpp"

namespace scoutfs::sim {

using BlockBytes = std::array<std::byte, kBlockSize>;
using BlockRef = std::shared_ptr<const BlockBytes>;  // null: zeroes

class Image {
 public:
  explicit Image(std::uint64_t block_count) : blocks_(block_count) {}

  std::uint64_t block_count() const { return blocks_.size(); }
  const BlockRef& block(std::uint64_t number) const {
    SCOUTFS_ASSERT(number < blocks_.size());
    return blocks_[number];
  }
  void set(std::uint64_t number, BlockRef bytes) {
    SCOUTFS_ASSERT(number < blocks_.size());
    blocks_[number] = std::move(bytes);
  }

 private:
  std::vector<BlockRef> blocks_;
};

inline BlockRef make_block(std::span<const std::byte> bytes) {
  SCOUTFS_ASSERT(bytes.size() == kBlockSize);
  auto block = std::make_shared<BlockBytes>();
  std::memcpy(block->data(), bytes.data(), kBlockSize);
  return block;
}
inline void copy_block(const BlockRef& from, std::byte* to) {
  if (from == nullptr) {
    std::memset(to, 0, kBlockSize);
  } else {
    std::memcpy(to, from->data(), kBlockSize);
  }
}

}  // namespace scoutfs::sim
