#include "nbd/sim_plugin/control_socket.hpp"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>

namespace scoutfs::sim {

namespace {

constexpr std::size_t kCommandSizeMax = 256;  // bytes
constexpr timeval kPatience{.tv_sec = 2, .tv_usec = 0};

std::optional<CutMode> mode_of(std::string_view name) {
  if (name == "keeps_all") return CutMode::keeps_all;
  if (name == "keeps_none") return CutMode::keeps_none;
  if (name == "any_blocks") return CutMode::any_blocks;
  if (name == "any_sectors") return CutMode::any_sectors;
  return std::nullopt;
}

void serve_one(LiveDisk& disk, int socket) {
  // Who sends nothing keeps nobody waiting.
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  std::array<char, kCommandSizeMax> buffer{};
  std::string line;
  while (line.find('\n') == std::string::npos && line.size() < kCommandSizeMax) {
    const ssize_t got = ::read(socket, buffer.data(), buffer.size());
    if (got <= 0) return;
    line.append(buffer.data(), static_cast<std::size_t>(got));
  }
  const std::string answer = answer_command(disk, line.substr(0, line.find('\n'))) + "\n";
  [[maybe_unused]] const ssize_t sent =
      ::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL);
}

}  // namespace

std::string answer_command(LiveDisk& disk, std::string_view command) {
  const std::size_t space = command.find(' ');
  const std::string_view verb = command.substr(0, space);
  const std::string_view word =
      space == std::string_view::npos ? std::string_view() : command.substr(space + 1);
  if (verb == "cut") {
    const std::optional<CutMode> mode = mode_of(word.empty() ? "any_sectors" : word);
    if (!mode.has_value()) return fmt::format("error: no way to cut is called '{}'", word);
    return disk.power_cut(*mode) ? "ok" : "error: the power is off";
  }
  if (!word.empty()) return fmt::format("error: '{}' takes no word", verb);
  if (verb == "on") {
    disk.power_on();
    return "ok";
  }
  if (verb == "disconnect") {
    disk.disconnect();
    return "ok";
  }
  if (verb == "status") {
    const LiveDisk::Status status = disk.status();
    return fmt::format("ok on={} clients={} requests={} volatile_blocks={} cuts={}",
                       status.on ? 1 : 0, status.clients, status.requests,
                       status.volatile_blocks, status.cuts);
  }
  return fmt::format("error: there is no command '{}'", verb);
}

Result<void> ControlSocket::listen(std::string path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return fail(Errc::invalid);
  std::memcpy(address.sun_path, path.data(), path.size());
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener_ < 0) return fail(Errc::io_error);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_, 4) != 0) {
    return fail(Errc::io_error);
  }
  path_ = std::move(path);
  thread_ = std::jthread([this] { serve(); });
  return {};
}

void ControlSocket::serve() {
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    serve_one(disk_, socket);
    ::close(socket);
  }
}

ControlSocket::~ControlSocket() {
  if (listener_ < 0) return;
  ::shutdown(listener_, SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
  ::close(listener_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace scoutfs::sim
