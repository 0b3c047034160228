// Fencing: how a node makes sure that a lost incarnation never writes again.
#pragma once

#include <string>

#include "engine/async/task.hpp"
#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs {

// Where an incarnation runs, as it wrote into its quorum block.
struct HostId {
  std::string machine;              // machine-id of the host, at most 64 bytes
  std::string boot;                 // boot id, at most 64 bytes
  std::uint64_t process = 0;        // pid
  std::uint64_t process_start = 0;  // start time of that pid, in clock ticks since boot
  bool operator==(const HostId&) const = default;
};

class Fencing {
 public:
  virtual ~Fencing() = default;
  // True once it is certain that no command of `victim` is running at the storage or ever will
  // (its process is gone, its connection closed, and what that connection carried is finished).
  // False if that cannot be known; the caller keeps what the victim held and may ask again.
  // Errors: io_error, disconnected.
  virtual Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) = 0;
};

}  // namespace scoutfs
