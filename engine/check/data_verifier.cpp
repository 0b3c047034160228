#include "engine/check/data_verifier.hpp"

#include <algorithm>

#include "engine/format/inode.hpp"

namespace scoutfs::check {

void DataVerifier::verify(const Block& block, std::string_view bytes) {
  bytes_done_ += kBlockSize;
  if (format::data_checksum(bytes, block.where) == block.checksum) return;
  problems_.add("data-checksum",
                "inode {}, block {}, at {}: the data does not match its checksum",
                block.ino.value, block.file_block, block.where.value);
}

// After a read of several failed: which of them cannot be read?
Task<void> DataVerifier::read_singly(BlockDevice& device, std::size_t begin, std::size_t end) {
  std::string one(kBlockSize, '\0');
  for (std::size_t i = begin; i < end; ++i) {
    const Result<void> read =
        co_await device.read(blocks_[i].where, std::as_writable_bytes(std::span(one)));
    if (read.has_value()) {
      verify(blocks_[i], one);
      continue;
    }
    problems_.add("data-unreadable", "inode {}, block {}, at {}: {}", blocks_[i].ino.value,
                  blocks_[i].file_block, blocks_[i].where.value, to_string(read.error().code));
  }
}

Task<void> DataVerifier::run(BlockDevice& device) {
  std::ranges::sort(blocks_, {}, [](const Block& block) {
    return std::pair(block.where, std::pair(block.ino, block.file_block));
  });
  for (std::size_t begin = 0; begin < blocks_.size();) {
    std::size_t end = begin + 1;
    while (end < blocks_.size() && end - begin < kReadBlocks &&
           blocks_[end].where == blocks_[end - 1].where.next()) {
      ++end;
    }
    buffer_.resize((end - begin) * kBlockSize);
    const Result<void> read =
        co_await device.read(blocks_[begin].where, std::as_writable_bytes(std::span(buffer_)));
    if (read.has_value()) {
      for (std::size_t i = begin; i < end; ++i) {
        verify(blocks_[i],
               std::string_view(buffer_).substr((i - begin) * kBlockSize, kBlockSize));
      }
    } else {
      co_await read_singly(device, begin, end);
    }
    begin = end;
  }
  blocks_.clear();
}

}  // namespace scoutfs::check
