// Disk: a process's ways to its volume, with the best that the device's server offers.
//
// At a server that knows incarnations (DiskService) the mount has an identity that can be taken
// from it, and its connection may break and come back. So has the leader that runs in the same
// process, apart from the mount's. A block device of the host may fence hosts
// (BlockReservation). Anywhere else the device is as it is: nobody who is alive can be fenced,
// and a lost connection ends the mount.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "engine/env/lasting_device.hpp"
#include "node/block_reservation.hpp"
#include "node/disk_service.hpp"
#include "node/host_fencing.hpp"
#include "node/loop/event_loop.hpp"
#include "node/mount_config.hpp"

namespace scoutfs::node {

class Disk {
 public:
  struct Options {
    std::string device;  // an NBD or iSCSI URI, a block device or an image file
    std::string node;    // name of this host, for the server's status
    Rid rid;             // of the mount
    FenceChoice fence;
    LastingDevice::Options lasting;
  };

  // Waits for the server. Loop and log must outlive the disk. Errors: as open_device(); fenced.
  static Task<Result<std::unique_ptr<Disk>>> open(EventLoop& loop, Log& log, Options options,
                                                  std::string& why, Cancellation* cancellation);
  // The mount's.
  BlockDevice& device() { return *device_; }
  Fencing& fencing();
  // One more way, of another incarnation: a leader's. Must not outlive the disk. Errors: as
  // open(); nothing is waited for.
  Task<Result<std::unique_ptr<BlockDevice>>> open_as(Incarnation who, std::string& why);
  // True unless it is trying to get the mount's connection back.
  bool connected() const;
  // After the last request: tells the server that all incarnations of this process are over.
  // What it does not hear of is lost to nobody; it lists them until they are fenced.
  Task<void> leave();

 private:
  class Way;
  struct Client {
    Incarnation who;
    std::unique_ptr<DeviceLink> link;
    bool closed = false;  // and goodbye has not been said
  };

  Disk(EventLoop& loop, Log& log, Options options);
  Task<Result<void>> open_mounts(std::string& why, Cancellation* cancellation);
  Result<void> choose_fencing(std::string& why);
  Task<Result<void>> find_service(std::string& why, Cancellation* cancellation);
  Task<Result<void>> find_iscsi(std::string& why);
  Task<Result<std::unique_ptr<Way>>> connect(Incarnation who, DiskService::Role role,
                                             std::string& why, Cancellation* cancellation);
  Task<void> say_goodbye(Client& client);
  void note_goodbye(const Result<void>& said);

  EventLoop& loop_;
  Log& log_;
  Options options_;
  HostFencing host_;
  std::unique_ptr<DiskService> service_;  // null: the server knows no incarnations
  std::list<Client> clients_;
  std::unique_ptr<BlockReservation> reservation_;  // null: device_ is none that fences
  std::unique_ptr<BlockDevice> device_;
  Way* way_ = nullptr;               // device_, if there is a service
  std::unique_ptr<Fencing> chosen_;  // null: what the device has
};

}  // namespace scoutfs::node
