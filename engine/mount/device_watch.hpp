// DeviceWatch: a device that tells when a request fails, before its caller sees it.
#pragma once

#include <functional>
#include <utility>

#include "engine/env/block_device.hpp"

namespace scoutfs {

class DeviceWatch final : public BlockDevice {
 public:
  DeviceWatch(BlockDevice& inner, std::function<void(Errc)> on_failed)
      : inner_(inner), on_failed_(std::move(on_failed)) {}

  std::uint64_t block_count() const override { return inner_.block_count(); }
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override {
    const Result<void> done = co_await inner_.read(first, out);
    co_return look_at(done);
  }
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override {
    const Result<void> done = co_await inner_.write(first, data, durability);
    co_return look_at(done);
  }
  Task<Result<void>> flush() override {
    const Result<void> done = co_await inner_.flush();
    co_return look_at(done);
  }

 private:
  Result<void> look_at(Result<void> done) {
    if (!done.has_value()) on_failed_(done.error().code);
    return done;
  }

  BlockDevice& inner_;
  std::function<void(Errc)> on_failed_;
};

}  // namespace scoutfs
