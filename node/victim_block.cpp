#include "node/victim_block.hpp"

#include "engine/cluster/quorum_region.hpp"
#include "engine/lsm/durable_tree.hpp"

namespace scoutfs::node {

Task<Result<Victim>> find_victim(BlockDevice& device, Incarnation victim, HostId host) {
  SCOUTFS_CO_TRY(const format::Superblock volume, co_await lsm::read_superblock(device));
  cluster::QuorumRegion region(device, volume.fsid);
  SCOUTFS_CO_TRY(const cluster::QuorumRegion::Blocks blocks, co_await region.read_all());
  Victim found{.fsid = volume.fsid, .block = std::nullopt};
  for (const auto& block : blocks) {
    if (!block.has_value()) continue;
    const bool same_process = host.process != 0 && block->host == host;
    if (block->who.rid == victim.rid || same_process) found.block = block;
  }
  co_return found;
}

}  // namespace scoutfs::node
