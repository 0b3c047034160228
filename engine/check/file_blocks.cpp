#include "engine/check/file_blocks.hpp"

#include <algorithm>

#include "engine/base/codec.hpp"
#include "engine/format/keys.hpp"

namespace scoutfs::check {

void FileBlocks::begin(Ino ino, bool deleting) {
  ino_ = ino;
  deleting_ = deleting;
  end_ = written_end_ = online_ = offline_ = 0;
  written_.clear();
  at_ = 0;
  next_block_ = 0;
}

void FileBlocks::add_extent(std::uint64_t first, const format::ExtentValue& extent) {
  const bool mapped = (extent.flags & format::kExtentOffline) == 0;
  const bool in_space =
      mapped && space_.add({extent.start, extent.count}, Owner::file, ino_.value);
  if (extent.count > ~std::uint64_t{0} - first) {
    problems_.add("extent-range", "inode {}: the extent at block {} of {} blocks ends nowhere",
                  ino_.value, first, extent.count);
    return;
  }
  const std::uint64_t end = first + extent.count;
  if (first < end_) {
    problems_.add("extent-overlap", "inode {}: the extent at block {} begins before block {}",
                  ino_.value, first, end_);
  }
  const std::uint64_t before = std::exchange(end_, std::max(end_, end));
  if (extent.flags == format::kExtentUnwritten) return;
  written_end_ = std::max(written_end_, end);
  if (!mapped) {
    offline_ += extent.count;
    return;
  }
  online_ += extent.count;
  // What overlaps was reported; a block is asked for its checksum once.
  const std::uint64_t from = std::max(first, before);
  if (from >= end) return;
  written_.push_back(
      {from, end, in_space ? BlockNo{extent.start.value + (from - first)} : BlockNo{}});
}

// Blocks in [next_block_, block) have no checksum: those that were written lack it.
void FileBlocks::skip_to(std::uint64_t block) {
  for (; at_ < written_.size(); ++at_) {
    const std::uint64_t from = std::max(written_[at_].first, next_block_);
    const std::uint64_t to = std::min(written_[at_].end, block);
    if (from < to) {
      problems_.add("checksum-missing", "inode {}: blocks {} to {} have no checksum",
                    ino_.value, from, to - 1);
    }
    if (written_[at_].end > block) break;
  }
  next_block_ = std::max(next_block_, block);
}

void FileBlocks::add_checksum(std::uint64_t block, std::uint64_t checksum) {
  skip_to(block);
  if (at_ == written_.size() || written_[at_].first > block) {
    if (deleting_) return;
    problems_.add("checksum-stray", "inode {}: block {} has a checksum and is not written",
                  ino_.value, block);
    return;
  }
  next_block_ = block + 1;
  const Written& extent = written_[at_];
  if (data_ == nullptr || !extent.start) return;
  data_->add({BlockNo{extent.start.value + (block - extent.first)}, checksum, ino_, block});
}

bool FileBlocks::add_checksums(std::uint64_t chunk, std::string_view value) {
  constexpr std::size_t kSize = sizeof(std::uint64_t);
  const std::size_t count = value.size() / kSize;
  if (count == 0 || value.size() % kSize != 0 || count > format::kChecksumChunk) return false;
  if (chunk > ~std::uint64_t{0} / format::kChecksumChunk) return false;
  for (std::size_t i = 0; i < count; ++i) {
    const auto checksum = load_little<std::uint64_t>(value.data() + i * kSize);
    if (checksum != 0) add_checksum(chunk * format::kChecksumChunk + i, checksum);
    if (checksum == 0 && i + 1 == count) return false;
  }
  return true;
}

void FileBlocks::end(const format::Inode& inode) {
  skip_to(~std::uint64_t{0});
  if (online_ != inode.online_blocks) {
    problems_.add("online-blocks", "inode {}: {} written blocks, the inode says {}", ino_.value,
                  online_, inode.online_blocks);
  }
  if (offline_ != inode.offline_blocks) {
    problems_.add("offline-blocks", "inode {}: {} offline blocks, the inode says {}",
                  ino_.value, offline_, inode.offline_blocks);
  }
  const std::uint64_t size_blocks =
      inode.size / kBlockSize + (inode.size % kBlockSize != 0 ? 1 : 0);
  const bool truncating = (inode.flags & format::kInodeTruncating) != 0;
  if (written_end_ > size_blocks && !truncating) {
    problems_.add("extent-beyond-size",
                  "inode {}: its size of {} bytes ends before block {}, which has data",
                  ino_.value, inode.size, written_end_ - 1);
  }
}

}  // namespace scoutfs::check
