#include "node/open_device.hpp"

#include "nbd/nbd_device.hpp"
#include "node/file_device.hpp"

namespace scoutfs::node {

bool is_nbd_uri(const std::string& name) {
  const std::size_t colon = name.find("://");
  if (colon == std::string::npos) return false;
  const std::string scheme = name.substr(0, colon);
  const std::string base = scheme.substr(0, scheme.find('+'));
  return base == "nbd" || base == "nbds";
}

Result<std::unique_ptr<BlockDevice>> open_device(const std::string& uri_or_path,
                                                 EventLoop& loop, std::string& why) {
  if (is_nbd_uri(uri_or_path)) {
    SCOUTFS_TRY(std::unique_ptr<BlockDevice> device,
                nbd::NbdDevice::open(loop, uri_or_path, why));
    return device;
  }
  SCOUTFS_TRY(std::unique_ptr<BlockDevice> device,
              FileDevice::open(loop, uri_or_path, FileDevice::Access::read_write, why));
  return device;
}

}  // namespace scoutfs::node
