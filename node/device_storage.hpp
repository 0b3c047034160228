// DeviceStorage: a mount's disk once more, for its server, under the leader's own incarnation.
#pragma once

#include <memory>
#include <string>

#include "engine/env/storage.hpp"
#include "node/disk.hpp"

namespace scoutfs::node {

class DeviceStorage final : public Storage {
 public:
  DeviceStorage(Log& log, Disk& disk) : log_(log), disk_(disk) {}

  Task<Result<std::unique_ptr<BlockDevice>>> open(Incarnation who) override {
    std::string why;
    auto device = co_await disk_.open_as(who, why);
    if (!device.has_value()) log_.error("the server cannot open the device: {}", why);
    co_return device;
  }

 private:
  Log& log_;
  Disk& disk_;
};

}  // namespace scoutfs::node
