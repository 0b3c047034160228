// OfflineVolume: a volume that is not mounted, for commands that work on its device.
#pragma once

#include <memory>
#include <string>

#include "engine/env/env.hpp"
#include "iscsi/iscsi_device.hpp"
#include "nbd/nbd_device.hpp"
#include "node/block_reservation.hpp"
#include "node/loop/event_loop.hpp"
#include "node/loop/log_sink.hpp"
#include "node/tcp_network.hpp"

namespace scoutfs::cli {

class OfflineVolume {
 public:
  enum class Access : std::uint8_t { read_only, read_write };
  OfflineVolume();
  ~OfflineVolume();
  OfflineVolume(const OfflineVolume&) = delete;
  OfflineVolume& operator=(const OfflineVolume&) = delete;

  // DEVICE is an NBD or iSCSI URI, a block device or an image file. False: `why` says what is
  // wrong.
  bool open(const std::string& device, Access access, std::string& why);
  // The same for writing a volume over whatever is there. A disk whose server fences lets that
  // happen only with the secret of the volume that is there, and `force` asks for it; without,
  // what is there can be read alone.
  bool open_to_format(const std::string& device, bool force, std::string& why);
  // Before a volume is written over whatever is there: who has used the disk is shut out, where
  // its server does not see to that. False: `why` says what is wrong.
  bool shut_others_out(const std::string& device, std::string& why);
  // What its server can do about a node that is lost.
  FenceLevel fence_level() const { return fence_level_; }

  // True if somebody has the volume mounted now: `why` says who. Takes two seconds where a
  // mount has not left its slot, to tell one that lives from one that died. What cannot be read
  // is no volume that somebody has mounted.
  bool is_mounted(const std::string& device, std::string& why);

  node::EventLoop& loop() { return loop_; }
  BlockDevice& device() { return *device_; }
  Env env();

 private:
  // Nothing is fenced while nobody is mounted.
  class NoFencing : public Fencing {
    FenceLevel level() const override { return FenceLevel::none; }
    Task<Result<bool>> confirm_dead(Incarnation victim, HostId host) override;
  };

  bool register_as_guest(const std::string& device, std::string& why);
  // nullptr: `why` says what is wrong.
  std::unique_ptr<nbd::NbdDevice> open_nbd(const std::string& device,
                                           nbd::NbdDevice::Options options, std::string& why);

  node::EventLoop loop_;
  node::LogSink log_;
  node::SystemRandom random_;
  node::TcpNetwork network_;
  NoFencing fencing_;
  FenceLevel fence_level_ = FenceLevel::host;
  std::unique_ptr<BlockDevice> device_;
  node::HostFencing host_;
  std::unique_ptr<node::BlockReservation> reservation_;  // null: there is nothing to register
  iscsi::IscsiDevice* unit_ = nullptr;                   // device_, if it is an iSCSI target's
};

// Why a volume could not be read, as a sentence: what it is, and what to do.
std::string explain_volume(const std::string& device, Errc code);

}  // namespace scoutfs::cli
