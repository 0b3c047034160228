// One login and its commands, against a target that does as it is told.
#include "iscsi/iscsi_session.hpp"

#include <iscsi/iscsi.h>

#include "engine/async/scope.hpp"
#include "tests/support/scripted_target.hpp"
#include "tests/test.hpp"

namespace scoutfs::iscsi {
namespace {

using node::EventLoop;
using testing::ScriptedTarget;

using Outcome = IscsiSession::Outcome;

std::unique_ptr<IscsiSession> log_in(EventLoop& loop, const ScriptedTarget& target,
                                     SessionLimits limits = {}) {
  std::string why;
  const Initiator initiator{.name = "iqn.2026-11.scoutfs:1", .session = 1};
  auto session = loop.run(IscsiSession::login(loop, target.uri(), initiator, why, limits));
  BOOST_REQUIRE_MESSAGE(session.has_value(), why);
  return std::move(*session);
}

// Whether the unit is ready.
Task<void> ask(IscsiSession& session, std::optional<Outcome>* outcome) {
  const IscsiSession::Issue issue = [](iscsi_context* context, unsigned lun, void* command,
                                       scsi_task*& task) {
    task = iscsi_testunitready_task(context, static_cast<int>(lun), IscsiSession::on_done,
                                    command);
    return task != nullptr;
  };
  const IscsiSession::Reply reply = co_await session.run(issue);
  *outcome = reply.outcome;
}

Task<void> reset(IscsiSession& session, bool* done) {
  const Result<void> result = co_await session.reset_unit();
  *done = result.has_value();
}

BOOST_AUTO_TEST_SUITE(iscsi_session)

BOOST_AUTO_TEST_CASE(a_reset_takes_back_no_command_that_is_queued) {
  ScriptedTarget target;
  EventLoop loop;
  const auto session = log_in(loop, target);
  std::optional<Outcome> before, beside, after;
  bool done = false;
  {
    TaskScope scope(loop.scheduler());
    // None is sent before all are issued.
    scope.spawn(ask(*session, &before));
    scope.spawn(reset(*session, &done));
    scope.spawn(ask(*session, &beside));
    loop.run(scope.drain());
  }
  loop.run(ask(*session, &after));
  BOOST_TEST(done);
  BOOST_TEST((before == Outcome::good));
  BOOST_TEST((beside == Outcome::good));
  BOOST_TEST((after == Outcome::good));
  BOOST_TEST(session->connected());
  BOOST_TEST((target.actions() == std::vector<int>{ScriptedTarget::kReset}));
}

BOOST_AUTO_TEST_CASE(a_target_that_answers_nothing_any_more_has_lost_the_session) {
  ScriptedTarget target;
  EventLoop loop;
  const SessionLimits limits{.silence_ns = kMillisecond, .mute_ns = 10 * kMillisecond};
  for (const bool resets : {false, true}) {
    const auto session = log_in(loop, target, limits);
    target.set_silent(true);
    std::optional<Outcome> outcome;
    bool done = true;
    if (resets) {
      loop.run(reset(*session, &done));
      BOOST_TEST(!done);
    } else {
      loop.run(ask(*session, &outcome));
      BOOST_TEST((outcome == Outcome::lost));
    }
    BOOST_TEST(!session->connected());
    target.set_silent(false);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::iscsi
