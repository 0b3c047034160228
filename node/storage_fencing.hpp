// StorageFencing: fences at the disk server (nbd/plugin), which refuses the victim from then
// on.
//
// The server is asked over connections of their own, on helper threads, so that a fence that
// waits for the disk keeps nobody waiting here. What is known of this very host (HostFencing)
// counts as well; then the server is told, and waits for what the dead had sent.
#pragma once

#include <functional>

#include "nbd/control_client.hpp"
#include "node/helper_calls.hpp"
#include "node/host_fencing.hpp"

namespace scoutfs::node {

class StorageFencing final : public Fencing {
 public:
  StorageFencing(EventLoop& loop, HostFencing& host, std::string uri, nbd::Ticket ticket)
      : calls_(loop), host_(host), uri_(std::move(uri)), ticket_(std::move(ticket)) {}
  FenceLevel level() const override { return FenceLevel::storage; }
  Task<Result<void>> register_term(Term term, Incarnation leader) override;
  Task<Result<bool>> fence(Term term, Incarnation victim, HostId host) override;
  Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) override;

  // A goodbye: the incarnation never connects again. Errors: as the above.
  Task<Result<void>> leave(Incarnation who);

 private:
  using Request = std::function<Result<void>(nbd::ControlClient&, const std::stop_token& stop)>;
  Task<Result<void>> ask(Request request);

  HelperCalls calls_;
  HostFencing& host_;
  std::string uri_;
  nbd::Ticket ticket_;
};

}  // namespace scoutfs::node
