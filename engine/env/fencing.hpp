// Fencing: how the cluster makes sure that a lost incarnation never reaches the disk again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

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

// What a fence proves, the weakest first.
enum class FenceLevel : std::uint8_t {
  none,     // nothing
  host,     // only that processes of known hosts are gone; nobody alive can be fenced
  agent,    // a program that the operator chose has switched the victim off
  storage,  // the storage itself refuses the victim, alive or not
};
std::string_view to_string(FenceLevel level);

class Fencing {
 public:
  virtual ~Fencing() = default;

  virtual FenceLevel level() const = 0;
  // True if fence() can end an incarnation that still runs, or is to be taken at its word that
  // somebody has.
  virtual bool can_fence_the_living() const { return level() >= FenceLevel::agent; }

  // True if the incarnations of one process can be fenced apart: its server's, and its mount
  // goes on. False: a fence of either ends both, and so does the death that confirm_dead()
  // knows of.
  virtual bool fences_apart() const { return level() == FenceLevel::storage; }

  // Tells the service who leads; it refuses fences of older terms from then on. `leader` is the
  // incarnation under which the server opened the device. Before anything else of that term.
  // Errors: fenced (a newer term is known), io_error, disconnected.
  virtual Task<Result<void>> register_term(Term term, Incarnation leader);
  // True: no command of `victim`, reads included, runs at the storage or ever will, and that is
  // durable; or it has not opened the storage yet, which then may not know it (see
  // Elector::confirm()). False: this method cannot tell; nothing may be concluded. May be
  // repeated. Errors: fenced (a newer term is known), io_error, disconnected; then ask again.
  virtual Task<Result<bool>> fence(Term term, Incarnation victim, HostId host);
  // The same answer without doing anything to the victim: true if it is certain that no command
  // of `victim` is running at the storage or ever will (its process is gone, its connection
  // closed, and what that connection carried is finished; or it was fenced).
  // Errors: io_error, disconnected.
  virtual Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) = 0;
};

}  // namespace scoutfs
