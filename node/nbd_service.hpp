// NbdService: the disk server of this project (nbd/plugin), as a DiskService.
#pragma once

#include <optional>

#include "nbd/nbd_device.hpp"
#include "node/disk_service.hpp"
#include "node/storage_fencing.hpp"

namespace scoutfs::node {

class NbdService final : public DiskService {
 public:
  NbdService(EventLoop& loop, HostFencing& host, std::string uri, nbd::Ticket ticket)
      : loop_(loop),
        uri_(uri),
        ticket_(ticket),
        fencing_(loop, host, std::move(uri), std::move(ticket)) {}

  Fencing& fencing() override { return fencing_; }
  Task<Result<std::unique_ptr<DeviceLink>>> connect(Incarnation who, Role role,
                                                    std::string& why,
                                                    Cancellation* cancellation) override;
  Task<Result<void>> leave(Incarnation who, DeviceLink& link) override;

 private:
  EventLoop& loop_;
  std::string uri_;
  nbd::Ticket ticket_;  // without an incarnation
  StorageFencing fencing_;
  bool born_ = false;  // one incarnation has used the ticket's generation
};

// How to name oneself at the fencing server of `plain`; nullopt: it is none, or there is no
// volume on its disk. The identity lacks rid and role.
Task<std::optional<nbd::Ticket>> ticket_for(nbd::NbdDevice& plain, std::string node);

}  // namespace scoutfs::node
