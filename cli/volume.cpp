#include "cli/volume.hpp"

#include <fmt/core.h>

#include "node/file_device.hpp"
#include "node/open_device.hpp"

namespace scoutfs::cli {

Task<Result<bool>> OfflineVolume::NoFencing::confirm_dead(Incarnation, HostId) {
  co_return Result<bool>(false);
}

OfflineVolume::OfflineVolume() : log_(LogLevel::warning), network_(loop_, log_) {}

bool OfflineVolume::open(const std::string& device, Access access, std::string& why) {
  if (access == Access::read_only && !node::is_nbd_uri(device)) {
    auto opened =
        node::FileDevice::open(loop_, device, node::FileDevice::Access::read_only, why);
    if (!opened.has_value()) return false;
    device_ = std::move(*opened);
    return true;
  }
  auto opened = loop_.run(node::open_device(device, loop_, why));
  if (!opened.has_value()) return false;
  device_ = std::move(*opened);
  return true;
}

Env OfflineVolume::env() {
  return Env{.scheduler = loop_.scheduler(),
             .clock = loop_.clock(),
             .random = random_,
             .device = *device_,
             .network = network_,
             .fencing = fencing_,
             .log = log_};
}

std::string explain_volume(const std::string& device, Errc code) {
  switch (code) {
    case Errc::corrupt:
      return fmt::format(
          "'{}' is not a scoutfs volume, or both copies of its superblock are damaged", device);
    case Errc::unsupported:
      return fmt::format(
          "'{}' has another format than this program; use the version that made it", device);
    case Errc::disconnected:
      return fmt::format("the connection to '{}' was lost", device);
    default:
      return fmt::format("'{}': {}", device, to_string(code));
  }
}

}  // namespace scoutfs::cli
