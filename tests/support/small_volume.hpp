// The superblock of the smallest volume, for tests that look at no more of it.
#pragma once

#include <string>

#include "engine/format/volume.hpp"

namespace scoutfs::testing {

// Its secret is format::kSecretSize times 's'.
inline std::string small_superblock(Fsid fsid) {
  format::Superblock superblock;
  superblock.fsid = fsid;
  superblock.cluster = "test";
  superblock.secret.fill('s');
  superblock.journal = {BlockNo{format::kFirstRegion}, 64};
  superblock.server_area = {superblock.journal.end(), 64};
  superblock.space = {superblock.server_area.end(), 64};
  superblock.device_blocks = format::kDeviceBlocksMin;
  return format::encode(superblock);
}

}  // namespace scoutfs::testing
