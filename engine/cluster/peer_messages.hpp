// What the voters of a volume say to each other over connections of their own.
//
// A connection is opened by the one who asks. Its first frame is a PeerHello; every other frame
// that goes that way is a PeerRequest, and every frame that comes back a PeerAnswer with the
// request's number. Answers come in any order.
//
//   PeerHello     u8 kind 0xe1, u64 fsid, u64 format hash, u64 slots version, u16 from slot,
//                 u64 rid, u64 epoch, u32 ip, u16 port, u16 to slot
//   PeerRequest   u8 kind, u64 number, u64 term number, u16 term slot, u64 slots version,
//                 u8 serving, u16 successor
//   PeerAnswer    u8 kind 0xe6, u64 number, u8 granted, u64 newest term number, u16 its slot
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "engine/env/network.hpp"
#include "engine/format/upper_formats.hpp"
#include "engine/format/volume.hpp"

namespace scoutfs::cluster {

static_assert(format::kWireFormat == "wire 3\n");

struct PeerHello {
  Fsid fsid;
  std::uint64_t format_hash = 0;
  std::uint64_t slots_version = 0;
  std::uint16_t from = 0;  // slot of the sender
  Incarnation who;
  Address address;       // where the sender listens
  std::uint16_t to = 0;  // the slot it believes to talk to
  bool operator==(const PeerHello&) const = default;
};

struct PeerRequest {
  enum class Kind : std::uint8_t {
    poll = 0xe2,    // would you vote for me? Changes nothing
    vote = 0xe3,    // vote for me
    beat = 0xe4,    // I lead
    resign = 0xe5,  // I led, and have stopped
  };
  Kind kind{};
  std::uint64_t number = 0;  // grows with each request or round of the sender
  Term term;
  std::uint64_t slots_version = 0;
  bool serving = false;         // beat: members may come
  std::uint16_t successor = 0;  // resign: the slot that stands at once; kNoSlot: none
  bool operator==(const PeerRequest&) const = default;
};

struct PeerAnswer {
  std::uint64_t number = 0;
  bool granted = false;
  Term newest;  // the newest term the sender knows
  bool operator==(const PeerAnswer&) const = default;
};

std::string encode(const PeerHello& hello);
std::string encode(const PeerRequest& request);
std::string encode(const PeerAnswer& answer);

// True if the first frame of a connection is a voter's; otherwise it is a member's.
bool is_peer_hello(std::string_view frame);
// Errors: corrupt.
Result<PeerHello> decode_peer_hello(std::string_view frame);
Result<PeerRequest> decode_peer_request(std::string_view frame);
Result<PeerAnswer> decode_peer_answer(std::string_view frame);

}  // namespace scoutfs::cluster
