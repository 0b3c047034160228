// NoFencing: takes a silent member for dead when its lease is over, because an operator said so
// (-o fence=none).
//
// Nothing stops such a member: what it still writes lands in blocks that are others' by then. A
// leader is not taken for dead by its silence: two leaders would destroy the volume.
#pragma once

#include "engine/env/block_device.hpp"
#include "engine/env/log.hpp"
#include "node/host_fencing.hpp"

namespace scoutfs::node {

class NoFencing final : public Fencing {
 public:
  // For an operator, in one line.
  static constexpr std::string_view kWarning =
      "fencing is switched off (fence=none): a node that is silent for too long is taken for "
      "dead, and if it is alive, what it still writes damages files and may damage the volume";

  NoFencing(Log& log, HostFencing& host, BlockDevice& device)
      : log_(log), host_(host), device_(device) {}
  FenceLevel level() const override { return FenceLevel::none; }
  bool can_fence_the_living() const override { return true; }
  Task<Result<bool>> fence(Term term, Incarnation victim, HostId host) override;
  Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) override;

 private:
  Log& log_;
  HostFencing& host_;
  BlockDevice& device_;
};

}  // namespace scoutfs::node
