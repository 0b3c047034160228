// BlockReservation: the persistent reservations of a block device, through the kernel
// (linux/pr.h), as a Fencing.
//
// The kernel registers the host, not the mount: all processes of a host share one path to the
// device and one key. So one mount of a host holds the device at a time, by a lock of the
// device (flock), and the key is that process's (process_key()). Fencing an incarnation fences
// its process, the leader's and the mount's together. The next mount of the host registers a
// key of its own in the place of the old one; the lock says that the old process is gone by
// then.
//
// The unit is reserved for registrants only, as at an iSCSI target (iscsi/iscsi_device.hpp),
// and its holder's key stays when it leaves. Whoever fences asks for PREEMPT AND ABORT; where
// the device does not know that, or does not keep registrations over a loss of power, it is no
// device that fences.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "node/helper_calls.hpp"
#include "node/host_fencing.hpp"
#include "node/loop/unique_fd.hpp"

namespace scoutfs::node {

// ioctl(2) on the device: 0, a negative errno, or a positive status of the device.
using BlockIoctl = std::function<int(unsigned long request, void* argument)>;

class BlockReservation final : public Fencing {
 public:
  enum class Role : std::uint8_t {
    member,  // registers and reserves
    guest,   // registers if the device cannot be read otherwise, and reserves nothing
  };

  // nullptr: the device is none that fences, or a guest that has nothing to do. Errors: busy
  // (another process of this host holds it), io_error (it is reserved in another way).
  static Result<std::unique_ptr<BlockReservation>> open(EventLoop& loop, HostFencing& host,
                                                        const std::string& path, Role role,
                                                        std::string& why);
  // Whether a device fences. Does nothing to it.
  static bool can_fence(const BlockIoctl& call);
  static bool can_fence(const std::string& path);
  // Registers, as a member or as a guest. `call` goes to a device that can_fence() and that
  // this process has locked by `lock`. Errors: as open().
  static Result<std::unique_ptr<BlockReservation>> take(EventLoop& loop, HostFencing& host,
                                                        UniqueFd lock, BlockIoctl call,
                                                        std::uint64_t key, Role role,
                                                        std::string& why);

  FenceLevel level() const override { return FenceLevel::storage; }
  bool fences_apart() const override { return false; }
  Task<Result<bool>> fence(Term term, Incarnation victim, HostId host) override;
  // Who is known to be dead is fenced, too: what it had sent may still be on its way.
  Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) override;
  // After the last request: takes the key back unless the reservation is its. Errors: io_error,
  // fenced.
  Result<void> leave();

 private:
  BlockReservation(EventLoop& loop, HostFencing& host, UniqueFd lock, BlockIoctl call,
                   std::uint64_t key)
      : host_(host), lock_(std::move(lock)), call_(std::move(call)), key_(key), calls_(loop) {}
  Result<void> preempt(std::uint64_t victim) const;
  Task<Result<bool>> fence_process(HostId host);

  HostFencing& host_;
  UniqueFd lock_;
  BlockIoctl call_;
  std::uint64_t key_;
  std::set<std::uint64_t> over_;  // fenced from here, for good
  HelperCalls calls_;
};

}  // namespace scoutfs::node
