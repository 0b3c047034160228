// What the messages of the engine are called, without decoding more of them than their kind.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace scoutfs::sim {

inline constexpr std::size_t kMessageKindsMax = 64;

// The kind of a frame that one end of a connection sends (engine/session/messages.hpp,
// channel.hpp). `first`: nothing was sent by this end before. Less than kMessageKindsMax.
std::size_t message_kind(std::string_view frame, bool from_member, bool first);
// The same between voters (engine/cluster/peer_messages.hpp).
std::size_t voter_message_kind(std::string_view frame);
// "lock-grant"; empty: there is no such kind.
std::string_view message_name(std::size_t kind);

}  // namespace scoutfs::sim
