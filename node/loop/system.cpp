#include "node/loop/system.hpp"

#include <sys/random.h>
#include <time.h>

#include <cerrno>

#include "engine/base/assert.hpp"

namespace scoutfs::node {

namespace {

TimeNs read_clock(clockid_t which) {
  timespec now{};
  const int status = clock_gettime(which, &now);
  SCOUTFS_ASSERT(status == 0);
  return static_cast<TimeNs>(now.tv_sec) * kSecond + static_cast<TimeNs>(now.tv_nsec);
}

}  // namespace

TimeNs SystemClock::now_ns() const {
  return read_clock(CLOCK_BOOTTIME);
}

TimeNs SystemClock::wall_ns() const {
  return read_clock(CLOCK_REALTIME);
}

std::uint64_t SystemRandom::next() {
  if (left_ == 0) {
    std::size_t filled = 0;
    auto* bytes = reinterpret_cast<char*>(pool_.data());
    while (filled < sizeof(pool_)) {
      const ssize_t got = getrandom(bytes + filled, sizeof(pool_) - filled, 0);
      SCOUTFS_ASSERT(got > 0 || errno == EINTR);
      if (got > 0) filled += static_cast<std::size_t>(got);
    }
    left_ = pool_.size();
  }
  return pool_[--left_];
}

}  // namespace scoutfs::node
