#include "engine/cluster/peer_messages.hpp"

#include "engine/base/codec.hpp"

namespace scoutfs::cluster {

namespace {
constexpr std::uint8_t kHello = 0xe1;
constexpr std::uint8_t kAnswer = 0xe6;
}  // namespace

std::string encode(const PeerHello& hello) {
  std::string bytes;
  Writer out(bytes);
  out.put(kHello);
  out.put(hello.fsid);
  out.put(hello.format_hash);
  out.put(hello.slots_version);
  out.put(hello.from);
  out.put(hello.who);
  out.put(hello.address.ip);
  out.put(hello.address.port);
  out.put(hello.to);
  return bytes;
}

std::string encode(const PeerRequest& request) {
  std::string bytes;
  Writer out(bytes);
  out.put(static_cast<std::uint8_t>(request.kind));
  out.put(request.number);
  out.put(request.term);
  out.put(request.slots_version);
  out.put_bool(request.serving);
  out.put(request.successor);
  return bytes;
}

std::string encode(const PeerAnswer& answer) {
  std::string bytes;
  Writer out(bytes);
  out.put(kAnswer);
  out.put(answer.number);
  out.put_bool(answer.granted);
  out.put(answer.newest);
  return bytes;
}

bool is_peer_hello(std::string_view frame) {
  return !frame.empty() && static_cast<std::uint8_t>(frame[0]) == kHello;
}

Result<PeerHello> decode_peer_hello(std::string_view frame) {
  Reader in(frame);
  if (in.get<std::uint8_t>() != kHello) return fail(Errc::corrupt);
  PeerHello hello;
  hello.fsid = in.get_id<Fsid>();
  hello.format_hash = in.get<std::uint64_t>();
  hello.slots_version = in.get<std::uint64_t>();
  hello.from = in.get<std::uint16_t>();
  hello.who = in.get_incarnation();
  hello.address.ip = in.get<std::uint32_t>();
  hello.address.port = in.get<std::uint16_t>();
  hello.to = in.get<std::uint16_t>();
  if (!in.finished()) return fail(Errc::corrupt);
  if (hello.from >= format::kSlotsMax || hello.to >= format::kSlotsMax)
    return fail(Errc::corrupt);
  return hello;
}

Result<PeerRequest> decode_peer_request(std::string_view frame) {
  Reader in(frame);
  PeerRequest request;
  const auto kind = in.get<std::uint8_t>();
  request.kind = static_cast<PeerRequest::Kind>(kind);
  request.number = in.get<std::uint64_t>();
  request.term = in.get_term();
  request.slots_version = in.get<std::uint64_t>();
  request.serving = in.get_bool();
  request.successor = in.get<std::uint16_t>();
  if (!in.finished()) return fail(Errc::corrupt);
  if (kind < static_cast<std::uint8_t>(PeerRequest::Kind::poll) ||
      kind > static_cast<std::uint8_t>(PeerRequest::Kind::resign)) {
    return fail(Errc::corrupt);
  }
  return request;
}

Result<PeerAnswer> decode_peer_answer(std::string_view frame) {
  Reader in(frame);
  if (in.get<std::uint8_t>() != kAnswer) return fail(Errc::corrupt);
  PeerAnswer answer;
  answer.number = in.get<std::uint64_t>();
  answer.granted = in.get_bool();
  answer.newest = in.get_term();
  if (!in.finished()) return fail(Errc::corrupt);
  return answer;
}

}  // namespace scoutfs::cluster
