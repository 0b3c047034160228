// StorageFencing: fences at the disk server (nbd/plugin), which refuses the victim from then
// on.
//
// The server is asked over connections of their own, on helper threads, so that a fence that
// waits for the disk keeps nobody waiting here. What is known of this very host (HostFencing)
// counts as well; then the server is told, and waits for what the dead had sent.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <thread>

#include "nbd/control_client.hpp"
#include "node/host_fencing.hpp"
#include "node/loop/event_loop.hpp"

namespace scoutfs::node {

class StorageFencing final : public Fencing {
 public:
  StorageFencing(EventLoop& loop, HostFencing& host, std::string uri, nbd::Ticket ticket)
      : loop_(loop), host_(host), uri_(std::move(uri)), ticket_(std::move(ticket)) {}
  FenceLevel level() const override { return FenceLevel::storage; }
  Task<Result<void>> register_term(Term term, Incarnation leader) override;
  Task<Result<bool>> fence(Term term, Incarnation victim, HostId host) override;
  Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) override;

  // A goodbye: the incarnation never connects again. Errors: as the above.
  Task<Result<void>> leave(Incarnation who);

 private:
  using Request = std::function<Result<void>(nbd::ControlClient&, const std::stop_token& stop)>;
  Task<Result<void>> ask(Request request);

  struct Call {
    // Outlives the call: what is posted to the loop may come later.
    std::shared_ptr<bool> done = std::make_shared<bool>(false);
    std::jthread thread;
  };

  EventLoop& loop_;
  HostFencing& host_;
  std::string uri_;
  nbd::Ticket ticket_;
  std::list<Call> calls_;
};

}  // namespace scoutfs::node
