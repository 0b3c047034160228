// HostFencing: tells whether an incarnation that ran on this very host is gone for good.
//
// It knows two proofs. The host has booted since: nothing of the earlier boot runs. Or the
// process is gone and has been for a grace time in which the disk server finishes what the
// closed connection carried. About other hosts it knows nothing and says so. It ends nobody: a
// fence is the same question.
//
// What it trusts: a machine id names one running host. Two hosts cloned with one machine id
// must not share a volume; they would take each other for an earlier boot.
#pragma once

#include <optional>

#include "engine/async/scheduler.hpp"
#include "engine/env/fencing.hpp"

namespace scoutfs::node {

// The identity of the calling process. Where processes are counted apart from the host's (a
// container), the machine's name says so: their numbers mean nothing outside.
HostId host_id();
// A number for a process of a host, never 0; two have the same with a chance of 2^-64. What is
// known by an unfinished identity has none: nullopt.
std::optional<std::uint64_t> process_key(const HostId& host);

class HostFencing : public Fencing {
 public:
  static constexpr TimeNs kGrace = kSecond;

  HostFencing(Scheduler& scheduler, HostId own) : scheduler_(scheduler), own_(std::move(own)) {}
  FenceLevel level() const override { return FenceLevel::host; }
  Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) override;
  // The same for a storage that is asked next to finish what the victim had sent: nothing is
  // waited for.
  bool is_gone(const HostId& host) const;

 private:
  Scheduler& scheduler_;
  HostId own_;
};

}  // namespace scoutfs::node
