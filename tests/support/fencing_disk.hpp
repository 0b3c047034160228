// A disk with a volume's superblock on it, served by nbdkit with the project's plugin.
#pragma once

#include <fstream>
#include <memory>
#include <string>

#include "engine/format/volume.hpp"
#include "nbd/handshake.hpp"
#include "tests/support/node_files.hpp"
#include "tests/support/small_volume.hpp"

namespace scoutfs::testing {

struct FencingDisk {
  static constexpr Fsid kVolume{4711};

  // `plugin`: the path of nbdkit-scoutfs-plugin.so.
  explicit FencingDisk(const std::string& plugin) {
    std::fstream out(image, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(format::kSuperblockFirst * kBlockSize);
    const std::string bytes = small_superblock(kVolume);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    server = std::make_unique<NbdServer>(std::vector<std::string>{plugin, "file=" + image});
  }

  // Of an incarnation that is born now.
  nbd::Ticket ticket(std::uint64_t rid) {
    nbd::Ticket ticket;
    const nbd::Handshake plain = nbd::shake_hands(server->uri(), nullptr, {});
    SCOUTFS_ASSERT(plain.offer.has_value());
    ticket.identity.table = plain.offer->table;
    ticket.identity.born = plain.offer->generation;
    ticket.identity.fsid = kVolume;
    ticket.identity.node = "n";
    ticket.identity.who = {Rid{rid}, Epoch{1}};
    ticket.identity.session = 1;
    ticket.secret = std::string(format::kSecretSize, 's');
    return ticket;
  }

  TemporaryDirectory directory;
  std::string image = directory.image("disk", format::kDeviceBlocksMin* kBlockSize);
  std::unique_ptr<NbdServer> server;
};

}  // namespace scoutfs::testing
