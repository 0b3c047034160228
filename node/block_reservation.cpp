#include "node/block_reservation.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/pr.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "engine/base/ids.hpp"
#include "node/loop/system.hpp"

namespace scoutfs::node {

namespace {

constexpr std::uint32_t kType = PR_EXCLUSIVE_ACCESS_REG_ONLY;
// What a device says of a reservation conflict: SAM-5, and NVM Express (older kernels pass it
// on).
constexpr int kConflict = 0x18, kNvmeConflict = 0x83;
// A registered key is a hash or a rid; these are none but by a chance of 2^-64.
constexpr std::uint64_t kNobody = 0x6e6f'626f'6479'2100, kNobodyElse = 0x6e6f'626f'6479'2101;

bool conflicts(int status) {
  return status == kConflict || status == kNvmeConflict;
}

int register_key(const BlockIoctl& call, std::uint64_t old_key, std::uint64_t new_key,
                 std::uint32_t flags) {
  pr_registration registration{};
  registration.old_key = old_key;
  registration.new_key = new_key;
  registration.flags = flags;
  return call(IOC_PR_REGISTER, &registration);
}

int reserve(const BlockIoctl& call, std::uint64_t key) {
  pr_reservation reservation{};
  reservation.key = key;
  reservation.type = kType;
  return call(IOC_PR_RESERVE, &reservation);
}

int preempt_and_abort(const BlockIoctl& call, std::uint64_t own, std::uint64_t victim) {
  pr_preempt preempt{};
  preempt.old_key = own;
  preempt.new_key = victim;
  preempt.type = kType;
  return call(IOC_PR_PREEMPT_ABORT, &preempt);
}

std::string say(int status) {
  return status < 0 ? std::strerror(-status) : fmt::format("status {:#x}", status);
}

// False: the device refuses this host, or all are refused.
bool readable(int fd) {
  alignas(kBlockSize) static std::array<char, kBlockSize> block;
  return pread(fd, block.data(), block.size(), 0) == static_cast<ssize_t>(block.size()) ||
         errno != EBADE;
}

UniqueFd open_block_device(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  struct stat info{};
  if (fd && (fstat(fd.get(), &info) != 0 || !S_ISBLK(info.st_mode))) fd.reset();
  return fd;
}

BlockIoctl ioctl_of(int fd) {
  return [fd](unsigned long request, void* argument) {
    const int status = ::ioctl(fd, request, argument);
    return status < 0 ? -errno : status;
  };
}

}  // namespace

bool BlockReservation::can_fence(const std::string& path) {
  const UniqueFd fd = open_block_device(path);
  return fd && can_fence(ioctl_of(fd.get()));
}

bool BlockReservation::can_fence(const BlockIoctl& call) {
  // Refused as a conflict, since nobody has these keys; otherwise it is not known at all.
  return conflicts(preempt_and_abort(call, kNobody, kNobodyElse));
}

Result<std::unique_ptr<BlockReservation>> BlockReservation::open(EventLoop& loop,
                                                                 HostFencing& host,
                                                                 const std::string& path,
                                                                 Role role, std::string& why) {
  UniqueFd fd = open_block_device(path);
  if (!fd) return nullptr;
  const int raw = fd.get();
  BlockIoctl call = ioctl_of(raw);
  if (!can_fence(call)) return nullptr;
  if (flock(raw, LOCK_EX | LOCK_NB) != 0) {
    // Whoever mounts has registered this host.
    if (role == Role::guest) return nullptr;
    why = fmt::format(
        "'{}' is in use by another process of this host; with reservations of the device a "
        "host "
        "mounts it once",
        path);
    return fail(Errc::busy);
  }
  if (role == Role::guest && readable(raw)) return nullptr;
  const std::optional<std::uint64_t> key = process_key(host_id());
  if (!key.has_value()) {
    why = "this host has no machine id: its reservations would not be known as its own";
    return fail(Errc::io_error);
  }
  return take(loop, host, std::move(fd), std::move(call), *key, role, why);
}

Result<std::unique_ptr<BlockReservation>> BlockReservation::take(EventLoop& loop,
                                                                 HostFencing& host,
                                                                 UniqueFd lock, BlockIoctl call,
                                                                 std::uint64_t key, Role role,
                                                                 std::string& why) {
  // The key that is there, if any, is a dead process's.
  const int registered = register_key(call, 0, key, PR_FL_IGNORE_KEY);
  if (registered != 0) {
    why = fmt::format("the device does not register this host: {}", say(registered));
    return fail(Errc::io_error);
  }
  if (role == Role::member) {
    const int reserved = reserve(call, key);
    // Another registrant may hold it; then this host may use the device, which the first read
    // shows.
    if (reserved != 0 && !conflicts(reserved)) {
      why = fmt::format("the device cannot be reserved: {}", say(reserved));
      return fail(Errc::io_error);
    }
  }
  return std::unique_ptr<BlockReservation>(
      new BlockReservation(loop, host, std::move(lock), std::move(call), key));
}

Result<void> BlockReservation::preempt(std::uint64_t victim) const {
  SCOUTFS_ASSERT(victim != key_);
  const int status = preempt_and_abort(call_, key_, victim);
  if (status == 0) return {};
  if (!conflicts(status)) return fail(Errc::io_error);
  // Either the victim is not registered or this host is not.
  const int known = register_key(call_, key_, key_, 0);
  if (known == 0) return {};
  return fail(conflicts(known) ? Errc::fenced : Errc::io_error);
}

Task<Result<bool>> BlockReservation::fence_process(HostId host) {
  const std::optional<std::uint64_t> process = process_key(host);
  // Who does not say which process it is cannot be found here.
  if (!process.has_value() || *process == key_) co_return Result<bool>(false);
  std::function<Result<void>(const std::stop_token&)> work =
      [this, process = *process](const std::stop_token&) { return preempt(process); };
  SCOUTFS_CO_CHECK(co_await calls_.run(std::move(work)));
  over_.insert(*process);
  co_return Result<bool>(true);
}

Task<Result<bool>> BlockReservation::fence(Term, Incarnation, HostId host) {
  co_return co_await fence_process(std::move(host));
}

Task<Result<bool>> BlockReservation::confirm_dead(Incarnation, HostId host) {
  const std::optional<std::uint64_t> process = process_key(host);
  if (process.has_value() && over_.contains(*process)) co_return Result<bool>(true);
  if (!host_.is_gone(host)) co_return Result<bool>(false);
  co_return co_await fence_process(std::move(host));
}

Result<void> BlockReservation::leave() {
  // Granted to the holder alone; and then the key stays, for the reservation's sake.
  const int holds = reserve(call_, key_);
  if (holds == 0) return {};
  if (!conflicts(holds)) return fail(Errc::io_error);
  const int left = register_key(call_, key_, 0, 0);
  if (left == 0) return {};
  return fail(conflicts(left) ? Errc::fenced : Errc::io_error);
}

}  // namespace scoutfs::node
