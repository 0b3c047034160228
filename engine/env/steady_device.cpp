#include "engine/env/steady_device.hpp"

#include "engine/async/sync.hpp"

namespace scoutfs {

namespace {
// Longer than a path of a multipath device needs to be replaced, in sum.
constexpr TimeNs kReadPause = 50 * kMillisecond;
constexpr TimeNs kWritePause = 100 * kMillisecond;
}  // namespace

Task<Result<void>> SteadyDevice::read(BlockNo first, std::span<std::byte> out) {
  for (int attempt = 1;; ++attempt) {
    const Result<void> done = co_await inner_.read(first, out);
    if (!failed_with(done, Errc::io_error)) co_return done;
    log_.warn("reading {} blocks at {} failed", out.size() / kBlockSize, first.value);
    if (attempt == kReadAttempts) co_return done;
    co_await Sleep(scheduler_, kReadPause);
  }
}

Task<Result<void>> SteadyDevice::write(BlockNo first, std::span<const std::byte> data,
                                       Durability durability) {
  for (int attempt = 1;; ++attempt) {
    if (lost_) co_return fail(Errc::io_error);
    const Result<void> done = co_await inner_.write(first, data, durability);
    if (!failed_with(done, Errc::io_error)) co_return done;
    log_.warn("writing {} blocks at {} failed", data.size() / kBlockSize, first.value);
    if (attempt == kWriteAttempts) co_return done;
    co_await Sleep(scheduler_, kWritePause);
  }
}

Task<Result<void>> SteadyDevice::flush() {
  if (lost_) co_return fail(Errc::io_error);
  const Result<void> done = co_await inner_.flush();
  if (!failed_with(done, Errc::io_error)) {
    // One that failed meanwhile may have dropped what this one was to make durable.
    if (lost_) co_return fail(Errc::io_error);
    co_return done;
  }
  if (!lost_) {
    lost_ = true;
    log_.error("a flush of the disk failed: what it had cached may be lost; writing no more");
    on_lost_();
  }
  co_return done;
}

}  // namespace scoutfs
