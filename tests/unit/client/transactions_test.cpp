// Transactions of one node, recorded by a leader that a test plays.
#include "engine/client/transactions.hpp"

#include "tests/support/scripted_leader.hpp"
#include "tests/test.hpp"

namespace scoutfs::client {
namespace {

using session::Commit;
using session::SpaceRequest;

constexpr std::uint64_t kFirstSpace = 1000;  // blocks; granted from here on

struct TransactionsFixture : testing::MemberWorld {
  TransactionsFixture() {
    member.start();
    transactions.start();
    scheduler.run();
  }
  ~TransactionsFixture() {
    // What is not answered ends with the session.
    transactions.fail(Errc::stopping);
    run(member.stop());
    run(transactions.stop());
  }

  static Transactions::Options options() {
    return {.commit_interval_ns = kSecond,
            .commit_bytes_max = 10'000,
            .dirty_bytes_max = 100'000,
            .grant_blocks = 64,
            .segment_size_max = 1u << 20,
            .fsid = Fsid{7}};
  }
  Transactions::Hooks hooks() {
    return {.on_recorded =
                [this](TransactionState& txn, const session::CommitAnswer&) {
                  recorded.push_back(txn.number.value);
                },
            .on_failed = [this](Error error) { failures.push_back(error.code); }};
  }

  // Answers what was asked for so far, as a leader with plenty does; commits only if wanted.
  void answer_all(bool commits = true) {
    scheduler.run();
    for (std::size_t i = 0; i < leader.asked.size(); ++i) {
      const auto& [id, request] = leader.asked[i];
      if (answered.contains(id)) continue;
      if (const auto* seq = std::get_if<session::SeqRequest>(&request)) {
        next_seq = std::max(next_seq, seq->above.value) + 1;
        leader.answer(id, session::SeqAnswer{.seq = Seq{next_seq}});
      } else if (const auto* space = std::get_if<SpaceRequest>(&request)) {
        session::SpaceAnswer granted;
        if (plenty) granted.extents = {{BlockNo{next_space}, space->blocks}};
        next_space += space->blocks;
        leader.answer(id, granted);
      } else if (commits && std::holds_alternative<Commit>(request)) {
        leader.answer(id, session::CommitAnswer{});
      } else {
        continue;
      }
      answered.insert(id);
      scheduler.run();
    }
  }
  Task<void> begin_for(Reservation reservation) {
    const Result<void> begun = co_await transactions.begin(reservation, nullptr);
    if (begun.has_value()) {
      ++begins;
    } else {
      failures.push_back(begun.error().code);
    }
  }
  void begin(Reservation reservation) {
    scope.spawn(begin_for(reservation));
    answer_all();
  }
  // One operation that puts an item of so many bytes.
  void put(const std::string& key, std::size_t size = 10) {
    begin({.item_bytes = key.size() + size, .data_blocks = 0, .not_below = {}});
    transactions.open().items.set(key, lsm::Entry(std::string(size, 'v')));
  }
  Task<void> sync_to(TxnNo txn) {
    const Result<void> synced = co_await transactions.commit_up_to(txn);
    if (synced.has_value()) ++syncs;
  }
  void sync() { scope.spawn(sync_to(transactions.newest())); }
  std::vector<Commit> commits() { return leader.requests<Commit>(); }

