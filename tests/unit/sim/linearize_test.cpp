#include "sim/linearize/linearize.hpp"

#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

constexpr Ino kDir{1}, kFile{7};

// Calls with the times at which they were called and answered; 0: never.
struct Calls {
  HistoryCall& add(std::uint64_t called_at, std::uint64_t answered_at, OpKind kind, Ino ino) {
    HistoryCall& call = calls.emplace_back();
    call.called_at = called_at;
    if (answered_at != 0) call.answered_at = answered_at;
    call.op.kind = kind;
    call.op.ino = ino;
    return call;
  }
  HistoryCall& name(std::uint64_t called_at, std::uint64_t answered_at, OpKind kind,
                    const std::string& name, std::optional<Errc> error = {}) {
    HistoryCall& call = add(called_at, answered_at, kind, kDir);
    call.op.name = name;
    call.outcome.error = error;
    if (error.has_value()) return call;
    call.outcome.attributes.emplace();
    call.outcome.attributes->ino = kFile;
    return call;
  }
  void write(std::uint64_t called_at, std::uint64_t answered_at, std::uint64_t offset,
             const std::string& data) {
    HistoryCall& call = add(called_at, answered_at, OpKind::write, kFile);
    call.op.offset = offset;
    call.op.data = data;
  }
  void append(std::uint64_t called_at, std::uint64_t answered_at, std::uint64_t offset,
              const std::string& data) {
    HistoryCall& call = add(called_at, answered_at, OpKind::append, kFile);
    call.op.data = data;
    call.outcome.number = offset;
  }
  void read(std::uint64_t called_at, std::uint64_t answered_at, const std::string& bytes) {
    HistoryCall& call = add(called_at, answered_at, OpKind::read, kFile);
    call.op.length = 100;
    call.outcome.bytes = bytes;
  }
  bool fit() const {
    const LinearizeResult result = linearize(calls);
    BOOST_TEST(result.undecided == 0U);
    return result.problem.empty();
  }

  std::vector<HistoryCall> calls;
};

BOOST_AUTO_TEST_CASE(of_two_who_create_a_name_one_wins) {
  Calls both;
  both.name(1, 3, OpKind::create, "a");
  both.name(2, 4, OpKind::create, "a");
  BOOST_TEST(!both.fit());
  Calls one;
  one.name(1, 3, OpKind::create, "a");
  one.name(2, 4, OpKind::create, "a", Errc::exists);
  BOOST_TEST(one.fit());
}

BOOST_AUTO_TEST_CASE(an_answer_counts_for_whoever_asks_later) {
  Calls stale;
  stale.name(1, 2, OpKind::create, "a");
  stale.name(3, 4, OpKind::lookup, "a", Errc::not_found);
  BOOST_TEST(!stale.fit());
  Calls beside;
  beside.name(1, 4, OpKind::create, "a");
  beside.name(2, 3, OpKind::lookup, "a", Errc::not_found);
  beside.name(5, 6, OpKind::lookup, "a");
  BOOST_TEST(beside.fit());
}

BOOST_AUTO_TEST_CASE(what_one_has_seen_the_next_sees_too) {
  Calls back_and_forth;
  back_and_forth.name(1, 9, OpKind::create, "a");
  back_and_forth.name(2, 3, OpKind::lookup, "a");
  back_and_forth.name(4, 5, OpKind::lookup, "a", Errc::not_found);
  BOOST_TEST(!back_and_forth.fit());
}

BOOST_AUTO_TEST_CASE(a_call_without_an_answer_may_have_happened_or_not) {
  for (const std::optional<Errc> error :
       {std::optional<Errc>(), std::optional(Errc::not_found)}) {
    Calls calls;
    calls.name(1, 2, OpKind::lookup, "a", Errc::not_found);
    calls.name(3, 0, OpKind::create, "a");
    calls.name(4, 5, OpKind::lookup, "a", error);
    BOOST_TEST(calls.fit());
  }
  Calls never;
  never.name(1, 2, OpKind::lookup, "a", Errc::not_found);
  never.name(4, 5, OpKind::lookup, "a");
  never.name(6, 0, OpKind::create, "a");
  BOOST_TEST(!never.fit());
}

BOOST_AUTO_TEST_CASE(a_listing_shows_all_names_at_one_instant) {
  const auto listed = [](const std::vector<std::string>& names) {
    Calls calls;
    calls.name(1, 2, OpKind::create, "a");
    calls.name(3, 9, OpKind::rename, "a").op.name2 = "b";
    calls.calls.back().op.other = kDir;
    calls.name(1, 2, OpKind::lookup, "b", Errc::not_found);
    HistoryCall& listing = calls.add(4, 5, OpKind::readdir, kDir);
    listing.op.length = 100;
    for (const std::string& name : names) {
      listing.outcome.entries.push_back({.name = name, .ino = kFile});
    }
    return calls.fit();
  };
  BOOST_TEST(listed({"a"}));
  BOOST_TEST(listed({"b"}));
  BOOST_TEST(!listed({}));
  BOOST_TEST(!listed({"a", "b"}));
}

