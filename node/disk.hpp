// Disk: a mount's way to its volume, with the best that the device's server offers.
//
// At a fencing disk server (nbd/plugin) the mount has an identity that can be taken from it,
// and its connection may break and come back. Anywhere else the device is as it is: nobody who
// is alive can be fenced, and a lost connection ends the mount.
#pragma once

#include <memory>
#include <string>

#include "engine/env/lasting_device.hpp"
#include "nbd/nbd_device.hpp"
#include "node/storage_fencing.hpp"

namespace scoutfs::node {

class Disk {
 public:
  struct Options {
    std::string device;  // an NBD URI, a block device or an image file
    std::string node;    // name of this host, for the server's status
    Rid rid;             // of the mount
    LastingDevice::Options lasting;
  };

  // Waits for the server. Loop and log must outlive the disk. Errors: as open_device(); fenced.
  static Task<Result<std::unique_ptr<Disk>>> open(EventLoop& loop, Log& log, Options options,
                                                  std::string& why, Cancellation* cancellation);

  BlockDevice& device() { return lasting_ != nullptr ? *lasting_ : *device_; }
  Fencing& fencing() { return storage_ != nullptr ? static_cast<Fencing&>(*storage_) : host_; }
  // True unless it is trying to get the connection back.
  bool connected() const { return lasting_ == nullptr || lasting_->connected(); }
  // After the last request: tells the server that this incarnation is over. What the server
  // does not hear of is lost to nobody; it lists the incarnation until it is fenced.
  Task<void> leave();

 private:
  Disk(EventLoop& loop, Log& log) : log_(log), host_(loop.scheduler(), host_id()) {}

  Log& log_;
  HostFencing host_;
  Incarnation who_;
  std::unique_ptr<BlockDevice> device_;
  std::unique_ptr<LastingDevice> lasting_;   // over device_
  std::unique_ptr<StorageFencing> storage_;  // null: the server cannot fence
};

// How to name oneself at the fencing server of `plain`; nullopt: it is none, or there is no
// volume on its disk. The identity lacks rid and role.
Task<std::optional<nbd::Ticket>> ticket_for(nbd::NbdDevice& plain, std::string node);

}  // namespace scoutfs::node
