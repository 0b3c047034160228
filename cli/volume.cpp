#include "cli/volume.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "engine/cluster/quorum_region.hpp"
#include "engine/lsm/durable_tree.hpp"
#include "node/file_device.hpp"
#include "node/nbd_service.hpp"
#include "node/open_device.hpp"

namespace scoutfs::cli {

Task<Result<bool>> OfflineVolume::NoFencing::confirm_dead(Incarnation, HostId) {
  co_return Result<bool>(false);
}

OfflineVolume::OfflineVolume()
    : log_(LogLevel::warning),
      network_(loop_, log_),
      host_(loop_.scheduler(), node::host_id()) {}

// A key that was registered for reading what others have reserved.
OfflineVolume::~OfflineVolume() {
  Result<void> left;
  if (unit_ != nullptr) left = loop_.run(unit_->leave());
  if (reservation_ != nullptr) left = reservation_->leave();
  if (!left.has_value()) log_.warn("a key stays registered: {}", to_string(left.error().code));
}

bool OfflineVolume::register_as_guest(const std::string& device, std::string& why) {
  auto opened = node::BlockReservation::open(loop_, host_, device,
                                             node::BlockReservation::Role::guest, why);
  if (!opened.has_value()) return false;
  reservation_ = std::move(*opened);
  return true;
}

bool OfflineVolume::open(const std::string& device, Access access, std::string& why) {
  if (node::is_iscsi_uri(device)) {
    auto opened = loop_.run(node::open_device(device, loop_, why));
    if (!opened.has_value()) return false;
    device_ = std::move(*opened);
    unit_ = static_cast<iscsi::IscsiDevice*>(device_.get());
    return true;
  }
  if (!node::is_uri(device) && !register_as_guest(device, why)) return false;
  if (access == Access::read_write) {
    auto opened = loop_.run(node::open_device(device, loop_, why));
    if (!opened.has_value()) return false;
    device_ = std::move(*opened);
    return true;
  }
  if (!node::is_nbd_uri(device)) {
    auto opened =
        node::FileDevice::open(loop_, device, node::FileDevice::Access::read_only, why);
    if (!opened.has_value()) return false;
    device_ = std::move(*opened);
    return true;
  }
  nbd::NbdDevice::Options options;
  options.access = nbd::NbdDevice::Access::read_only;
  device_ = open_nbd(device, std::move(options), why);
  return device_ != nullptr;
}

std::unique_ptr<nbd::NbdDevice> OfflineVolume::open_nbd(const std::string& device,
                                                        nbd::NbdDevice::Options options,
                                                        std::string& why) {
  const nbd::NbdDevice::Patience patience;
  auto opened =
      loop_.run(nbd::NbdDevice::open(loop_, device, std::move(options), why, patience));
  return opened.has_value() ? std::move(*opened) : nullptr;
}

bool OfflineVolume::open_to_format(const std::string& device, bool force, std::string& why) {
  if (node::is_iscsi_uri(device) || node::BlockReservation::can_fence(device)) {
    fence_level_ = FenceLevel::storage;
  }
  if (!node::is_nbd_uri(device)) return open(device, Access::read_write, why);
  nbd::NbdDevice::Options options;
  options.access = nbd::NbdDevice::Access::read_only;
  std::unique_ptr<nbd::NbdDevice> plain = open_nbd(device, options, why);
  if (plain == nullptr) return false;
  if (plain->offer().has_value()) fence_level_ = FenceLevel::storage;
  const std::optional<nbd::Ticket> ticket = loop_.run(node::ticket_for(*plain, "scoutfs-mkfs"));
  if (plain->writable() || (ticket.has_value() && !force)) {
    device_ = std::move(plain);
    return true;
  }
  if (!ticket.has_value()) {
    why = fmt::format(
        "cannot use '{}': the export is read-only (a server that fences lets one client at a "
        "time "
        "write before there is a volume, and nobody write over one of another version)",
        device);
    return false;
  }
  options.access = nbd::NbdDevice::Access::read_write;
  options.ticket = ticket;
  options.ticket->identity.who = {Rid{random_.id()}, Epoch{1}};
  options.ticket->identity.role = nbd::Role::format;
  device_ = open_nbd(device, std::move(options), why);
  if (device_ != nullptr) return true;
  why = fmt::format(
      "the server of '{}' does not let its volume be overwritten: somebody uses it "
      "(see scoutfs fence list)",
      device);
  return false;
}

bool OfflineVolume::shut_others_out(const std::string& device, std::string& why) {
  if (unit_ == nullptr) return true;
  const Result<void> done = loop_.run(unit_->take_over(why));
  if (done.has_value()) return true;
  why = fmt::format("'{}' cannot be taken over: {}", device,
                    why.empty() ? std::string(to_string(done.error().code)) : why);
  return false;
}

namespace {

constexpr TimeNs kWatch = 2 * kSecond;  // in which a mount writes its block ten times
constexpr TimeNs kLook = 100 * kMillisecond;

// A block of a mount that lives.
Task<std::optional<format::QuorumBlock>> find_living(Scheduler& scheduler,
                                                     BlockDevice& device) {
  const auto superblock = co_await lsm::read_superblock(device);
  if (!superblock.has_value()) co_return std::nullopt;
  cluster::QuorumRegion region(device, superblock->fsid);
  const auto before = co_await region.read_all();
  if (!before.has_value()) co_return std::nullopt;
  const bool anybody = std::any_of(before->begin(), before->end(), [](const auto& block) {
    return block.has_value() && !block->ended;
  });
  const TimeNs end_ns = scheduler.now_ns() + kWatch;
  while (anybody && scheduler.now_ns() < end_ns) {
    co_await Sleep(scheduler, kLook);
    const auto now = co_await region.read_all();
    if (!now.has_value()) co_return std::nullopt;
    for (std::size_t slot = 0; slot < now->size(); ++slot) {
      const auto &old = (*before)[slot], &block = (*now)[slot];
      const bool in_use = block.has_value() && !block->ended;
      if (in_use && (!old.has_value() || old->write_number != block->write_number)) {
        co_return block;
      }
    }
  }
  co_return std::nullopt;
}

}  // namespace

bool OfflineVolume::is_mounted(const std::string& device, std::string& why) {
  const auto living = loop_.run(find_living(loop_.scheduler(), *device_));
  if (!living.has_value()) return false;
  why = fmt::format("'{}' is mounted by {} at {}; unmount it everywhere first", device,
                    living->name, to_string(living->address));
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
