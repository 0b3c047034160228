#include "node/iscsi_service.hpp"

#include <algorithm>

#include "engine/cluster/quorum_region.hpp"
#include "engine/lsm/durable_tree.hpp"

namespace scoutfs::node {

using iscsi::IscsiDevice;

// The claims lie where no volume has anything, and leave the block that a fence's test writes.
static_assert(iscsi::kClaimsEnd / kBlockSize < format::kSuperblockFirst);

// ---- Fencing ----

Task<Result<void>> ReservationFencing::register_term(Term term, Incarnation leader) {
  if (term < term_) co_return fail(Errc::fenced);
  term_ = term;
  leader_ = leader;
  co_return Result<void>{};
}

Task<Result<bool>> ReservationFencing::fence_from(IscsiDevice* device, Rid victim) {
  if (device == nullptr) co_return fail(Errc::disconnected);
  if (victim == Rid{}) co_return Result<bool>(false);
  const iscsi::ReservationKey key = iscsi::key_of(victim);
  // Nobody fences itself: whoever asks for that goes on.
  if (key == device->key()) co_return Result<bool>(false);
  SCOUTFS_CO_CHECK(co_await device->fence(key));
  over_.insert(victim);
  co_return Result<bool>(true);
}

Task<Result<bool>> ReservationFencing::fence(Term term, Incarnation victim, HostId) {
  if (term < term_) co_return fail(Errc::fenced);
  IscsiDevice* device = devices_.empty() ? nullptr : devices_.front();
  if (term == term_) {
    for (IscsiDevice* const own : devices_) {
      if (own->key() == leader_.rid.value) device = own;
    }
  }
  co_return co_await fence_from(device, victim.rid);
}

Task<Result<bool>> ReservationFencing::confirm_dead(Incarnation victim, HostId host) {
  if (over_.contains(victim.rid)) co_return Result<bool>(true);
  if (!host_.is_gone(host)) co_return Result<bool>(false);
  IscsiDevice* const device = devices_.empty() ? nullptr : devices_.front();
  co_return co_await fence_from(device, victim.rid);
}

// ---- Connections ----

namespace {

// Whether the volume still knows `server` as the server of an election that nobody has won
// since.
Task<Result<bool>> leads(BlockDevice& device, Incarnation server) {
  SCOUTFS_CO_TRY(const format::Superblock volume, co_await lsm::read_superblock(device));
  cluster::QuorumRegion region(device, volume.fsid);
  SCOUTFS_CO_TRY(const cluster::QuorumRegion::Blocks blocks, co_await region.read_all());
  Term own, newest;
  for (const auto& block : blocks) {
    if (!block.has_value()) continue;
    newest = std::max(newest, block->elect);
    if (block->leads() && !block->inherited() && block->server() == server) own = block->elect;
  }
  co_return own != Term{} && own == newest;
}

}  // namespace

Task<Result<std::unique_ptr<DeviceLink>>> IscsiService::connect(Incarnation who, Role role,
                                                                std::string& why,
                                                                Cancellation*) {
  SCOUTFS_CO_TRY(std::unique_ptr<IscsiDevice> device,
                 co_await IscsiDevice::open(loop_, uri_, iscsi::key_of(who.rid),
                                            IscsiDevice::Role::member, why));
  // A leader may have been fenced before it came here, when there was no key to take. Whoever
  // fences it has made its own election, or its slot's next holder, durable before: so either
  // that is seen now, or the key is found then.
  if (role == Role::leader) {
    SCOUTFS_CO_TRY(const bool still, co_await leads(*device, who));
    if (!still) {
      why = "another leader was elected";
      const Result<void> left = co_await device->leave();
      if (!left.has_value()) log_.warn("a key stays: {}", to_string(left.error().code));
      co_return fail(Errc::fenced);
    }
  }
  SCOUTFS_CO_TRY(const bool claimed, co_await device->claim());
  if (!claimed) {
    log_.warn("'{}' has more clients than can come back: a lost connection may end this one",
              uri_);
  }
  if (device->capabilities().volatile_cache) {
    log_.warn(
        "'{}' has a write cache that may not survive: a lost connection ends this mount if "
        "writes have not been flushed",
        uri_);
  }
  fencing_.add(*device);
  co_return std::unique_ptr<DeviceLink>(std::move(device));
}

Task<Result<void>> IscsiService::leave(Incarnation, DeviceLink& link) {
  auto& device = static_cast<IscsiDevice&>(link);
  const Result<void> left = co_await device.leave();
  fencing_.remove(device);
  co_return left;
}

}  // namespace scoutfs::node
