// IscsiService: a logical unit with persistent reservations (iscsi/) as a DiskService.
#pragma once

#include <map>
#include <set>

#include "iscsi/iscsi_device.hpp"
#include "node/disk_service.hpp"
#include "node/host_fencing.hpp"
#include "node/loop/event_loop.hpp"

namespace scoutfs::node {

// Fences by reservations, from the connections that this process has.
//
// The target knows no terms. It needs none: a leader fences over the connection of its own
// incarnation, a fence is carried out for registrants alone, and a new leader fences those
// before it first. From then on whatever they ask for meets a conflict.
class ReservationFencing final : public Fencing {
 public:
  explicit ReservationFencing(HostFencing& host) : host_(host) {}

  FenceLevel level() const override { return FenceLevel::storage; }
  Task<Result<void>> register_term(Term term, Incarnation leader) override;
  Task<Result<bool>> fence(Term term, Incarnation victim, HostId host) override;
  // Who is known to be dead is fenced, too: what it had sent may still be on its way.
  Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) override;

  // A connection to fence from: the first one that is there is the mount's.
  void add(iscsi::IscsiDevice& device) { devices_.emplace_back(&device); }
  void remove(iscsi::IscsiDevice& device) { std::erase(devices_, &device); }

 private:
  Task<Result<bool>> fence_from(iscsi::IscsiDevice* device, Rid victim);

  HostFencing& host_;
  std::vector<iscsi::IscsiDevice*> devices_;
  Term term_;           // the newest that was registered here
  Incarnation leader_;  // of that term
  std::set<Rid> over_;  // fenced from here, for good
};

class IscsiService final : public DiskService {
 public:
  IscsiService(EventLoop& loop, Log& log, HostFencing& host, std::string uri)
      : loop_(loop), log_(log), uri_(std::move(uri)), fencing_(host) {}

  Fencing& fencing() override { return fencing_; }
  Task<Result<std::unique_ptr<DeviceLink>>> connect(Incarnation who, Role role,
                                                    std::string& why,
                                                    Cancellation* cancellation) override;
  Task<Result<void>> leave(Incarnation who, DeviceLink& link) override;

 private:
  EventLoop& loop_;
  Log& log_;
  std::string uri_;
  ReservationFencing fencing_;
};

}  // namespace scoutfs::node
