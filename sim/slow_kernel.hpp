// SlowKernel: what stands for the kernel's caches of a simulated mount. A lock is given up when
// they are gone, which takes a while, and meanwhile reads that wait for the lock may have to be
// let in.
#pragma once

#include <functional>

#include "engine/async/scheduler.hpp"
#include "engine/client/store.hpp"
#include "sim/random.hpp"

namespace scoutfs::sim {

class SlowKernel final : public client::RevokeListener {
 public:
  // `admit` is Mount::admit_page_readers(); it must outlive the mount's use of this.
  SlowKernel(Scheduler& scheduler, std::uint64_t seed, std::uint64_t index,
             std::function<std::size_t(lock::LockId)> admit)
      : scheduler_(scheduler), random_(seed, Stream::kernel, index), admit_(std::move(admit)) {}

  Task<void> on_revoke(lock::LockId id, lock::Mode keep) override {
    if (keep != lock::Mode::none || random_.chance(1, 2)) co_return;
    co_await Sleep(scheduler_, random_.between(1, kSlowest));
    if (random_.chance(1, 2)) co_return;
    admit_(id);
    co_await Sleep(scheduler_, random_.between(1, kSlowest));
  }
  void on_inode_changed(Ino) override {}

 private:
  static constexpr TimeNs kSlowest = 2 * kMillisecond;

  Scheduler& scheduler_;
  SimRandom random_;
  std::function<std::size_t(lock::LockId)> admit_;
};

}  // namespace scoutfs::sim
