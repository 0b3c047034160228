#include "engine/check/quorum_blocks.hpp"

#include "engine/format/quorum.hpp"

namespace scoutfs::check {

namespace {

void check_copy(std::string_view image, Fsid fsid, std::uint16_t slot, std::uint64_t copy,
                Problems& problems) {
  // mkfs leaves zeros, and a slot that nobody took stays so.
  if (image.find_first_not_of('\0') == std::string_view::npos) return;
  const Result<format::QuorumBlock> block = format::decode_quorum_block(image, fsid, slot);
  if (!block.has_value()) {
    problems.add("quorum-block", "copy {} of slot {}'s block: {}", copy, slot,
                 to_string(block.error().code));
  } else if (block->write_number % 2 != copy) {
    problems.add("quorum-block", "copy {} of slot {}'s block has write number {}", copy, slot,
                 block->write_number);
  }
}

}  // namespace

Task<void> check_quorum_blocks(BlockDevice& device, const format::Superblock& superblock,
                               Problems& problems) {
  constexpr BlockNo kFirst{format::kQuorumFirst};
  std::string image(2 * format::kSlotsMax * kBlockSize, '\0');
  const Result<void> read =
      co_await device.read(kFirst, std::as_writable_bytes(std::span(image)));
  if (!read.has_value()) {
    problems.add("quorum-block", "the quorum blocks cannot be read: {}",
                 to_string(read.error().code));
    co_return;
  }
  const std::string_view blocks = image;
  for (std::uint16_t slot = 0; slot < format::kSlotsMax; ++slot) {
    for (std::uint64_t copy = 0; copy < 2; ++copy) {
      const BlockNo where = format::quorum_block_at(slot, copy);
      const std::uint64_t offset = (where.value - format::kQuorumFirst) * kBlockSize;
      check_copy(blocks.substr(offset, kBlockSize), superblock.fsid, slot, copy, problems);
    }
  }
}

}  // namespace scoutfs::check
