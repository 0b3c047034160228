// The server's side of the control export (nbd/control_protocol.hpp).
#pragma once

#include <string>
#include <string_view>

#include "nbd/control_protocol.hpp"
#include "nbd/plugin/disk_server.hpp"

namespace scoutfs::nbd {

// Carries out one request. Never fails: what is wrong with it is in the answer.
std::string answer_request(DiskServer& server, const Identity& who, std::string_view request);

class ControlConnection final : public DiskServer::Connection {
 public:
  ControlConnection(DiskServer& server, Identity who) : server_(server), who_(std::move(who)) {}

  std::uint64_t size_bytes() const override { return kControlSizeMax; }
  bool writable() const override { return true; }
  bool shared() const override { return false; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> out) override;
  Result<void> write(std::uint64_t offset, std::span<const std::byte> data,
                     Durability durability) override;
  Result<void> flush() override { return {}; }

 private:
  DiskServer& server_;
  Identity who_;
  std::string answer_;  // with its size in front
};

}  // namespace scoutfs::nbd
