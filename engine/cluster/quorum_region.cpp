#include "engine/cluster/quorum_region.hpp"

#include <algorithm>
#include <memory>

#include "engine/base/codec.hpp"

namespace scoutfs::cluster {

using format::QuorumBlock;

Task<Result<QuorumRegion::Blocks>> QuorumRegion::read_all() {
  constexpr std::size_t kSize = 2 * format::kSlotsMax * kBlockSize;
  const auto image = std::make_unique_for_overwrite<std::byte[]>(kSize);
  const std::span<std::byte> out(image.get(), kSize);
  SCOUTFS_CO_CHECK(co_await device_.read(BlockNo{format::kQuorumFirst}, out));
  Blocks blocks(format::kSlotsMax);
  for (std::uint16_t slot = 0; slot < format::kSlotsMax; ++slot) {
    for (std::uint64_t copy = 0; copy < 2; ++copy) {
      const std::string_view bytes =
          as_text({image.get() + (2 * slot + copy) * kBlockSize, kBlockSize});
      Result<QuorumBlock> block = format::decode_quorum_block(bytes, fsid_, slot);
      if (!block.has_value()) continue;
      const bool newer =
          !blocks[slot].has_value() || blocks[slot]->write_number < block->write_number;
      if (newer) blocks[slot] = std::move(*block);
    }
  }
  co_return blocks;
}

Task<Result<void>> QuorumRegion::write(const QuorumBlock& block) {
  const std::string image = format::encode(block, fsid_);
  const std::string_view bytes = image;
  co_return co_await device_.write(format::quorum_block_at(block.slot, block.write_number),
                                   as_bytes(bytes), Durability::on_completion);
}

Term newest_term(const QuorumRegion::Blocks& blocks) {
  Term newest;
  for (const auto& block : blocks) {
    if (!block.has_value()) continue;
    newest = std::max({newest, block->elect, block->stop, block->voted});
  }
  return newest;
}

const QuorumBlock* leader_of(const QuorumRegion::Blocks& blocks) {
  const QuorumBlock* leader = nullptr;
  for (const auto& block : blocks) {
    if (!block.has_value() || !block->leads() || block->inherited()) continue;
    if (leader == nullptr || leader->elect < block->elect) leader = &*block;
  }
  return leader;
}

}  // namespace scoutfs::cluster
