// The locks of one node, before a leader that a test plays.
#include "engine/client/lock_cache.hpp"

#include "tests/support/scripted_leader.hpp"
#include "tests/test.hpp"

namespace scoutfs::client {
namespace {

using lock::LockId;
using lock::Mode;

constexpr LockId kGroup{LockId::Kind::group, 7};

// A store of which the locks need next to nothing.
struct Owner final : LockOwner {
  explicit Owner(Scheduler& scheduler) : committed(scheduler) {}
  Task<bool> commit_for_lock(TxnNo txn) override {
    asked_to_commit.push_back(txn);
    while (recorded_now < txn) co_await committed.wait();
    co_return true;
  }
  TxnNo recorded() const override { return recorded_now; }
  std::vector<Ino> report_open(LockId) override { return open; }
  void on_dropped(const LockEntry& entry) override { dropped.push_back(entry.id); }
  void record(TxnNo txn) {
    recorded_now = txn;
    committed.wake_all();
  }

  TxnNo recorded_now;
  std::vector<TxnNo> asked_to_commit;
  std::vector<Ino> open;
  std::vector<LockId> dropped;
  WaitQueue committed;
};

struct LocksFixture : testing::MemberWorld {
  LocksFixture() {
    owner.on_each = [this](const session::LeaderNotice& notice) {
      if (const auto* revoke = std::get_if<session::Revoke>(&notice)) locks.on_revoke(*revoke);
    };
    member.start();
    scheduler.run();
  }
  ~LocksFixture() {
    locks.fail(Errc::stopping);
    scheduler.run();
    run(locks.stop());
    run(member.stop());
  }

  using Held = std::shared_ptr<LockEntry>;
  // The lock, once it is there, or what it failed with, in `held` or `errors`.
  Task<void> take_for(LockWant want, Cancellation* cancellation) {
    const Result<Held> entry = co_await locks.acquire(want, cancellation);
    if (entry.has_value()) {
      held.push_back(*entry);
    } else {
      errors.push_back(entry.error().code);
    }
  }
  void take(Mode mode, Cancellation* cancellation = nullptr) {
    scope.spawn(take_for(LockWant{.id = kGroup, .mode = mode}, cancellation));
    scheduler.run();
  }
  void give_up() {
    locks.release(*held.back());
    held.pop_back();
    scheduler.run();
  }
  void grant(Mode mode, std::uint64_t number, std::vector<Ino> open_elsewhere = {}) {
    leader.answer(leader.asked.back().id, session::LockGrant{.id = kGroup,
                                                             .mode = mode,
                                                             .grant = GrantId{number},
                                                             .open_elsewhere = open_elsewhere});
    scheduler.run();
  }
  void revoke(std::uint64_t number, Mode keep) {
    leader.notify(session::Revoke{.id = kGroup, .grant = GrantId{number}, .keep = keep});
    scheduler.run();
  }
  std::vector<session::LockRequest> requests() {
    return leader.requests<session::LockRequest>();
  }
  std::vector<session::Release> releases() { return leader.notices<session::Release>(); }

