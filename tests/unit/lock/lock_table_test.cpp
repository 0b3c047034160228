#include "engine/lock/lock_table.hpp"

#include "tests/test.hpp"

namespace scoutfs::lock {
namespace {

constexpr Rid kA{1}, kB{2}, kC{3};
constexpr LockId kGroup{LockId::Kind::group, 7};

struct Table {
  LockTable table{GrantId{100}};
  std::uint64_t next_request = 0;

  LockTable::Output request(Rid from, Mode mode) {
    LockTable::Output out;
    table.request(from, RequestId{++next_request}, kGroup, mode, out);
    table.check_invariants();
    return out;
  }
  LockTable::Output release(Rid from, GrantId grant, Mode keep) {
    LockTable::Output out;
    table.release(from, kGroup, grant, keep, out);
    table.check_invariants();
    return out;
  }
};

BOOST_AUTO_TEST_SUITE(lock_table)

BOOST_AUTO_TEST_CASE(readers_share_and_a_writer_revokes_each_of_them_once) {
  Table t;
  const auto a = t.request(kA, Mode::read);
  const auto b = t.request(kB, Mode::read);
  BOOST_REQUIRE(a.grants.size() == 1 && b.grants.size() == 1);
  const auto c = t.request(kC, Mode::write);
  BOOST_TEST(c.grants.empty());
  BOOST_REQUIRE(c.revokes.size() == 2);
  BOOST_TEST((c.revokes[0].keep == Mode::none));
  // A second writer in the queue does not revoke the same grants again.
  BOOST_TEST(t.request(kA, Mode::write).revokes.empty());
  BOOST_TEST(t.release(kA, a.grants[0].grant, Mode::none).grants.empty());
  const auto granted = t.release(kB, b.grants[0].grant, Mode::none);
  BOOST_REQUIRE(granted.grants.size() == 1);
  BOOST_TEST((granted.grants[0].to == kC));
  // The next in the queue wants it at once.
  BOOST_REQUIRE(granted.revokes.size() == 1);
  BOOST_TEST((granted.revokes[0].grant == granted.grants[0].grant));
}

BOOST_AUTO_TEST_CASE(a_writer_may_stay_a_reader_for_a_reader) {
  Table t;
  const auto a = t.request(kA, Mode::write);
  const auto b = t.request(kB, Mode::read);
  BOOST_REQUIRE(b.revokes.size() == 1);
  BOOST_TEST((b.revokes[0].keep == Mode::read));
  const auto after = t.release(kA, a.grants[0].grant, Mode::read);
  BOOST_REQUIRE(after.grants.size() == 1);
  BOOST_TEST((after.grants[0].to == kB));
}

BOOST_AUTO_TEST_CASE(nobody_overtakes_a_waiting_writer) {
  Table t;
  const auto a = t.request(kA, Mode::read);
  t.request(kB, Mode::write);
  BOOST_TEST(t.request(kC, Mode::read).grants.empty());
  const auto after = t.release(kA, a.grants[0].grant, Mode::none);
  BOOST_REQUIRE(after.grants.size() == 1);
  BOOST_TEST((after.grants[0].to == kB));
}

BOOST_AUTO_TEST_CASE(a_release_of_an_older_grant_changes_nothing) {
  Table t;
  const auto first = t.request(kA, Mode::read);
  const auto second = t.request(kA, Mode::write);
  BOOST_REQUIRE(second.grants.size() == 1);
  t.release(kA, first.grants[0].grant, Mode::none);
  BOOST_TEST(t.request(kB, Mode::read).grants.empty());
}

BOOST_AUTO_TEST_CASE(grant_ids_are_never_given_twice) {
  Table t;
  const auto first = t.request(kA, Mode::write);
  t.release(kA, first.grants[0].grant, Mode::none);
  const auto second = t.request(kA, Mode::write);
  BOOST_TEST((first.grants[0].grant < second.grants[0].grant));
}

BOOST_AUTO_TEST_CASE(what_the_dead_held_goes_to_who_waits) {
  Table t;
  t.request(kA, Mode::write);
  t.request(kB, Mode::write);
  BOOST_TEST(t.table.waited_for(kA).size() == 1);
  LockTable::Output out;
  t.table.forget(kA, out);
  BOOST_REQUIRE(out.grants.size() == 1);
  BOOST_TEST((out.grants[0].to == kB));
}

BOOST_AUTO_TEST_CASE(while_it_recovers_nothing_is_granted_and_conflicting_claims_are_refused) {
  Table t;
  t.table.pause();
  BOOST_TEST(t.request(kC, Mode::read).grants.empty());
  BOOST_TEST(t.table.declare(kA, kGroup, Mode::write, GrantId{5}));
  BOOST_TEST(!t.table.declare(kB, kGroup, Mode::read, GrantId{6}));
  LockTable::Output out;
  t.table.resume(out);
  BOOST_TEST(out.grants.empty());
  BOOST_REQUIRE(out.revokes.size() == 1);
  BOOST_TEST((out.revokes[0].grant == GrantId{5}));
}

// Random requests and releases: incompatible modes never coexist, and when everybody gives up
// what is asked of them, every request is granted.
RC_BOOST_PROP(every_request_is_granted_in_the_end, ()) {
  Table t;
  std::map<Rid, LockTable::Grant> held;
  std::uint64_t granted = 0;
  const auto take = [&](const LockTable::Output& out) {
    for (const auto& grant : out.grants) held[grant.to] = grant, ++granted;
    return out.revokes;
  };
  std::vector<LockTable::Revoke> revokes;
  const auto requests = *rc::gen::inRange(1, 40);
  for (int i = 0; i < requests; ++i) {
    const Rid who{*rc::gen::inRange<std::uint64_t>(1, 5)};
    const Mode mode = *rc::gen::element(Mode::read, Mode::write);
    for (const auto& revoke : take(t.request(who, mode))) revokes.push_back(revoke);
    while (!revokes.empty() && *rc::gen::inRange(0, 3) != 0) {
      const LockTable::Revoke revoke = revokes.back();
      revokes.pop_back();
      for (const auto& more : take(t.release(revoke.to, revoke.grant, revoke.keep)))
        revokes.push_back(more);
    }
  }
  while (!revokes.empty()) {
    const LockTable::Revoke revoke = revokes.back();
    revokes.pop_back();
    for (const auto& more : take(t.release(revoke.to, revoke.grant, revoke.keep)))
      revokes.push_back(more);
  }
  RC_ASSERT(granted == static_cast<std::uint64_t>(requests));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::lock
