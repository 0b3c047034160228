// QuorumRegion: the quorum blocks of a volume, read and written.
#pragma once

#include <optional>
#include <vector>

#include "engine/env/block_device.hpp"
#include "engine/format/quorum.hpp"

namespace scoutfs::cluster {

class QuorumRegion {
 public:
  QuorumRegion(BlockDevice& device, Fsid fsid) : device_(device), fsid_(fsid) {}

  // The newest good copy of each slot's block; nullopt where neither is good (never written,
  // torn). Errors: those of the device.
  using Blocks = std::vector<std::optional<format::QuorumBlock>>;
  Task<Result<Blocks>> read_all();

  // Durable when it returns. Requires: only the slot's holder writes its block.
  Task<Result<void>> write(const format::QuorumBlock& block);

 private:
  BlockDevice& device_;
  Fsid fsid_;
};

// The largest term any block speaks of.
Term newest_term(const QuorumRegion::Blocks& blocks);
// The block of the newest leader that has not stopped and still holds its slot.
const format::QuorumBlock* leader_of(const QuorumRegion::Blocks& blocks);

}  // namespace scoutfs::cluster
