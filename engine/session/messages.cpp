#include "engine/session/messages.hpp"

namespace scoutfs::session {

namespace {

enum class Kind : std::uint8_t { request = 1, answer = 2, notice = 3 };

template <class Variant>
void encode_variant(std::string& bytes, const Variant& variant) {
  bytes.push_back(static_cast<char>(variant.index()));
  Encoder encoder(bytes);
  std::visit([&encoder](const auto& message) { encoder(message); }, variant);
}

// Decodes the alternative number `wanted` of the variant, whichever it is.
template <class Variant, std::size_t index = 0>
Result<Variant> decode_variant(std::size_t wanted, std::string_view bytes) {
  if constexpr (index >= std::variant_size_v<Variant>) {
    return fail(Errc::corrupt);
  } else {
    if (wanted != index) return decode_variant<Variant, index + 1>(wanted, bytes);
    std::variant_alternative_t<index, Variant> message;
    Decoder decoder(bytes);
    decoder(message);
    if (!decoder.finished()) return fail(Errc::corrupt);
    return Variant(std::in_place_index<index>, std::move(message));
  }
}

template <class Message>
std::string encode_message(const Message& message, Kind with_id) {
  std::string bytes;
  Writer out(bytes);
  const bool notice = message.body.index() == 1;
  SCOUTFS_ASSERT(notice == !message.id);
  out.put(static_cast<std::uint8_t>(notice ? Kind::notice : with_id));
  out.put(message.id);
  std::visit([&bytes](const auto& body) { encode_variant(bytes, body); }, message.body);
  return bytes;
}

template <class Message, class WithId, class Notice>
Result<Message> decode_message(std::string_view bytes, Kind with_id) {
  Reader in(bytes);
  const auto kind = static_cast<Kind>(in.get<std::uint8_t>());
  const auto id = in.get_id<RequestId>();
  const auto index = in.get<std::uint8_t>();
  if (!in.good()) return fail(Errc::corrupt);
  const std::string_view rest = bytes.substr(in.position());
  if (kind == with_id && id) {
    SCOUTFS_TRY(WithId body, (decode_variant<WithId>(index, rest)));
    return Message{id, std::move(body)};
  }
  if (kind == Kind::notice && !id) {
    SCOUTFS_TRY(Notice body, (decode_variant<Notice>(index, rest)));
    return Message{id, std::move(body)};
  }
  return fail(Errc::corrupt);
}

}  // namespace

std::string encode(const MemberMessage& message) {
  return encode_message(message, Kind::request);
}
std::string encode(const LeaderMessage& message) {
  return encode_message(message, Kind::answer);
}

Result<MemberMessage> decode_member_message(std::string_view bytes) {
  return decode_message<MemberMessage, Request, MemberNotice>(bytes, Kind::request);
}

Result<LeaderMessage> decode_leader_message(std::string_view bytes) {
  return decode_message<LeaderMessage, Answer, LeaderNotice>(bytes, Kind::answer);
}

std::string encode_setup(const Setup& setup) {
  std::string bytes;
  encode_variant(bytes, setup);
  return bytes;
}

Result<Setup> decode_setup(std::string_view bytes) {
  if (bytes.empty()) return fail(Errc::corrupt);
  return decode_variant<Setup>(static_cast<std::uint8_t>(bytes[0]), bytes.substr(1));
}

}  // namespace scoutfs::session
