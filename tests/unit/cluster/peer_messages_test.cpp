#include "engine/cluster/peer_messages.hpp"

#include "tests/test.hpp"

namespace scoutfs::cluster {
namespace {

const PeerHello kHello{.fsid = Fsid{1},
                       .format_hash = 2,
                       .slots_version = 3,
                       .from = 4,
                       .who = {Rid{5}, Epoch{6}},
                       .address = {7, 8},
                       .to = 9};
const PeerRequest kRequest{.kind = PeerRequest::Kind::resign,
                           .number = 10,
                           .term = {11, 12},
                           .slots_version = 13,
                           .serving = true,
                           .successor = 14};
const PeerAnswer kAnswer{.number = 15, .granted = true, .newest = {16, 17}};

}  // namespace

BOOST_AUTO_TEST_CASE(what_voters_say_is_read_as_it_was_written) {
  BOOST_TEST((decode_peer_hello(encode(kHello)) == kHello));
  BOOST_TEST((decode_peer_request(encode(kRequest)) == kRequest));
  BOOST_TEST((decode_peer_answer(encode(kAnswer)) == kAnswer));
  BOOST_TEST(is_peer_hello(encode(kHello)));
  BOOST_TEST(!is_peer_hello(encode(kRequest)));
  BOOST_TEST(!is_peer_hello(""));
}

BOOST_AUTO_TEST_CASE(a_frame_that_is_cut_or_too_long_or_of_another_kind_is_refused) {
  for (const std::string& frame : {encode(kHello), encode(kRequest), encode(kAnswer)}) {
    for (std::size_t size = 0; size <= frame.size() + 1; ++size) {
      std::string bytes = frame.substr(0, std::min(size, frame.size()));
      if (size > frame.size()) bytes += '\0';
      const bool whole = size == frame.size();
      BOOST_TEST(decode_peer_hello(bytes).has_value() == (whole && frame == encode(kHello)));
      BOOST_TEST(decode_peer_request(bytes).has_value() ==
                 (whole && frame == encode(kRequest)));
      BOOST_TEST(decode_peer_answer(bytes).has_value() == (whole && frame == encode(kAnswer)));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_slot_that_cannot_be_is_refused) {
  PeerHello hello = kHello;
  hello.from = format::kSlotsMax;
  BOOST_TEST(!decode_peer_hello(encode(hello)).has_value());
}

}  // namespace scoutfs::cluster
