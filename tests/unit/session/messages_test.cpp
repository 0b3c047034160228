#include "engine/session/messages.hpp"

#include "tests/test.hpp"

namespace scoutfs::session {
namespace {

Commit sample_commit() {
  lsm::SegmentInfo segment;
  segment.ref = {{BlockNo{100}, 3}, 77};
  segment.item_count = 5;
  segment.coverage = {{"a", "b"}, {"k", "z"}};
  Commit commit;
  commit.txn = TxnNo{4};
  commit.seq = Seq{9};
  commit.segments = {segment};
  commit.used = {{BlockNo{10}, 2}};
  commit.freed = {{BlockNo{20}, 1}, {BlockNo{30}, 4}};
  commit.wants_seq = true;
  return commit;
}

BOOST_AUTO_TEST_SUITE(messages)

BOOST_AUTO_TEST_CASE(a_commit_survives_the_wire) {
  const MemberMessage message{.id = RequestId{3}, .body = Request{sample_commit()}};
  const Result<MemberMessage> read = decode_member_message(encode(message));
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST((read->id == RequestId{3}));
  const auto& commit = std::get<Commit>(std::get<Request>(read->body));
  BOOST_TEST((commit.txn == TxnNo{4}));
  BOOST_TEST((commit.segments == sample_commit().segments));
  BOOST_TEST((commit.freed == sample_commit().freed));
  BOOST_TEST(commit.wants_seq);
}

BOOST_AUTO_TEST_CASE(bytes_of_a_release_are_pinned) {
  const Release release{.id = {lock::LockId::Kind::group, 0x0102},
                        .grant = GrantId{3},
                        .keep = lock::Mode::read,
                        .open_inodes = {Ino{5}}};
  const std::string bytes = encode(MemberMessage{.id = {}, .body = MemberNotice{release}});
  const std::string expected(
      "\x03"                      // notice
      "\0\0\0\0\0\0\0\0"          // no id
      "\x00"                      // the first of the notices
      "\x02\x02\x01\0\0\0\0\0\0"  // group 0x0102
      "\x03\0\0\0\0\0\0\0"        // grant
      "\x01"                      // read
      "\x01\x05\0\0\0\0\0\0\0",   // one inode
      37);
  BOOST_TEST(bytes == expected);
}

BOOST_AUTO_TEST_CASE(a_refusal_names_the_holder) {
  Refusal refusal;
  refusal.why = Refusal::Why::slot_in_use;
  refusal.holder = {Rid{1}, Epoch{2}};
  refusal.name = "host";
  const Result<Setup> read = decode_setup(encode_setup(refusal));
  BOOST_REQUIRE(read.has_value());
  BOOST_TEST((std::get<Refusal>(*read).holder == refusal.holder));
  BOOST_TEST(std::get<Refusal>(*read).name == "host");
}

BOOST_AUTO_TEST_CASE(a_message_of_one_side_is_none_of_the_other) {
  const std::string request =
      encode(MemberMessage{.id = RequestId{1}, .body = Request{Farewell{}}});
  BOOST_TEST(decode_member_message(request).has_value());
  const Result<LeaderMessage> wrong = decode_leader_message(request);
  BOOST_TEST(failed_with(wrong, Errc::corrupt));
}

RC_BOOST_PROP(a_truncated_or_longer_message_is_corrupt, ()) {
  const std::string bytes =
      encode(MemberMessage{.id = RequestId{3}, .body = Request{sample_commit()}});
  const auto size = *rc::gen::inRange<std::size_t>(0, bytes.size());
  RC_ASSERT(failed_with(decode_member_message(bytes.substr(0, size)), Errc::corrupt));
  RC_ASSERT(failed_with(decode_member_message(bytes + "x"), Errc::corrupt));
}

RC_BOOST_PROP(garbage_decodes_to_what_encodes_to_it_or_to_nothing, ()) {
  std::string bytes =
      encode(MemberMessage{.id = RequestId{3}, .body = Request{sample_commit()}});
  const auto changes = *rc::gen::inRange(1, 6);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    bytes[at] = static_cast<char>(*rc::gen::inRange(0, 256));
  }
  const Result<MemberMessage> read = decode_member_message(bytes);
  RC_CLASSIFY(read.has_value(), "accepted");
  if (read.has_value()) RC_ASSERT(encode(*read) == bytes);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::session
