#include "node/tcp_network.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "node/tcp_connection.hpp"

namespace scoutfs::node {

namespace {

constexpr int kBacklog = 128;
constexpr std::uint32_t kLoopback = 0x7f00'0001;

sockaddr_in to_socket_address(Address address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(address.ip);
  out.sin_port = htons(address.port);
  return out;
}

Address from_socket_address(const sockaddr_in& address) {
  return {ntohl(address.sin_addr.s_addr), ntohs(address.sin_port)};
}

// An address of this host that others may reach.
std::uint32_t own_ip() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return kLoopback;
  std::uint32_t found = kLoopback;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET) continue;
    if ((at->ifa_flags & IFF_UP) == 0 || (at->ifa_flags & IFF_LOOPBACK) != 0) continue;
    found = ntohl(reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr.s_addr);
    break;
  }
  freeifaddrs(list);
  return found;
}

UniqueFd new_socket() {
  return UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

}  // namespace

TcpNetwork::TcpNetwork(EventLoop& loop, Log& log, TcpOptions options)
    : loop_(loop), log_(log), options_(options), arrived_(loop.scheduler()) {}

TcpNetwork::~TcpNetwork() {
  close_listener();
}

Result<Address> TcpNetwork::listen(Address address) {
  SCOUTFS_ASSERT(!listening_);
  UniqueFd listener = new_socket();
  if (!listener) return fail(Errc::io_error);
  const int on = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in wanted = to_socket_address(address);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&wanted), sizeof(wanted)) != 0 ||
      ::listen(listener.get(), kBacklog) != 0) {
    const bool taken = errno == EADDRINUSE || errno == EACCES;
    log_.error("cannot listen on {}: {}", to_string(address), std::strerror(errno));
    return fail(taken ? Errc::busy : Errc::invalid);
  }
  sockaddr_in bound{};
  socklen_t size = sizeof(bound);
  if (getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return fail(Errc::io_error);
  }
  address_ = from_socket_address(bound);
  if (address_.ip == 0) address_.ip = own_ip();
  listener_ = std::move(listener);
  listening_ = true;
  watch_ = loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { on_incoming(); });
  return address_;
}

void TcpNetwork::on_incoming() {
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  UniqueFd socket(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&from), &size,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
  // Gone again, or no descriptor left: the peer tries again.
  if (!socket) return;
  const Address peer = from_socket_address(from);
  if (incoming_.size() >= options_.accept_queue_max) {
    log_.warn("connection from {} refused: too many wait already", to_string(peer));
    return;
  }
  prepare_socket(socket.get());
  incoming_.push_back(
      std::make_unique<TcpConnection>(loop_, log_, options_, std::move(socket), peer));
  arrived_.wake_one();
}

Task<Result<std::unique_ptr<Connection>>> TcpNetwork::accept() {
  while (incoming_.empty() && listening_) co_await arrived_.wait();
  if (!listening_) co_return fail(Errc::stopping);
  std::unique_ptr<Connection> connection = std::move(incoming_.front());
  incoming_.pop_front();
  co_return std::move(connection);
}

void TcpNetwork::close_listener() {
  if (!listening_) return;
  listening_ = false;
  watch_.reset();
  listener_.reset();
  incoming_.clear();
  arrived_.wake_all();
}

std::unique_ptr<Connection> TcpNetwork::connect_to_self() {
  auto [near, far] =
      LocalConnection::make(loop_.scheduler(), address_, options_.send_queue_max);
  incoming_.push_back(std::move(far));
  arrived_.wake_one();
  return std::move(near);
}

Task<Result<std::unique_ptr<Connection>>> TcpNetwork::connect(Address address) {
  if (listening_ && address == address_) {
    co_await Yield(loop_.scheduler());
    if (!listening_) co_return fail(Errc::disconnected);
    co_return connect_to_self();
  }
  UniqueFd socket = new_socket();
  if (!socket) co_return fail(Errc::disconnected);
  prepare_socket(socket.get());
  sockaddr_in peer = to_socket_address(address);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&peer), sizeof(peer)) != 0 &&
      errno != EINPROGRESS) {
    co_return fail(Errc::disconnected);
  }
  {
    const OneShot<bool> ready(loop_.scheduler());
    const Watch watch =
        loop_.watch(socket.get(), EPOLLOUT, [ready](std::uint32_t) { ready.set(true); });
    const TimeNs deadline = loop_.clock().now_ns() + options_.connect_timeout_ns;
    const std::optional<bool> connected = co_await ready.wait(nullptr, deadline);
    if (!connected.has_value()) co_return fail(Errc::timed_out);
  }
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
    co_return fail(Errc::disconnected);
  }
  co_return std::make_unique<TcpConnection>(loop_, log_, options_, std::move(socket), address);
}

}  // namespace scoutfs::node
