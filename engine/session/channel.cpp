#include "engine/session/channel.hpp"

#include "engine/base/codec.hpp"

namespace scoutfs::session {

Channel::Channel(Scheduler& scheduler, OnMessage on_message)
    : scheduler_(scheduler),
      on_message_(std::move(on_message)),
      last_heard_ns_(scheduler.now_ns()) {}

void Channel::transmit(std::uint64_t number, const std::string& message) {
  std::string frame;
  frame.reserve(message.size() + 16);
  Writer out(frame);
  out.put(number);
  out.put(received_);
  out.put_raw(message);
  acknowledged_ = received_;
  connection_->send(std::move(frame));
}

void Channel::send(std::string message) {
  unacknowledged_.push_back(std::move(message));
  ++sent_;
  if (connection_ != nullptr) transmit(sent_, unacknowledged_.back());
}

void Channel::acknowledge() {
  if (connection_ != nullptr && acknowledged_ != received_) transmit(0, {});
}

bool Channel::confirm(std::uint64_t number) {
  if (number > sent_ || number < confirmed_) return false;
  while (confirmed_ < number) {
    unacknowledged_.pop_front();
    ++confirmed_;
  }
  return true;
}

bool Channel::attach(std::unique_ptr<Connection> connection, std::uint64_t peer_received) {
  detach();
  if (!confirm(peer_received)) return false;
  connection_ = std::move(connection);
  last_heard_ns_ = scheduler_.now_ns();
  std::uint64_t number = confirmed_;
  for (const std::string& message : unacknowledged_) transmit(++number, message);
  return true;
}

Task<Result<void>> Channel::pump() {
  const std::shared_ptr<Connection> connection = connection_;
  while (connection == connection_ && connection != nullptr) {
    Result<std::string> frame = co_await connection->receive();
    if (connection != connection_) break;
    if (!frame.has_value()) {
      detach();
      co_return std::unexpected(frame.error());
    }
    last_heard_ns_ = scheduler_.now_ns();
    Reader in(*frame);
    const auto number = in.get<std::uint64_t>();
    const auto peer_received = in.get<std::uint64_t>();
    if (!in.good() || !confirm(peer_received) || number > received_ + 1) {
      detach();
      co_return fail(Errc::corrupt);
    }
    if (number == 0 || number <= received_) continue;  // an acknowledgement, or seen before
    received_ = number;
    on_message_(std::string(in.rest()));
  }
  co_return fail(Errc::disconnected);
}

void Channel::detach() {
  if (connection_ == nullptr) return;
  connection_->close();
  connection_ = nullptr;
}

}  // namespace scoutfs::session
