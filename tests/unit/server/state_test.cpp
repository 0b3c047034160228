#include "engine/server/state.hpp"

#include "tests/test.hpp"

namespace scoutfs::server {
namespace {

constexpr Rid kA{11}, kB{12};
constexpr Extent kSpace{BlockNo{1000}, 1000};

format::Superblock superblock() {
  format::Superblock superblock;
  superblock.space = kSpace;
  return superblock;
}

// A server's state, and the items it has made durable so far: what a restart would load.
struct Leader {
  ServerState state{superblock()};
  std::map<std::string, std::string> items;

  Leader() {
    const format::Counters counters{.next_ino = Ino{1024},
                                    .next_seq = Seq{2},
                                    .next_record = RecordNo{1},
                                    .next_job = JobId{1},
                                    .version = Version{1}};
    items[format::counters_key()] = format::encode(counters);
    items[format::free_key(kSpace.start)] = format::encode_count(kSpace.count);
    load(state);
    for (const Rid rid : {kA, kB}) state.add_member(member(rid));
  }
  static format::Member member(Rid rid) {
    format::Member member;
    member.who = {rid, Epoch{1}};
    return member;
  }
  void load(ServerState& into) const {
    for (const auto& [key, value] : items) BOOST_REQUIRE(into.load(key, value).has_value());
    BOOST_REQUIRE(into.finish_load().has_value());
  }
  void make_durable() {
    for (lsm::Change& change : state.take_batch().changes) {
      if (change.entry.has_value()) {
        items[change.key] = *change.entry;
      } else {
        items.erase(change.key);
      }
    }
  }
  // All blocks have one owner.
  std::uint64_t accounted(const ServerState& of) const {
    std::uint64_t segments = of.manifest().blocks();
    std::uint64_t jobs = 0;
    for (const auto& [id, job] : of.jobs()) {
      for (const Extent& output : job.outputs) jobs += output.count;
    }
    return of.free_blocks() + of.granted_blocks() + segments + jobs + of.replaced_blocks();
  }
};

session::Commit commit_of(TxnNo txn, Extent where, std::string first, std::string last) {
  session::Commit commit;
  commit.txn = txn;
  commit.seq = Seq{5};
  lsm::SegmentInfo info;
  info.ref = {where, where.start.value};
  info.item_count = 2;
  info.coverage = {{std::move(first), std::move(last)}};
  commit.segments = {std::move(info)};
  return commit;
}

BOOST_AUTO_TEST_SUITE(server_state)

BOOST_AUTO_TEST_CASE(a_commit_turns_granted_space_into_a_segment_once) {
  Leader leader;
  const std::vector<Extent> granted = leader.state.grant(kA, 50, 1, 0);
  BOOST_REQUIRE(granted.size() == 1);
  const Extent where{granted[0].start, 4};
  const auto commit = commit_of(TxnNo{1}, where, "a", "m");
  const Result<session::CommitAnswer> recorded = leader.state.record(kA, commit);
  BOOST_REQUIRE(recorded.has_value());
  BOOST_TEST(leader.state.manifest().count(0) == 1);
  BOOST_TEST(leader.state.granted_blocks() == 46);
  // The same number again, and the same space again, are refused and change nothing.
  BOOST_TEST(failed_with(leader.state.record(kA, commit), Errc::invalid));
  const auto twice = commit_of(TxnNo{2}, where, "n", "z");
  BOOST_TEST(failed_with(leader.state.record(kA, twice), Errc::invalid));
  BOOST_TEST(leader.accounted(leader.state) == kSpace.count);
}

BOOST_AUTO_TEST_CASE(space_of_another_member_is_refused) {
  Leader leader;
  const std::vector<Extent> granted = leader.state.grant(kA, 50, 1, 0);
  const auto commit = commit_of(TxnNo{1}, {granted[0].start, 4}, "a", "m");
  BOOST_TEST(failed_with(leader.state.record(kB, commit), Errc::invalid));
  BOOST_TEST(failed_with(leader.state.give_back(kB, granted), Errc::invalid));
  BOOST_TEST(leader.state.give_back(kA, granted).has_value());
  BOOST_TEST(leader.state.free_blocks() == kSpace.count);
}

BOOST_AUTO_TEST_CASE(freeing_what_is_free_or_outside_is_refused) {
  Leader leader;
  session::Commit commit;
  commit.txn = TxnNo{1};
  for (const Extent extent :
       {Extent{BlockNo{1000}, 1}, Extent{BlockNo{10}, 1}, Extent{BlockNo{1999}, 2},
        Extent{BlockNo{1500}, ~std::uint64_t{0}}}) {
    commit.freed = {extent};
    BOOST_TEST(failed_with(leader.state.record(kA, commit), Errc::invalid));
  }
}

BOOST_AUTO_TEST_CASE(a_restart_knows_what_was_made_durable) {
  Leader leader;
  const std::vector<Extent> granted = leader.state.grant(kA, 50, 1, 0);
  const auto commit = commit_of(TxnNo{1}, {granted[0].start, 4}, "a", "m");
  BOOST_REQUIRE(leader.state.record(kA, commit).has_value());
  const Seq issued = leader.state.issue_seq(Seq{});
  leader.make_durable();
  ServerState again(superblock());
  leader.load(again);
  BOOST_TEST((again.granted(kA) == leader.state.granted(kA)));
  BOOST_TEST((again.members().at(kA).recorded == TxnNo{1}));
  BOOST_TEST(again.free_blocks() == leader.state.free_blocks());
  // A new leader issues above everything the old one may have issued.
  BOOST_TEST((again.issue_seq(Seq{}) > issued));
  BOOST_TEST(leader.accounted(again) == kSpace.count);
}

BOOST_AUTO_TEST_CASE(what_the_dead_had_is_free_and_what_it_recorded_stays) {
  Leader leader;
  const std::vector<Extent> granted = leader.state.grant(kA, 50, 1, 0);
  const auto commit = commit_of(TxnNo{1}, {granted[0].start, 4}, "a", "m");
  BOOST_REQUIRE(leader.state.record(kA, commit).has_value());
  leader.state.set_dead(kA);
  leader.state.reclaim(kA);
  BOOST_TEST(leader.state.free_blocks() == kSpace.count - 4);
  BOOST_TEST(leader.state.manifest().count(0) == 1);
  BOOST_TEST(!leader.state.members().contains(kA));
}

BOOST_AUTO_TEST_CASE(inputs_of_a_compaction_are_free_only_when_no_older_list_is_in_use) {
  Leader leader;
  const std::vector<Extent> granted = leader.state.grant(kA, 50, 1, 0);
  const auto commit = commit_of(TxnNo{1}, {granted[0].start, 4}, "a", "m");
  BOOST_REQUIRE(leader.state.record(kA, commit).has_value());
  lsm::Job job;
  job.id = leader.state.next_job();
  leader.state.manifest().for_each(
      [&job](const lsm::Placed& placed) { job.inputs.push_back(placed); });
  job.output_level = 1;
  const auto space = leader.state.start_job(kB, job);
  BOOST_REQUIRE(space.has_value());
  BOOST_TEST(failed_with(leader.state.finish_job(kA, job, {}), Errc::invalid));
  lsm::SegmentInfo output = job.inputs[0].info;
  output.ref = {{space->front().start, 3}, 99};
  BOOST_REQUIRE(leader.state.finish_job(kB, job, {output}).has_value());
  BOOST_TEST(leader.state.replaced_blocks() == 4);
  const Version replaced = leader.state.newest_replaced();
  BOOST_TEST(!leader.state.free_replaced(Version{replaced.value - 1}));
  BOOST_TEST(leader.state.free_replaced(replaced));
  BOOST_TEST(leader.state.replaced_blocks() == 0);
  BOOST_TEST(leader.accounted(leader.state) == kSpace.count);
  leader.state.check_invariants();
}

BOOST_AUTO_TEST_CASE(a_grant_leaves_the_reserve) {
  Leader leader;
  leader.state.grant(kA, 5000, 1, 300);
  BOOST_TEST(leader.state.free_blocks() == 300);
  BOOST_TEST(leader.state.grant(kA, 10, 1, 300).empty());
  BOOST_TEST(!leader.state.grant(kA, 10, 1, 100).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::server
