#include "node/iscsi_service.hpp"

#include "engine/format/volume.hpp"

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

Task<Result<std::unique_ptr<DeviceLink>>> IscsiService::connect(Incarnation who, Role,
                                                                std::string& why,
                                                                Cancellation*) {
  SCOUTFS_CO_TRY(std::unique_ptr<IscsiDevice> device,
                 co_await IscsiDevice::open(loop_, uri_, iscsi::key_of(who.rid),
                                            IscsiDevice::Role::member, why));
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
