// ServerDevice: a leader's own way to the disk, for as long as it leads one term.
//
// It is opened under the leader's incarnation. When the storage refuses that, or a flush fails,
// the server is over; the mount beside it is not. When the storage is lost or refuses it,
// requests end that it may still carry out: then nobody may say that the server has stopped.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "engine/env/env.hpp"
#include "engine/env/steady_device.hpp"
#include "engine/mount/device_watch.hpp"

namespace scoutfs {

class ServerDevice {
 public:
  // `on_over` may be called several times.
  ServerDevice(const Env& env, std::unique_ptr<BlockDevice> device,
               std::function<void(Error)> on_over)
      : device_(std::move(device)),
        on_over_(std::move(on_over)),
        watch_(*device_, [this](Errc code) { look_at(code); }),
        steady_(env.scheduler, watch_, env.log, [this] { over(Errc::io_error); }) {}
  ServerDevice(const ServerDevice&) = delete;
  ServerDevice& operator=(const ServerDevice&) = delete;

  BlockDevice& device() { return steady_; }
  // A request ended without the storage's answer.
  bool in_doubt() const { return in_doubt_; }

 private:
  void look_at(Errc code) {
    // Answered; what it means is the steady device's matter.
    if (code == Errc::io_error) return;
    // Also when it is fenced: what a lost connection had carried may not have ended yet.
    in_doubt_ = true;
    over(code);
  }
  void over(Errc code) { on_over_(Error{code, std::source_location::current()}); }

  std::unique_ptr<BlockDevice> device_;
  std::function<void(Error)> on_over_;
  bool in_doubt_ = false;
  DeviceWatch watch_;
  SteadyDevice steady_;
};

}  // namespace scoutfs
