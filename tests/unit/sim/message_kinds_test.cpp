#include "sim/message_kinds.hpp"

#include "engine/base/codec.hpp"
#include "engine/cluster/peer_messages.hpp"
#include "engine/session/messages.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

using namespace session;

// As a channel frames it.
std::string framed(std::string_view message) {
  std::string frame;
  Writer out(frame);
  out.put(std::uint64_t{3});
  out.put(std::uint64_t{5});
  out.put_raw(message);
  return frame;
}

std::string_view name_of(const MemberMessage& message) {
  return message_name(message_kind(framed(encode(message)), true, false));
}
std::string_view name_of(const LeaderMessage& message) {
  return message_name(message_kind(framed(encode(message)), false, false));
}

BOOST_AUTO_TEST_CASE(messages_of_a_session_are_told_by_their_kind) {
  BOOST_TEST(name_of(MemberMessage{RequestId{1}, Request{Commit{}}}) == "commit");
  BOOST_TEST(name_of(MemberMessage{RequestId{1}, Request{LeaseRequest{}}}) == "lease-request");
  BOOST_TEST(name_of(MemberMessage{RequestId{}, MemberNotice{Release{}}}) == "release");
  BOOST_TEST(name_of(LeaderMessage{RequestId{1}, Answer{LockGrant{}}}) == "lock-grant");
  BOOST_TEST(name_of(LeaderMessage{RequestId{}, LeaderNotice{Revoke{}}}) == "revoke");
}

BOOST_AUTO_TEST_CASE(the_first_frame_of_an_end_sets_the_connection_up) {
  const std::string greeting = encode_setup(Setup{Greeting{}});
  BOOST_TEST(message_name(message_kind(greeting, true, true)) == "greeting");
  const std::string refusal = encode_setup(Setup{Refusal{}});
  BOOST_TEST(message_name(message_kind(refusal, false, true)) == "refusal");
}

BOOST_AUTO_TEST_CASE(messages_of_voters_are_told_by_their_kind) {
  using namespace cluster;
  BOOST_TEST(message_name(voter_message_kind(encode(PeerHello{}))) == "voter-hello");
  PeerRequest request;
  request.kind = PeerRequest::Kind::resign;
  BOOST_TEST(message_name(voter_message_kind(encode(request))) == "voter-resign");
  BOOST_TEST(message_name(voter_message_kind(encode(PeerAnswer{}))) == "voter-answer");
  BOOST_TEST(message_name(voter_message_kind("")) == "unknown");
  BOOST_TEST(message_name(voter_message_kind("\x01")) == "unknown");
}

BOOST_AUTO_TEST_CASE(an_empty_frame_acknowledges_and_anything_else_is_unknown) {
  BOOST_TEST(message_name(message_kind(framed({}), true, false)) == "acknowledgement");
  BOOST_TEST(message_name(message_kind(framed("\xff"), true, false)) == "unknown");
  BOOST_TEST(message_name(message_kind("", true, true)) == "unknown");
  BOOST_TEST(message_name(message_kind(framed(std::string(30, '\x7f')), true, false)) ==
             "unknown");
  BOOST_TEST(message_name(kMessageKindsMax).empty());
}

}  // namespace
}  // namespace scoutfs::sim