BOOST_AUTO_TEST_CASE(a_read_shows_whole_writes_in_one_order) {
  const auto reads = [](const std::string& first, const std::string& second) {
    Calls calls;
    calls.write(1, 4, 0, "aaaa");
    calls.write(2, 5, 0, "bbbb");
    calls.read(6, 7, first);
    calls.read(8, 9, second);
    return calls.fit();
  };
  BOOST_TEST(reads("aaaa", "aaaa"));
  BOOST_TEST(reads("bbbb", "bbbb"));
  BOOST_TEST(!reads("aaaa", "bbbb"));
  BOOST_TEST(!reads("aabb", "aabb"));
}

BOOST_AUTO_TEST_CASE(parts_of_a_file_that_were_replaced_are_told_apart) {
  const auto reads = [](const std::string& bytes) {
    Calls calls;
    calls.write(1, 2, 0, "aaaaaaaa");
    calls.write(3, 4, 2, "bb");
    calls.write(5, 6, 6, "cc");
    calls.write(7, 8, 1, "dddddd");
    calls.write(9, 10, 3, "ee");
    calls.read(11, 12, bytes);
    return calls.fit();
  };
  BOOST_TEST(reads("addeeddc"));
  BOOST_TEST(!reads("addeedcc"));
  BOOST_TEST(!reads("abdeeddc"));
}

BOOST_AUTO_TEST_CASE(appends_are_one_behind_the_other) {
  const auto appended_at = [](std::uint64_t first, std::uint64_t second) {
    Calls calls;
    calls.append(1, 3, first, "aa");
    calls.append(2, 4, second, "bbb");
    return calls.fit();
  };
  BOOST_TEST(appended_at(0, 2));
  BOOST_TEST(appended_at(3, 0));
  BOOST_TEST(!appended_at(0, 0));
  BOOST_TEST(!appended_at(0, 3));
}

BOOST_AUTO_TEST_CASE(what_was_cut_off_is_zeros_when_the_file_grows_again) {
  const auto reads = [](const std::string& bytes) {
    Calls calls;
    calls.append(1, 2, 0, "aaaa");
    calls.add(3, 4, OpKind::truncate, kFile).op.length = 2;
    calls.add(5, 6, OpKind::truncate, kFile).op.length = 4;
    calls.read(7, 8, bytes);
    return calls.fit();
  };
  BOOST_TEST(reads(std::string("aa\0\0", 4)));
  BOOST_TEST(!reads("aaaa"));
  BOOST_TEST(!reads("aa"));
}

// Ends what a history has recorded and says whether it was right.
bool accepted(const History::Options& options, const std::function<void(History&)>& run) {
  OracleBoard board;
  History history(board, SimRandom(1, Stream::test), options);
  run(history);
  history.cut();
  BOOST_TEST(board.checks().at("linearizable") > 0U);
  return !board.failed();
}

void two_getattrs(History& history) {
  Operation op;
  op.kind = OpKind::getattr;
  op.ino = kFile;
  Outcome outcome;
  outcome.attributes.emplace();
  outcome.attributes->inode.mode = format::kTypeRegular;
  for (unsigned node = 0; node < 2; ++node) history.answered(history.called(node, op), outcome);
}

BOOST_AUTO_TEST_CASE(a_history_notices_an_answer_that_was_falsified) {
  BOOST_TEST(accepted({.one_in = 1}, two_getattrs));
  BOOST_TEST(!accepted({.one_in = 1, .falsifies = true}, two_getattrs));
}

BOOST_AUTO_TEST_CASE(a_death_ends_a_window) {
  const auto lost = [](bool dies) {
    return accepted({.one_in = 1}, [dies](History& history) {
      Operation op;
      op.kind = OpKind::create;
      op.ino = kDir;
      op.name = "a";
      Outcome made;
      made.attributes.emplace();
      history.answered(history.called(0, op), made);
      if (dies) history.died(0);
      Outcome none;
      none.error = Errc::not_found;
      op.kind = OpKind::lookup;
      history.answered(history.called(1, op), none);
    });
  };
  BOOST_TEST(lost(true));
  BOOST_TEST(!lost(false));
}

}  // namespace
}  // namespace scoutfs::sim
