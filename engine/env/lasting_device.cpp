#include "engine/env/lasting_device.hpp"

namespace scoutfs {

LastingDevice::LastingDevice(Scheduler& scheduler, const Clock& clock, Log& log,
                             DeviceLink& link, Options options)
    : scheduler_(scheduler),
      clock_(clock),
      log_(log),
      link_(link),
      options_(options),
      changed_(scheduler),
      cancellation_(scheduler) {}

Task<Result<void>> LastingDevice::read(BlockNo first, std::span<std::byte> out) {
  while (true) {
    if (over_.has_value()) co_return fail(*over_);
    const std::uint64_t connection = connections_;
    const Result<void> result = co_await link_.read(first, out);
    if (!failed_with(result, Errc::disconnected)) co_return result;
    SCOUTFS_CO_CHECK(co_await restore(connection));
  }
}

Task<Result<void>> LastingDevice::write(BlockNo first, std::span<const std::byte> data,
                                        Durability durability) {
  while (true) {
    if (over_.has_value()) co_return fail(*over_);
    const std::uint64_t connection = connections_;
    const Result<void> result = co_await link_.write(first, data, durability);
    if (!failed_with(result, Errc::disconnected)) co_return result;
    SCOUTFS_CO_CHECK(co_await restore(connection));
  }
}

Task<Result<void>> LastingDevice::flush() {
  while (true) {
    if (over_.has_value()) co_return fail(*over_);
    const std::uint64_t connection = connections_;
    const Result<void> result = co_await link_.flush();
    if (!failed_with(result, Errc::disconnected)) co_return result;
    SCOUTFS_CO_CHECK(co_await restore(connection));
  }
}

Task<Result<void>> LastingDevice::restore(std::uint64_t lost) {
  while (connections_ == lost && !over_.has_value()) {
    if (reconnecting_) {
      co_await changed_.wait();
    } else {
      co_await reconnect();
    }
  }
  if (over_.has_value()) co_return fail(*over_);
  co_return Result<void>{};
}

// By whoever notices first; the others wait.
Task<void> LastingDevice::reconnect() {
  SCOUTFS_ASSERT(!reconnecting_);
  reconnecting_ = true;
  log_.warn("the connection to the disk is lost; trying to get it back");
  const TimeNs deadline_ns = clock_.now_ns() + options_.patience_ns;
  Result<void> result = fail(Errc::disconnected);
  while (!cancellation_.requested()) {
    result = co_await link_.reconnect();
    if (!failed_with(result, Errc::disconnected)) break;
    if (clock_.now_ns() >= deadline_ns) break;
    co_await Sleep(scheduler_, options_.retry_ns, &cancellation_);
  }
  reconnecting_ = false;
  if (result.has_value()) {
    ++connections_;
    log_.warn("the connection to the disk is back");
  } else {
    over_ = result.error().code;
    log_.error("the disk is lost: {}", to_string(*over_));
  }
  changed_.wake_all();
}

void LastingDevice::give_up() {
  cancellation_.request();
}

}  // namespace scoutfs