  testing::ScriptedLeader leader{*this};
  testing::QuietOwner owner;
  LeaderSession member{env(), testing::a_member(), leader, owner};
  Transactions transactions{env(), member, options(), hooks()};
  std::set<RequestId> answered;
  bool plenty = true;
  std::uint64_t next_seq = 100, next_space = kFirstSpace;
  std::vector<std::uint64_t> recorded;
  std::vector<Errc> failures;
  int begins = 0, syncs = 0;
  TaskScope scope{scheduler};
};

BOOST_FIXTURE_TEST_SUITE(transactions, TransactionsFixture)

BOOST_AUTO_TEST_CASE(an_operation_begins_with_a_seq_and_space_for_its_worst_case) {
  begin({.item_bytes = 100, .data_blocks = 5, .not_below = {}});
  BOOST_TEST(begins == 1);
  BOOST_TEST(transactions.open().seq.value == 101U);
  BOOST_TEST(leader.requests<SpaceRequest>().size() == 2U);  // segments and data
  BOOST_TEST(transactions.pool_blocks() >= 5U);
  begin({.item_bytes = 100, .data_blocks = 5, .not_below = {}});
  BOOST_TEST(begins == 2);
  BOOST_TEST(leader.asked.size() == 3U);
}

BOOST_AUTO_TEST_CASE(a_commit_goes_out_after_its_segments_and_a_flush) {
  put("key");
  const std::uint64_t flushes = device.counters().flushes;
  sync();
  scheduler.run();
  BOOST_REQUIRE(commits().size() == 1U);
  BOOST_CHECK(commits()[0].txn == TxnNo{1});
  BOOST_TEST(commits()[0].seq.value == 101U);
  BOOST_REQUIRE(commits()[0].segments.size() == 1U);
  BOOST_TEST(commits()[0].segments[0].item_count == 1U);
  BOOST_TEST(device.counters().flushes == flushes + 1);
  BOOST_TEST(device.unflushed_count() == 0U);
  BOOST_TEST(syncs == 0);
  answer_all();
  BOOST_TEST(syncs == 1);
  BOOST_CHECK(transactions.recorded() == TxnNo{1});
}

BOOST_AUTO_TEST_CASE(a_transaction_commits_by_age) {
  put("key");
  pass(900 * kMillisecond);
  BOOST_TEST(commits().empty());
  pass(200 * kMillisecond);
  BOOST_TEST(commits().size() == 1U);
  answer_all();
  // Nothing changed since: nothing more to commit.
  pass(5 * kSecond);
  BOOST_TEST(commits().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_full_transaction_makes_room_for_the_next) {
  put("a", 6'000);
  put("b", 6'000);
  BOOST_TEST(commits().size() == 1U);
  BOOST_CHECK(transactions.open().number == TxnNo{2});
  BOOST_TEST((recorded == std::vector<std::uint64_t>{1}));
}

BOOST_AUTO_TEST_CASE(transactions_are_recorded_in_their_order) {
  for (const char* key : {"a", "b", "c"}) {
    put(key);
    sync();
    scheduler.run();
  }
  BOOST_REQUIRE(commits().size() == 3U);
  for (std::uint64_t i = 0; i < 3; ++i) BOOST_CHECK(commits()[i].txn == TxnNo{i + 1});
  answer_all();
  BOOST_TEST((recorded == std::vector<std::uint64_t>{1, 2, 3}));
  BOOST_TEST(syncs == 3);
}

BOOST_AUTO_TEST_CASE(a_commit_names_what_it_uses_and_frees) {
  begin({.item_bytes = 10, .data_blocks = 8, .not_below = {}});
  const Extent used = transactions.allocate(8, {});
  BOOST_TEST(used.count == 8U);
  transactions.free({BlockNo{500}, 3});                   // of an earlier transaction
  transactions.free({BlockNo{used.start.value + 6}, 2});  // of this one
  sync();
  scheduler.run();
  BOOST_REQUIRE(commits().size() == 1U);
  BOOST_CHECK(commits()[0].used == (std::vector<Extent>{{used.start, 6}}));
  BOOST_CHECK(commits()[0].freed == (std::vector<Extent>{{BlockNo{500}, 3}}));
}

BOOST_AUTO_TEST_CASE(an_inode_with_a_newer_seq_opens_the_next_transaction) {
  put("a");
  begin({.item_bytes = 10, .data_blocks = 0, .not_below = Seq{500}});
  BOOST_TEST(transactions.open().seq.value >= 500U);
  BOOST_CHECK(transactions.open().number == TxnNo{2});
  BOOST_REQUIRE(commits().size() == 1U);
  BOOST_TEST(commits()[0].seq.value == 101U);
}

BOOST_AUTO_TEST_CASE(a_seq_that_holds_up_an_index_walk_is_committed_or_given_back) {
  begin({.item_bytes = 10, .data_blocks = 0, .not_below = {}});
  transactions.on_commit_wanted(Seq{101});
  scheduler.run();
  // Not used for anything.
  BOOST_REQUIRE(leader.notices<session::DropSeq>().size() == 1U);
  BOOST_CHECK(leader.notices<session::DropSeq>()[0].seq == Seq{101});
  put("a");
  transactions.on_commit_wanted(Seq{102});
  scheduler.run();
  BOOST_TEST(commits().size() == 1U);
}

BOOST_AUTO_TEST_CASE(without_space_an_operation_is_refused) {
  plenty = false;
  begin({.item_bytes = 10, .data_blocks = 0, .not_below = {}});
  BOOST_TEST((failures == std::vector<Errc>{Errc::no_space}));
}

BOOST_AUTO_TEST_CASE(what_could_not_be_written_is_never_sent) {
  put("a");
  device.fail_write(1);
  sync();
  pass(5 * kSecond);
  BOOST_TEST((failures == std::vector<Errc>{Errc::io_error}));
  BOOST_TEST(commits().empty());
}

BOOST_AUTO_TEST_CASE(what_could_not_be_flushed_is_never_sent) {
  put("a");
  device.fail_flush(1);
  sync();
  pass(5 * kSecond);
  BOOST_TEST((failures == std::vector<Errc>{Errc::io_error}));
  BOOST_TEST(commits().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::client
