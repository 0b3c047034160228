// What peers say: the frames of connection set-up, the messages of members and of the leader,
// of voters, and the frames of a channel. A message that decodes encodes to the same bytes.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/clock.hpp"
#include "engine/async/scope.hpp"
#include "engine/base/codec.hpp"
#include "engine/cluster/peer_messages.hpp"
#include "engine/session/channel.hpp"
#include "engine/session/messages.hpp"

namespace scoutfs::session {
namespace {

class StandingClock final : public Clock {
 public:
  TimeNs now_ns() const override { return 1; }
  TimeNs wall_ns() const override { return 1; }
};

// A peer that says what it was given and then hangs up.
class Script final : public Connection {
 public:
  explicit Script(std::deque<std::string> frames) : frames_(std::move(frames)) {}
  void send(std::string) override {}
  Task<Result<std::string>> receive() override {
    if (closed_ || frames_.empty()) co_return fail(Errc::disconnected);
    std::string frame = std::move(frames_.front());
    frames_.pop_front();
    co_return frame;
  }
  void close() override { closed_ = true; }
  Address peer() const override { return {}; }

 private:
  std::deque<std::string> frames_;
  bool closed_ = false;
};

Task<void> pump(Channel* channel, bool* ended) {
  const Result<void> result = co_await channel->pump();
  SCOUTFS_ASSERT(!result.has_value());
  *ended = true;
}

// A first byte says what the peer claims to have received; then frames, each behind its size in
// one byte.
void check_channel(std::string_view input) {
  constexpr std::uint64_t kSent = 3;
  Reader in(input);
  const auto claimed = in.get<std::uint8_t>();
  std::deque<std::string> frames;
  while (in.good() && !in.at_end()) {
    frames.emplace_back(in.get_raw(in.get<std::uint8_t>()));
  }
  StandingClock clock;
  Scheduler scheduler(clock);
  TaskScope scope(scheduler);
  std::vector<std::string> messages;
  Channel channel(scheduler,
                  [&messages](std::string message) { messages.push_back(std::move(message)); });
  for (std::uint64_t i = 0; i < kSent; ++i) channel.send("x");
  const bool attached = channel.attach(std::make_unique<Script>(std::move(frames)), claimed);
  SCOUTFS_ASSERT(attached == (claimed <= kSent));
  if (!attached) return;
  bool ended = false;
  scope.spawn(pump(&channel, &ended));
  scheduler.run();
  SCOUTFS_ASSERT(ended);
  SCOUTFS_ASSERT(!channel.connected());
  // Each message once, whatever was said how often.
  SCOUTFS_ASSERT(channel.received() == messages.size());
  SCOUTFS_ASSERT(channel.unacknowledged() <= kSent);
}

// What voters say to each other.
void check_voters(std::string_view input) {
  using namespace cluster;
  const Result<PeerHello> hello = decode_peer_hello(input);
  if (hello.has_value()) {
    SCOUTFS_ASSERT(is_peer_hello(input));
    SCOUTFS_ASSERT(encode(*hello) == input);
    SCOUTFS_ASSERT(!decode_setup(input).has_value());
  }
  const Result<PeerRequest> request = decode_peer_request(input);
  if (request.has_value()) SCOUTFS_ASSERT(encode(*request) == input);
  const Result<PeerAnswer> answer = decode_peer_answer(input);
  if (answer.has_value()) SCOUTFS_ASSERT(encode(*answer) == input);
}

void check_wire(std::string_view input) {
  if (input.empty()) return;
  const char kind = input.front();
  input.remove_prefix(1);
  if (kind == 's') {
    const Result<Setup> setup = decode_setup(input);
    if (setup.has_value()) SCOUTFS_ASSERT(encode_setup(*setup) == input);
  } else if (kind == 'm') {
    const Result<MemberMessage> message = decode_member_message(input);
    if (message.has_value()) SCOUTFS_ASSERT(encode(*message) == input);
  } else if (kind == 'l') {
    const Result<LeaderMessage> message = decode_leader_message(input);
    if (message.has_value()) SCOUTFS_ASSERT(encode(*message) == input);
  } else if (kind == 'v') {
    check_voters(input);
  } else if (kind == 'c') {
    check_channel(input);
  }
}

}  // namespace
}  // namespace scoutfs::session

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  scoutfs::session::check_wire({reinterpret_cast<const char*>(data), size});
  return 0;
}
