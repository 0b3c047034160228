// A member's session with a leader that a test plays.
#include "engine/client/leader_session.hpp"

#include "tests/support/scripted_leader.hpp"
#include "tests/test.hpp"

namespace scoutfs::client {
namespace {

using session::Answer;
using session::Refusal;
using session::SeqAnswer;
using session::SeqRequest;

struct SessionFixture : testing::MemberWorld {
  SessionFixture() { member.start(); }
  ~SessionFixture() { run(member.stop()); }

  // Asks for a seq above `above`; what came of it is in `seqs` or `errors`.
  void ask(std::uint64_t above) { scope.spawn(ask_for(above, nullptr)); }
  Task<void> ask_for(std::uint64_t above, Cancellation* cancellation) {
    const SeqRequest request{.above = Seq{above}};
    const Result<SeqAnswer> answer = co_await member.call<SeqAnswer>(request, cancellation);
    if (answer.has_value()) {
      seqs.push_back(answer->seq.value);
    } else {
      errors.push_back(answer.error().code);
    }
  }
  void grant(std::size_t request, std::uint64_t seq) {
    leader.answer(leader.asked.at(request).id, SeqAnswer{.seq = Seq{seq}});
    scheduler.run();
  }

  testing::ScriptedLeader leader{*this};
  testing::QuietOwner owner;
  LeaderSession member{env(), testing::a_member(), leader, owner};
  std::vector<std::uint64_t> seqs;
  std::vector<Errc> errors;
  TaskScope scope{scheduler};
};

BOOST_FIXTURE_TEST_SUITE(leader_session, SessionFixture)

BOOST_AUTO_TEST_CASE(it_is_ready_once_its_declaration_was_accepted) {
  BOOST_TEST(!member.ready());
  BOOST_TEST(member.waits_for() == "a leader");
  scheduler.run();
  BOOST_TEST(member.ready());
  BOOST_TEST(member.connected());
  BOOST_TEST(leader.declared.size() == 1U);
  BOOST_TEST(member.waits_for() == "");
  BOOST_CHECK(member.term() == leader.term);
}

BOOST_AUTO_TEST_CASE(answers_reach_the_requests_of_their_ids) {
  ask(1);
  ask(2);
  scheduler.run();
  BOOST_REQUIRE(leader.asked.size() == 2U);
  grant(1, 20);
  grant(0, 10);
  BOOST_TEST(seqs == (std::vector<std::uint64_t>{20, 10}));
}

BOOST_AUTO_TEST_CASE(a_broken_connection_is_mended_and_nothing_is_asked_twice) {
  scheduler.run();
  ask(1);
  scheduler.run();
  leader.cut();
  pass(kSecond);
  BOOST_TEST(leader.greetings.size() == 2U);
  BOOST_TEST(leader.declared.size() == 1U);
  BOOST_TEST(leader.asked.size() == 1U);
  grant(0, 10);
  BOOST_TEST(seqs == (std::vector<std::uint64_t>{10}));
}

BOOST_AUTO_TEST_CASE(a_new_leader_is_told_what_is_held_and_asked_what_is_unanswered) {
  owner.declaration.open_seqs = {Seq{5}};
  scheduler.run();
  ask(1);
  scheduler.run();
  leader.succeed();
  pass(kSecond);
  BOOST_REQUIRE(leader.declared.size() == 2U);
  BOOST_CHECK(leader.declared.back().open_seqs == owner.declaration.open_seqs);
  BOOST_REQUIRE(leader.asked.size() == 2U);
  BOOST_CHECK(leader.asked[0].id == leader.asked[1].id);
  BOOST_CHECK(member.term() == leader.term);
  grant(1, 10);
  BOOST_TEST(seqs == (std::vector<std::uint64_t>{10}));
}

BOOST_AUTO_TEST_CASE(a_silent_leader_is_connected_to_again) {
  scheduler.run();
  pass(900 * kMillisecond);
  BOOST_TEST(leader.greetings.size() == 1U);
  pass(2 * kSecond);
  BOOST_TEST(leader.greetings.size() > 1U);
}

BOOST_AUTO_TEST_CASE(a_refusal_for_good_ends_every_request) {
  leader.refuses = Refusal{};
  leader.refuses->why = Refusal::Why::dead;
  ask(1);
  scheduler.run();
  BOOST_REQUIRE(owner.refused.size() == 1U);
  BOOST_CHECK(owner.refused[0].why == Refusal::Why::dead);
  BOOST_TEST((errors == std::vector<Errc>{Errc::fenced}));
}

BOOST_AUTO_TEST_CASE(a_refusal_for_now_is_waited_out) {
  leader.refuses = Refusal{};
  leader.refuses->why = Refusal::Why::not_leader;
  ask(1);
  pass(kSecond);
  BOOST_TEST(!member.ready());
  BOOST_TEST(member.waits_for() == "a leader");
  leader.refuses.reset();
  pass(kSecond);
  BOOST_REQUIRE(leader.asked.size() == 1U);
  grant(0, 10);
  BOOST_TEST(seqs == (std::vector<std::uint64_t>{10}));
}

BOOST_AUTO_TEST_CASE(a_question_that_is_given_up_takes_no_answer) {
  scheduler.run();
  Cancellation cancellation(scheduler);
  scope.spawn(ask_for(1, &cancellation));
  scheduler.run();
  cancellation.request();
  scheduler.run();
  BOOST_TEST((errors == std::vector<Errc>{Errc::interrupted}));
  grant(0, 10);
  BOOST_TEST(seqs.empty());
}

BOOST_AUTO_TEST_CASE(the_end_of_the_session_ends_what_waits) {
  leader.away = true;
  ask(1);
  scheduler.run();
  run(member.stop());
  BOOST_TEST((errors == std::vector<Errc>{Errc::stopping}));
}

BOOST_AUTO_TEST_CASE(notices_arrive_in_order_with_the_answers) {
  std::vector<std::string> order;
  owner.on_each = [&order](const session::LeaderNotice&) { order.emplace_back("notice"); };
  scheduler.run();
  member.send(SeqRequest{}, [&order](const Answer&) { order.emplace_back("answer"); });
  scheduler.run();
  leader.notify(session::CommitWanted{Seq{1}});
  leader.answer(leader.asked.at(0).id, SeqAnswer{});
  leader.notify(session::CommitWanted{Seq{2}});
  scheduler.run();
  BOOST_TEST(order == (std::vector<std::string>{"notice", "answer", "notice"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::client
