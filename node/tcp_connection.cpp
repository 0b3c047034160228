#include "node/tcp_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "engine/base/codec.hpp"

namespace scoutfs::node {

namespace {

constexpr std::uint32_t kFrameMagic = 0x4d46'4353;  // arbitrary
constexpr std::size_t kHeaderSize = 8;              // bytes
constexpr int kReadsPerTurn = 64;                   // of one connection before the others' turn

void set_option(int socket, int level, int name, int value) {
  // Tuning; a kernel that refuses still carries the messages.
  [[maybe_unused]] const int status = setsockopt(socket, level, name, &value, sizeof(value));
}

}  // namespace

void prepare_socket(int socket) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 10);  // seconds
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 5);  // seconds
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, 20'000);  // milliseconds
}

TcpConnection::TcpConnection(EventLoop& loop, Log& log, const TcpOptions& options,
                             UniqueFd socket, Address peer, TlsSession::Role role,
                             const TlsKey& key, OnSecured on_secured)
    : loop_(loop),
      log_(log),
      options_(options),
      socket_(std::move(socket)),
      peer_(peer),
      tls_(socket_.get(), role, key),
      on_secured_(std::move(on_secured)),
      inbox_(std::make_shared<Inbox>(loop.scheduler())) {
  const std::uint32_t first = role == TlsSession::Role::connecting ? EPOLLOUT : EPOLLIN;
  watch_ =
      loop_.watch(socket_.get(), first, [this](std::uint32_t events) { on_ready(events); });
}

TcpConnection::~TcpConnection() {
  on_secured_ = nullptr;
  close();
}

void TcpConnection::send(std::string message) {
  SCOUTFS_ASSERT(message.size() <= kMessageSizeMax);
  if (!socket_) return;
  std::string frame;
  frame.reserve(kHeaderSize + message.size());
  Writer writer(frame);
  writer.put(kFrameMagic);
  writer.put(static_cast<std::uint32_t>(message.size()));
  writer.put_raw(message);
  outgoing_bytes_ += frame.size();
  outgoing_.push_back(std::move(frame));
  if (outgoing_bytes_ > options_.send_queue_max) return lose("it does not take what is sent");
  if (outgoing_.size() == 1 && secured_) write_some();
}

Task<Result<std::string>> TcpConnection::receive() {
  // By value: this connection may be destroyed by whoever closes it while receive() waits.
  const std::shared_ptr<Inbox> inbox = inbox_;
  if (socket_ && secured_) update_events();
  std::optional<std::string> message = co_await Inbox::take(inbox);
  if (!message.has_value()) co_return fail(Errc::disconnected);
  co_return *std::move(message);
}

void TcpConnection::close() {
  inbox_->close();
  if (socket_ && secured_ && outgoing_.empty()) tls_.end();
  lose({});
}

void TcpConnection::lose(std::string_view why) {
  if (!socket_) return;
  if (!why.empty()) log_.warn("connection with {} lost: {}", to_string(peer_), why);
  watch_.reset();
  socket_.reset();
  partial_.clear();
  outgoing_.clear();
  outgoing_bytes_ = 0;
  inbox_->end();
  if (on_secured_ != nullptr) std::exchange(on_secured_, nullptr)(false);  // this may be gone
}

void TcpConnection::on_ready(std::uint32_t events) {
  if (!secured_) return shake_hands();
  if ((events & EPOLLOUT) != 0) write_some();
  if (socket_ && (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) read_some();
  if (socket_) update_events();
}

void TcpConnection::shake_hands() {
  const TlsSession::Step step = tls_.handshake();
  if (step == TlsSession::Step::wants_read) return watch_.set_events(EPOLLIN);
  if (step == TlsSession::Step::wants_write) return watch_.set_events(EPOLLOUT);
  if (step != TlsSession::Step::done) return lose(tls_.why());
  secured_ = true;
  write_some();
  if (on_secured_ != nullptr) std::exchange(on_secured_, nullptr)(true);
}

void TcpConnection::update_events() {
  std::uint32_t events = 0;
  if (inbox_->bytes() < options_.receive_queue_max) events |= EPOLLIN;
  if (!outgoing_.empty()) events |= EPOLLOUT;
  watch_.set_events(events);
}

void TcpConnection::read_some() {
  std::array<char, TlsSession::kRecordMax> buffer;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    std::size_t got = 0;
    const TlsSession::Step step = tls_.receive(buffer, got);
    if (step == TlsSession::Step::wants_read || step == TlsSession::Step::wants_write) return;
    // A process that was killed says no goodbye.
    if (step != TlsSession::Step::done) {
      return lose(partial_.empty() && step == TlsSession::Step::ended ? "" : tls_.why());
    }
    partial_.append(buffer.data(), got);
    if (!take_frames()) return;
    if (inbox_->bytes() >= options_.receive_queue_max) return;
  }
}

bool TcpConnection::take_frames() {
  std::size_t at = 0;
  while (partial_.size() - at >= kHeaderSize) {
    const auto magic = load_little<std::uint32_t>(partial_.data() + at);
    const auto size = load_little<std::uint32_t>(partial_.data() + at + 4);
    if (magic != kFrameMagic) {
      lose("what it sent is not a message");
      return false;
    }
    if (size > kMessageSizeMax) {
      lose("it announced a message that is too large");
      return false;
    }
    if (partial_.size() - at - kHeaderSize < size) break;
    inbox_->add(partial_.substr(at + kHeaderSize, size));
    at += kHeaderSize + size;
  }
  partial_.erase(0, at);
  return true;
}

void TcpConnection::write_some() {
  while (!outgoing_.empty()) {
    const std::string_view first = outgoing_.front();
    std::size_t sent = 0;
    const TlsSession::Step step = tls_.send(first.substr(sent_of_first_), sent);
    if (step == TlsSession::Step::wants_read || step == TlsSession::Step::wants_write) break;
    if (step != TlsSession::Step::done) return lose(tls_.why());
    sent_of_first_ += sent;
    if (sent_of_first_ < first.size()) continue;
    outgoing_bytes_ -= first.size();
    outgoing_.pop_front();
    sent_of_first_ = 0;
  }
  update_events();
}

std::pair<std::unique_ptr<Connection>, std::unique_ptr<Connection>> LocalConnection::make(
    Scheduler& scheduler, Address address, std::size_t queue_max) {
  auto here = std::make_shared<Inbox>(scheduler);
  auto there = std::make_shared<Inbox>(scheduler);
  return {std::make_unique<LocalConnection>(here, there, address, queue_max),
          std::make_unique<LocalConnection>(there, here, address, queue_max)};
}

void LocalConnection::send(std::string message) {
  SCOUTFS_ASSERT(message.size() <= kMessageSizeMax);
  if (own_->ended() || other_->ended()) return;
  if (other_->bytes() + message.size() > queue_max_) return close();
  other_->add(std::move(message));
}

Task<Result<std::string>> LocalConnection::receive() {
  std::optional<std::string> message = co_await Inbox::take(own_);
  if (!message.has_value()) co_return fail(Errc::disconnected);
  co_return *std::move(message);
}

void LocalConnection::close() {
  own_->close();
  other_->end();
}

}  // namespace scoutfs::node
