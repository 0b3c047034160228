// AgentFencing: fences by a program of the operator's, which switches the victim off.
//
// The program is run beside the loop, once at a time for a victim, and ended if it takes too
// long. It is believed when it exits with 0: then the victim's process is gone, surely. Any
// other end says nothing, and it is run again, though not at once. What it is told is in
// docs/operations.md.
#pragma once

#include <map>
#include <set>
#include <string>

#include "engine/env/block_device.hpp"
#include "engine/env/log.hpp"
#include "node/helper_calls.hpp"
#include "node/host_fencing.hpp"
#include "node/program.hpp"

namespace scoutfs::node {

class AgentFencing final : public Fencing {
 public:
  struct Options {
    std::string program;                // an absolute path
    TimeNs patience_ns = 60 * kSecond;  // then it is killed
    TimeNs pause_ns = 5 * kSecond;      // between two runs for one victim
  };

  // `device` has the volume, whose quorum blocks tell the victims' names.
  AgentFencing(EventLoop& loop, Log& log, HostFencing& host, BlockDevice& device,
               Options options)
      : loop_(loop),
        log_(log),
        host_(host),
        device_(device),
        options_(std::move(options)),
        calls_(loop) {}

  FenceLevel level() const override { return FenceLevel::agent; }
  Task<Result<bool>> fence(Term term, Incarnation victim, HostId host) override;
  Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) override;

 private:
  Task<Variables> describe(Incarnation victim, HostId host);

  EventLoop& loop_;
  Log& log_;
  HostFencing& host_;
  BlockDevice& device_;
  Options options_;
  std::set<Rid> over_;                   // whom the program has ended
  std::set<Rid> running_;                // whom it is run for
  std::map<Rid, TimeNs> not_before_ns_;  // when it may be run again
  HelperCalls calls_;
};

}  // namespace scoutfs::node
