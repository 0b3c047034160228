#include "node/open_device.hpp"

#include <fmt/core.h>

#include "iscsi/iscsi_device.hpp"
#include "nbd/nbd_device.hpp"
#include "node/file_device.hpp"
#include "node/loop/system.hpp"

namespace scoutfs::node {

namespace {

// For an operator; never a path that is there.
Result<void> check_scheme(const std::string& name, std::string& why) {
  const std::size_t scheme = name.find("://");
  if (scheme == std::string::npos || name.find('/') != scheme + 1) return {};
  why = fmt::format(
      "'{}' cannot be used: of URIs only nbd://, nbds://, nbd+unix://, nbds+unix:// and "
      "iscsi:// can",
      name);
  return fail(Errc::invalid);
}

}  // namespace

bool is_nbd_uri(const std::string& name) {
  const std::size_t colon = name.find("://");
  if (colon == std::string::npos) return false;
  const std::string scheme = name.substr(0, colon);
  const std::string base = scheme.substr(0, scheme.find('+'));
  return base == "nbd" || base == "nbds";
}

bool is_iscsi_uri(const std::string& name) {
  return name.starts_with("iscsi://");
}

bool is_uri(const std::string& name) {
  return is_nbd_uri(name) || is_iscsi_uri(name);
}

Task<Result<std::unique_ptr<BlockDevice>>> open_device(std::string uri_or_path, EventLoop& loop,
                                                       std::string& why,
                                                       Cancellation* cancellation) {
  if (is_nbd_uri(uri_or_path)) {
    const nbd::NbdDevice::Patience patience{.cancellation = cancellation};
    const nbd::NbdDevice::Options as_it_is;
    SCOUTFS_CO_TRY(std::unique_ptr<BlockDevice> device,
                   co_await nbd::NbdDevice::open(loop, uri_or_path, as_it_is, why, patience));
    co_return device;
  }
  if (is_iscsi_uri(uri_or_path)) {
    SystemRandom random;
    SCOUTFS_CO_TRY(
        std::unique_ptr<BlockDevice> device,
        co_await iscsi::IscsiDevice::open(loop, uri_or_path, iscsi::key_of(Rid{random.id()}),
                                          iscsi::IscsiDevice::Role::guest, why));
    co_return device;
  }
  SCOUTFS_CO_CHECK(check_scheme(uri_or_path, why));
  SCOUTFS_CO_TRY(std::unique_ptr<BlockDevice> device,
                 FileDevice::open(loop, uri_or_path, FileDevice::Access::read_write, why));
  co_return device;
}

}  // namespace scoutfs::node
