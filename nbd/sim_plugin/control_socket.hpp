// ControlSocket: commands to a LiveDisk, as lines on a Unix socket.
//
// A client connects, sends one line and reads one line; then the connection ends. The commands
// are in this folder's README.
#pragma once

#include <string>
#include <string_view>
#include <thread>

#include "nbd/sim_plugin/live_disk.hpp"

namespace scoutfs::sim {

// Carries out one command. What is wrong with it is in the answer, which begins with "ok" or
// "error".
std::string answer_command(LiveDisk& disk, std::string_view command);

class ControlSocket {
 public:
  explicit ControlSocket(LiveDisk& disk) : disk_(disk) {}
  // Removes the socket.
  ~ControlSocket();
  // Listens at `path`, where nothing may be yet. Errors: invalid (the path is too long),
  // io_error (errno says why).
  Result<void> listen(std::string path);

 private:
  void serve();

  LiveDisk& disk_;
  std::string path_;
  int listener_ = -1;
  std::jthread thread_;
};

}  // namespace scoutfs::sim