  testing::ScriptedLeader leader{*this};
  testing::QuietOwner owner;
  LeaderSession member{env(), testing::a_member(), leader, owner};
  Owner store{scheduler};
  LockCache locks{env(), member, store, 100};
  std::vector<Held> held;
  std::vector<Errc> errors;
  TaskScope scope{scheduler};
};

BOOST_FIXTURE_TEST_SUITE(lock_cache, LocksFixture)

BOOST_AUTO_TEST_CASE(a_lock_stays_after_its_last_user) {
  take(Mode::write);
  BOOST_TEST(held.empty());
  grant(Mode::write, 1);
  BOOST_TEST(held.size() == 1U);
  give_up();
  take(Mode::write);
  take(Mode::read);
  BOOST_TEST(held.size() == 2U);
  BOOST_TEST(requests().size() == 1U);
  give_up();
  give_up();
}

BOOST_AUTO_TEST_CASE(a_stronger_mode_is_asked_for_once) {
  take(Mode::read);
  grant(Mode::read, 1);
  take(Mode::write);
  take(Mode::write);
  BOOST_TEST(requests().size() == 2U);
  BOOST_CHECK(requests().back().mode == Mode::write);
  BOOST_TEST(held.size() == 1U);
  grant(Mode::write, 2);
  BOOST_TEST(held.size() == 3U);
  for (int i = 0; i < 3; ++i) give_up();
}

BOOST_AUTO_TEST_CASE(a_revoke_waits_for_users_and_for_what_they_changed) {
  take(Mode::write);
  grant(Mode::write, 1);
  held.back()->dirty_txn = TxnNo{3};
  store.open = {Ino{7168}};
  revoke(1, Mode::none);
  BOOST_TEST(store.asked_to_commit.empty());
  give_up();
  BOOST_CHECK(store.asked_to_commit == std::vector<TxnNo>{TxnNo{3}});
  BOOST_TEST(releases().empty());
  store.record(TxnNo{3});
  scheduler.run();
  BOOST_REQUIRE(releases().size() == 1U);
  BOOST_CHECK(releases()[0].grant == GrantId{1});
  BOOST_CHECK(releases()[0].keep == Mode::none);
  BOOST_CHECK(releases()[0].open_inodes == store.open);
  BOOST_CHECK(store.dropped == std::vector<LockId>{kGroup});
  BOOST_TEST(locks.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_downgrade_keeps_what_was_read) {
  take(Mode::write);
  grant(Mode::write, 1, {Ino{7169}});
  give_up();
  revoke(1, Mode::read);
  BOOST_REQUIRE(releases().size() == 1U);
  BOOST_CHECK(releases()[0].keep == Mode::read);
  BOOST_TEST(releases()[0].open_inodes.empty());
  BOOST_TEST(store.dropped.empty());
  take(Mode::read);
  BOOST_REQUIRE(held.size() == 1U);
  // It was of the write grant.
  BOOST_TEST(held.back()->open_elsewhere.empty());
  BOOST_TEST(requests().size() == 1U);
  give_up();
}

BOOST_AUTO_TEST_CASE(new_users_wait_behind_a_revoke_and_then_ask_again) {
  take(Mode::write);
  grant(Mode::write, 1);
  revoke(1, Mode::none);
  take(Mode::read);
  BOOST_TEST(held.size() == 1U);
  give_up();
  BOOST_TEST(releases().size() == 1U);
  BOOST_TEST(requests().size() == 2U);
  grant(Mode::read, 2);
  BOOST_TEST(held.size() == 1U);
  give_up();
}

BOOST_AUTO_TEST_CASE(a_revoke_of_an_older_grant_is_none) {
  take(Mode::write);
  grant(Mode::write, 2);
  give_up();
  revoke(1, Mode::none);
  BOOST_TEST(releases().empty());
  BOOST_TEST(locks.held().size() == 1U);
}

BOOST_AUTO_TEST_CASE(who_is_interrupted_while_waiting_gets_nothing) {
  Cancellation cancellation(scheduler);
  take(Mode::read, &cancellation);
  BOOST_CHECK(locks.waited_for() == kGroup);
  cancellation.request();
  scheduler.run();
  BOOST_TEST((errors == std::vector<Errc>{Errc::interrupted}));
  BOOST_TEST(!locks.waited_for().has_value());
  grant(Mode::read, 1);
  BOOST_TEST(held.empty());
  locks.check_invariants();
}

BOOST_AUTO_TEST_CASE(the_end_of_the_store_ends_what_waits) {
  take(Mode::read);
  locks.fail(Errc::fenced);
  scheduler.run();
  take(Mode::read);
  BOOST_TEST((errors == std::vector<Errc>{Errc::fenced, Errc::fenced}));
}

BOOST_AUTO_TEST_CASE(a_declaration_names_the_mode_before_a_release_in_progress) {
  take(Mode::write);
  grant(Mode::write, 5);
  revoke(5, Mode::none);
  const std::vector<session::HeldLock> declared = locks.held();
  BOOST_REQUIRE(declared.size() == 1U);
  BOOST_CHECK(declared[0].mode == Mode::write);
  BOOST_CHECK(declared[0].grant == GrantId{5});
  give_up();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::client
