#include "node/tcp_network.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "node/tcp_connection.hpp"

namespace scoutfs::node {

namespace {

constexpr int kBacklog = 128;
constexpr TimeNs kWarningInterval = kSecond;
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
    : loop_(loop),
      log_(log),
      options_(options),
      limiter_(options.limits),
      arrived_(loop.scheduler()) {}

TcpNetwork::~TcpNetwork() {
  close_listener();
}

void TcpNetwork::secure(Fsid fsid, std::uint64_t format_hash, std::string_view secret) {
  key_ = derive_tls_key(fsid, format_hash, secret);
}

Result<Address> TcpNetwork::listen(Address address) {
  SCOUTFS_ASSERT(!listening_);
  SCOUTFS_ASSERT(!key_.key.empty());
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
  if (!limiter_.admit(peer.ip, loop_.clock().now_ns())) {
    return refuse(peer, "it connects too often");
  }
  if (!drop_slow_strangers()) return refuse(peer, "too many are proving themselves");
  prepare_socket(socket.get());
  const std::uint64_t number = next_stranger_++;
  auto connection = std::make_unique<TcpConnection>(
      loop_, log_, options_, std::move(socket), peer, TlsSession::Role::accepting, key_,
      [this, number](bool secured) { on_secured(number, secured); });
  strangers_.push_back({number, loop_.clock().now_ns(), std::move(connection)});
}

void TcpNetwork::refuse(Address peer, std::string_view why) {
  const TimeNs now_ns = loop_.clock().now_ns();
  if (now_ns < next_warning_ns_) return;
  next_warning_ns_ = now_ns + kWarningInterval;
  log_.warn("connection from {} refused: {}", to_string(peer), why);
}

bool TcpNetwork::drop_slow_strangers() {
  const TimeNs now_ns = loop_.clock().now_ns();
  while (!strangers_.empty() &&
         now_ns > strangers_.front().since_ns + options_.connect_timeout_ns) {
    refuse(strangers_.front().connection->peer(), "it did not prove that it knows the volume");
    strangers_.pop_front();
  }
  return strangers_.size() < options_.strangers_max;
}

void TcpNetwork::on_secured(std::uint64_t number, bool secured) {
  const auto found = std::ranges::find(strangers_, number, &Stranger::number);
  SCOUTFS_ASSERT(found != strangers_.end());
  std::unique_ptr<TcpConnection> connection = std::move(found->connection);
  strangers_.erase(found);
  if (!secured) return;
  if (incoming_.size() >= options_.accept_queue_max) {
    return refuse(connection->peer(), "too many wait already");
  }
  incoming_.push_back(std::move(connection));
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
  strangers_.clear();
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

Task<Result<UniqueFd>> TcpNetwork::open_socket(Address address, TimeNs deadline_ns) {
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
    const std::optional<bool> connected = co_await ready.wait(nullptr, deadline_ns);
    if (!connected.has_value()) co_return fail(Errc::timed_out);
  }
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
    co_return fail(Errc::disconnected);
  }
  co_return std::move(socket);
}

Task<Result<std::unique_ptr<Connection>>> TcpNetwork::connect(Address address) {
  SCOUTFS_ASSERT(!key_.key.empty());
  if (listening_ && address == address_) {
    co_await Yield(loop_.scheduler());
    if (!listening_) co_return fail(Errc::disconnected);
    co_return connect_to_self();
  }
  const TimeNs deadline_ns = loop_.clock().now_ns() + options_.connect_timeout_ns;
  SCOUTFS_CO_TRY(UniqueFd socket, co_await open_socket(address, deadline_ns));
  const OneShot<bool> secured(loop_.scheduler());
  auto connection = std::make_unique<TcpConnection>(
      loop_, log_, options_, std::move(socket), address, TlsSession::Role::connecting, key_,
      [secured](bool proven) { secured.set(proven); });
  const std::optional<bool> proven = co_await secured.wait(nullptr, deadline_ns);
  if (!proven.has_value()) co_return fail(Errc::timed_out);
  if (!*proven) co_return fail(Errc::disconnected);
  co_return std::move(connection);
}

}  // namespace scoutfs::node
