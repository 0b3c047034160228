// An iSCSI target of the test's own, on loopback: tgtd with one file as its logical unit 1.
#pragma once

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "tests/support/node_files.hpp"

namespace scoutfs::testing {

class IscsiTarget {
 public:
  // Whether what was written and not flushed may be lost when the target's host dies; the
  // target says so and flushes each write if not.
  enum class Cache : std::uint8_t { write_back, write_through };

  explicit IscsiTarget(std::uint64_t size, Cache cache = Cache::write_through)
      : image_(directory_.image("image", size)), port_(free_port()), cache_(cache) {
    start();
  }

  // Again at the same address.
  void start() {
    child_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{"env", ipc(), "tgtd", "--foreground", "--iscsi",
                                 fmt::format("portal=127.0.0.1:{}", port_)});
    bool ready = false;
    for (int i = 0; i < 500 && !ready; ++i) {
      ready = admin("--mode target --op new --tid 1 -T " + std::string(kName));
      if (!ready) usleep(10'000);
    }
    SCOUTFS_ASSERT(ready);
    const bool unit = admin("--mode logicalunit --op new --tid 1 --lun 1 -b " + image_);
    SCOUTFS_ASSERT(unit);
    if (cache_ == Cache::write_through) {
      const bool without_cache = admin(
          "--mode logicalunit --op update --tid 1 --lun 1 --params mode_page="
          "8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0");
      SCOUTFS_ASSERT(without_cache);
    }
    const bool bound = admin("--mode target --op bind --tid 1 -I ALL");
    SCOUTFS_ASSERT(bound);
  }
  void stop() { child_.reset(); }

  std::string uri() const { return fmt::format("iscsi://127.0.0.1:{}/{}/1", port_, kName); }

 private:
  static constexpr std::string_view kName = "iqn.2026-11.scoutfs.test:disk";

  // Keeps its control socket apart from the host's.
  std::string ipc() const { return "TGT_IPC_SOCKET=" + directory_.file("tgtd"); }
  bool admin(const std::string& arguments) const {
    const std::string command =
        fmt::format("{} tgtadm --lld iscsi {} >/dev/null 2>&1", ipc(), arguments);
    return std::system(command.c_str()) == 0;
  }
  // One that nobody has now; whoever is faster makes the test fail, not another one's target.
  static int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    SCOUTFS_ASSERT(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    SCOUTFS_ASSERT(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(fd);
    return ntohs(address.sin_port);
  }

  TemporaryDirectory directory_;
  std::string image_;
  int port_ = 0;
  Cache cache_;
  std::unique_ptr<ChildProcess> child_;
};

}  // namespace scoutfs::testing
