// SteadyDevice: the shared disk as a mount uses it: what an error of the device means.
//
// A request that fails with io_error is tried again a few times: a read changes nothing, and a
// write puts the same bytes into blocks that nobody else writes. What still fails then is an
// error for whoever asked.
//
// A flush is never tried again. The device may have dropped from its cache what it could not
// write, and a later flush that succeeds would say nothing of that. So the first flush that
// fails ends all writing through this handle: what is acknowledged from then on could be lost.
#pragma once

#include <functional>

#include "engine/async/scheduler.hpp"
#include "engine/env/block_device.hpp"
#include "engine/env/log.hpp"

namespace scoutfs {

class SteadyDevice final : public BlockDevice {
 public:
  static constexpr int kReadAttempts = 3;
  static constexpr int kWriteAttempts = 4;

  // `on_lost` runs once, when a flush has failed.
  SteadyDevice(Scheduler& scheduler, BlockDevice& inner, Log& log,
               std::function<void()> on_lost)
      : scheduler_(scheduler), inner_(inner), log_(log), on_lost_(std::move(on_lost)) {}

  std::uint64_t block_count() const override { return inner_.block_count(); }

  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override;
  // Errors: also io_error after a flush has failed: nothing was written.
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override;
  // Errors: also io_error when another flush failed while this one ran, or before.
  Task<Result<void>> flush() override;

 private:
  Scheduler& scheduler_;
  BlockDevice& inner_;
  Log& log_;
  std::function<void()> on_lost_;
  bool lost_ = false;  // a flush has failed
};

}  // namespace scoutfs
