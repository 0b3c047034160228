// FenceService: the server of a volume's disk, as far as it knows its clients and can shut one
// out. For `scoutfs fence`.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/env/fencing.hpp"
#include "engine/env/lasting_device.hpp"
#include "node/loop/event_loop.hpp"
#include "node/status_json.hpp"

namespace scoutfs::cli {

class FenceService {
 public:
  virtual ~FenceService() = default;
  // Who is known to the server, as `fence list --json` shows it. nullopt: `why` says what is
  // wrong.
  virtual std::optional<nlohmann::json> clients(std::string& why) = 0;
  virtual void print(const nlohmann::json& clients) const = 0;
  // A client that nobody else is. nullptr: `why` says what is wrong.
  virtual std::unique_ptr<DeviceLink> connect(Rid canary, std::string& why) = 0;
  // On an operator's word. False: `why` says what is wrong.
  virtual bool fence(Rid victim, std::string& why) = 0;
};

// A volume's device, and who fences at it.
struct FencedDevice {
  std::string device;
  FenceLevel level = FenceLevel::host;
  // nullptr: nobody that can be asked. The reservations of a block device cannot: the kernel
  // speaks for this host alone.
  std::unique_ptr<FenceService> service;
};

// `target` is a device, or a path of a mount. False: `why` says what is wrong.
bool find_fence_service(const std::string& target, node::EventLoop& loop, FencedDevice& found,
                        std::string& why);

}  // namespace scoutfs::cli
