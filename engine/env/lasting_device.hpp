// LastingDevice: the disk as the engine wants it, over a connection that may break.
//
// When the connection breaks, what is in flight fails with disconnected, here, and nowhere
// else: whoever issued a request goes on waiting for it. The device connects anew as the same
// incarnation, and then each waiting request is issued once more. That is safe, and no replay
// behind anybody's back, for three reasons:
//
//  1. A link reconnects only when everything that the old connection carried has ended at the
//     storage (protocol rule 12), so that an old command cannot land after the new one.
//  2. The request has not been answered: whoever issued it still owns its blocks and waits with
//     everything that depends on them, so writing the same bytes again changes nothing.
//  3. An incarnation that was fenced meanwhile is not admitted: the request fails with fenced.
//
// Answered writes that no flush has covered are in the storage's cache, which outlives a
// connection and a restart of the server, but not of its host: a link says so (stale), and the
// device is then over, as it is when the patience runs out. What was durable is durable; the
// rest is lost as in a crash of the node.
#pragma once

#include <functional>
#include <optional>

#include "engine/async/clock.hpp"
#include "engine/async/scheduler.hpp"
#include "engine/async/sync.hpp"
#include "engine/env/block_device.hpp"
#include "engine/env/log.hpp"

namespace scoutfs {

// A device of one connection at a time.
class DeviceLink : public BlockDevice {
 public:
  // Makes a new connection of the same incarnation; what was in flight has failed. Returns when
  // everything that the old one carried has ended at the storage. Errors: disconnected (not
  // now); for good: fenced, invalid (another disk is there), stale (answered writes may be
  // gone).
  virtual Task<Result<void>> reconnect() = 0;
};

class LastingDevice final : public BlockDevice {
 public:
  struct Options {
    TimeNs patience_ns = 60 * kSecond;     // without a connection; then the device is over
    TimeNs retry_ns = 200 * kMillisecond;  // between two attempts to connect
  };

  LastingDevice(Scheduler& scheduler, const Clock& clock, Log& log, DeviceLink& link,
                Options options);

  std::uint64_t block_count() const override { return link_.block_count(); }
  // Errors of all: io_error; disconnected, stale, invalid: the connection did not come back in
  // time or will not, and the device is over; fenced: likewise.
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override;
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override;
  Task<Result<void>> flush() override;

  bool connected() const { return !reconnecting_ && !over_.has_value(); }
  std::uint64_t reconnects() const { return connections_; }
  // No more attempts: what waits fails with disconnected.
  void give_up();

 private:
  // Returns when there is a newer connection than number `lost`, or the device is over.
  Task<Result<void>> restore(std::uint64_t lost);
  Task<void> reconnect();

  Scheduler& scheduler_;
  const Clock& clock_;
  Log& log_;
  DeviceLink& link_;
  Options options_;
  std::uint64_t connections_ = 0;  // made after the first
  bool reconnecting_ = false;
  std::optional<Errc> over_;
  WaitQueue changed_;
  Cancellation cancellation_;
};

}  // namespace scoutfs
