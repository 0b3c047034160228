#include "node/admin_socket.hpp"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace scoutfs::node {

namespace {

constexpr int kBacklog = 16;

// False if the path does not fit.
bool set_path(sockaddr_un& address, const std::string& path) {
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return true;
}

}  // namespace

Result<std::unique_ptr<AdminSocket>> AdminSocket::open(EventLoop& loop, std::string path,
                                                       Handler handler, std::string& why) {
  std::unique_ptr<AdminSocket> admin(new AdminSocket(loop, path, std::move(handler)));
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  if (!listener || !set_path(address, path)) {
    why = fmt::format("cannot make the socket '{}'", path);
    return fail(Errc::io_error);
  }
  unlink(path.c_str());
  const mode_t mask = umask(0177);
  const int bound =
      bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = errno;
  umask(mask);
  if (bound != 0 || listen(listener.get(), kBacklog) != 0) {
    why = fmt::format("cannot listen on '{}': {}", path, std::strerror(error));
    return fail(Errc::io_error);
  }
  admin->listener_ = std::move(listener);
  AdminSocket* const self = admin.get();
  admin->watch_ = loop.watch(self->listener_.get(), EPOLLIN,
                             [self](std::uint32_t) { self->on_incoming(); });
  return admin;
}

AdminSocket::~AdminSocket() {
  if (listener_) unlink(path_.c_str());
}

void AdminSocket::on_incoming() {
  UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket || clients_.size() >= kClientsMax) return;
  const auto client = clients_.emplace(clients_.end());
  client->socket = std::move(socket);
  client->watch =
      loop_.watch(client->socket.get(), EPOLLIN,
                  [this, client](std::uint32_t events) { on_ready(client, events); });
}

void AdminSocket::on_ready(std::list<Client>::iterator client, std::uint32_t events) {
  const bool readable = (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0;
  if ((readable && !read_from(*client)) || !write_to(*client)) clients_.erase(client);
}

bool AdminSocket::read_from(Client& client) {
  std::array<char, 4096> buffer;
  const ssize_t got = ::read(client.socket.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got <= 0) return false;
  client.in.append(buffer.data(), static_cast<std::size_t>(got));
  while (true) {
    const std::size_t end = client.in.find('\n');
    if (end == std::string::npos) return client.in.size() <= kLineMax;
    client.out += answer(client.in.substr(0, end)) + "\n";
    client.in.erase(0, end + 1);
  }
}

// No more questions are read while an answer is not taken, which bounds what is kept for a
// client.
bool AdminSocket::write_to(Client& client) {
  while (!client.out.empty()) {
    const ssize_t sent =
        send(client.socket.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) break;
    client.out.erase(0, static_cast<std::size_t>(sent));
  }
  client.watch.set_events(client.out.empty() ? EPOLLIN : EPOLLOUT);
  return true;
}

std::string AdminSocket::answer(const std::string& line) const {
  const auto refusal = [](std::string_view why) {
    return nlohmann::json{{"ok", false}, {"error", why}}.dump();
  };
  const nlohmann::json request = nlohmann::json::parse(line, nullptr, false);
  if (!request.is_object()) return refusal("not a JSON object");
  const auto command = request.find("cmd");
  if (command == request.end() || !command->is_string()) return refusal("no \"cmd\"");
  std::optional<nlohmann::json> answer = handler_(command->get<std::string>(), request);
  if (!answer.has_value()) return refusal("unknown command");
  (*answer)["ok"] = true;
  // Names come from other hosts and may be anything.
  return answer->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void remove_dead_sockets(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".sock")) continue;
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    if (!socket || !set_path(address, path)) continue;
    const int status =
        connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    if (status != 0 && errno == ECONNREFUSED) unlink(path.c_str());
  }
}

std::expected<std::string, int> ask_daemon(const std::string& path, const std::string& line) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return std::unexpected(errno);
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  sockaddr_un address{};
  if (!set_path(address, path)) return std::unexpected(ENAMETOOLONG);
  if (connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return std::unexpected(errno);
  }
  const std::string question = line + "\n";
  if (send(socket.get(), question.data(), question.size(), MSG_NOSIGNAL) < 0) {
    return std::unexpected(errno);
  }
  std::string answer;
  std::array<char, 4096> buffer;
  while (!answer.ends_with('\n')) {
    const ssize_t got = ::read(socket.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(errno == EAGAIN ? ETIMEDOUT : errno);
    if (got == 0) return std::unexpected(EPIPE);
    answer.append(buffer.data(), static_cast<std::size_t>(got));
  }
  answer.pop_back();
  return answer;
}

}  // namespace scoutfs::node
