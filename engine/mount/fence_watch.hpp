// FenceWatch: the mount's device, which tells the mount when the storage refuses it.
#pragma once

#include <functional>
#include <utility>

#include "engine/env/block_device.hpp"

namespace scoutfs {

class FenceWatch final : public BlockDevice {
 public:
  // `on_fenced` is called at every request that ends with fenced, before its caller sees it.
  FenceWatch(BlockDevice& inner, std::function<void()> on_fenced)
      : inner_(inner), on_fenced_(std::move(on_fenced)) {}

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
    if (failed_with(done, Errc::fenced)) on_fenced_();
    return done;
  }

  BlockDevice& inner_;
  std::function<void()> on_fenced_;
};

}  // namespace scoutfs
