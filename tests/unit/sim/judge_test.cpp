#include "sim/judge.hpp"

#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

constexpr std::uint32_t kFile = format::kTypeRegular | 0644;

// An engine that does what the test says.
struct Court {
  EventQueue events;
  Trace trace;
  OracleBoard board;
  Judge judge{events, trace, board, 0755};

  Outcome created(Ino ino, std::uint32_t nlink = 1) {
    Outcome outcome;
    fs::Attributes attributes;
    attributes.ino = ino;
    attributes.inode.mode = kFile;
    attributes.inode.nlink = nlink;
    outcome.attributes = attributes;
    return outcome;
  }
  static Outcome failed(Errc error) {
    Outcome outcome;
    outcome.error = error;
    return outcome;
  }
  void call(Life life, Operation op, TxnNo txn, const Outcome& outcome) {
    Judge::Call call(judge, life, static_cast<unsigned>(life), std::move(op));
    call.serialized(txn);
    call.finish(outcome);
  }
  void create(Life life, const std::string& name, TxnNo txn, Ino ino) {
    Operation op;
    op.kind = OpKind::create;
    op.ino = kRootIno;
    op.name = name;
    op.mode = kFile;
    call(life, op, txn, created(ino));
  }
  void lookup(Life life, const std::string& name, const Outcome& outcome) {
    Operation op;
    op.kind = OpKind::lookup;
    op.ino = kRootIno;
    op.name = name;
    call(life, op, TxnNo{}, outcome);
  }
  void sync(Life life) {
    Operation op;
    op.kind = OpKind::sync;
    Judge::Call call(judge, life, 0, op);
    call.finish({});
  }
  std::string oracle() const { return board.failed() ? board.failure()->oracle : ""; }
};

BOOST_AUTO_TEST_CASE(right_answers_pass) {
  Court court;
  court.create(1, "a", TxnNo{1}, Ino{10});
  court.lookup(2, "a", court.created(Ino{10}));
  court.lookup(2, "b", Court::failed(Errc::not_found));
  BOOST_TEST(court.oracle() == "");
}

BOOST_AUTO_TEST_CASE(a_name_that_another_node_does_not_see_is_found_out) {
  Court court;
  court.create(1, "a", TxnNo{1}, Ino{10});
  court.lookup(2, "a", Court::failed(Errc::not_found));
  BOOST_TEST(court.oracle() == "answer");
}

BOOST_AUTO_TEST_CASE(another_inode_number_or_link_count_is_found_out) {
  Court number;
  number.create(1, "a", TxnNo{1}, Ino{10});
  number.lookup(2, "a", number.created(Ino{11}));
  BOOST_TEST(number.oracle() == "answer");
  Court links;
  links.create(1, "a", TxnNo{1}, Ino{10});
  links.lookup(2, "a", links.created(Ino{10}, 2));
  BOOST_TEST(links.oracle() == "answer");
  Court twice;
  twice.create(1, "a", TxnNo{1}, Ino{10});
  twice.create(1, "b", TxnNo{1}, Ino{10});
  BOOST_TEST(twice.oracle() == "answer");
}

BOOST_AUTO_TEST_CASE(
    a_change_without_a_transaction_and_an_answer_without_an_instant_are_found_out) {
  Court change;
  change.create(1, "a", TxnNo{}, Ino{10});
  BOOST_TEST(change.oracle() == "witness");
  Court answer;
  Operation op;
  op.kind = OpKind::getattr;
  op.ino = kRootIno;
  Judge::Call call(answer.judge, 1, 0, op);
  call.finish(answer.created(kRootIno));
  BOOST_TEST(answer.oracle() == "witness");
}

BOOST_AUTO_TEST_CASE(a_crash_takes_back_what_was_not_recorded_and_no_more) {
  Court court;
  court.create(1, "kept", TxnNo{1}, Ino{10});
  court.create(1, "lost", TxnNo{2}, Ino{11});
  court.create(2, "other", TxnNo{1}, Ino{12});
  court.judge.died(1);
  court.judge.resolve(1, TxnNo{1});
  BOOST_TEST(court.judge.lost() == 1);
  // The other node's entry now has the position it was given in the log without the lost one.
  BOOST_TEST(court.oracle() == "");
  court.lookup(2, "kept", court.created(Ino{10}));
  court.lookup(2, "lost", Court::failed(Errc::not_found));
  BOOST_TEST(court.oracle() == "");
}

BOOST_AUTO_TEST_CASE(losing_what_was_synced_is_found_out) {
  Court court;
  court.create(1, "a", TxnNo{1}, Ino{10});
  court.sync(1);
  court.create(1, "b", TxnNo{2}, Ino{11});
  court.judge.died(1);
  Court fine;
  court.judge.resolve(1, TxnNo{0});
  BOOST_TEST(court.oracle() == "crash");
}

BOOST_AUTO_TEST_CASE(a_survivor_that_saw_what_was_lost_is_found_out) {
  Court court;
  court.create(1, "a", TxnNo{1}, Ino{10});
  court.lookup(2, "a", court.created(Ino{10}));
  court.judge.died(1);
  court.judge.resolve(1, TxnNo{0});
  BOOST_TEST(court.oracle() == "crash");
}

BOOST_AUTO_TEST_CASE(an_unlinked_file_is_there_while_a_node_has_it_open_and_may_go_afterwards) {
  Court court;
  court.create(1, "a", TxnNo{1}, Ino{10});
  Operation op;
  op.kind = OpKind::open;
  op.ino = Ino{10};
  court.call(2, op, TxnNo{}, court.created(Ino{10}));
  Operation unlink;
  unlink.kind = OpKind::unlink;
  unlink.ino = kRootIno;
  unlink.name = "a";
  court.call(1, unlink, TxnNo{2}, {});
  op.kind = OpKind::getattr;
  court.call(2, op, TxnNo{}, court.created(Ino{10}, 0));
  court.call(1, op, TxnNo{}, court.created(Ino{10}, 0));
  BOOST_TEST(court.oracle() == "");
  court.judge.closed(2, Ino{10});
  court.call(2, op, TxnNo{}, Court::failed(Errc::not_found));
  BOOST_TEST(court.oracle() == "");
}

BOOST_AUTO_TEST_CASE(an_open_file_that_goes_is_found_out) {
  Court court;
  court.create(1, "a", TxnNo{1}, Ino{10});
  Operation op;
  op.kind = OpKind::open;
  op.ino = Ino{10};
  court.call(2, op, TxnNo{}, court.created(Ino{10}));
  Operation unlink;
  unlink.kind = OpKind::unlink;
  unlink.ino = kRootIno;
  unlink.name = "a";
  court.call(1, unlink, TxnNo{2}, {});
  op.kind = OpKind::getattr;
  court.call(2, op, TxnNo{}, Court::failed(Errc::not_found));
  BOOST_TEST(court.oracle() == "answer");
}

BOOST_AUTO_TEST_CASE(a_seek_may_say_less_than_is_known_but_nothing_false) {
  Court court;
  court.create(1, "a", TxnNo{1}, Ino{10});
  Operation write;
  write.kind = OpKind::write;
  write.ino = Ino{10};
  write.offset = 8192;
  write.data = "x";
  Outcome wrote;
  wrote.number = 8192;
  court.call(1, write, TxnNo{1}, wrote);
  Operation seek;
  seek.kind = OpKind::seek;
  seek.ino = Ino{10};
  seek.seek = fs::Seek::data;
  for (const std::uint64_t where : {0ULL, 4096ULL, 8192ULL}) {
    Outcome outcome;
    outcome.number = where;
    court.call(1, seek, TxnNo{}, outcome);
  }
  BOOST_TEST(court.oracle() == "");
  court.call(1, seek, TxnNo{}, Court::failed(Errc::no_such_position));
  BOOST_TEST(court.oracle() == "answer");
}

BOOST_AUTO_TEST_CASE(an_io_error_needs_a_disk_that_failed_something) {
  for (const bool disk_failed : {false, true}) {
    Court court;
    court.judge.set_disk_failed([disk_failed](Life life) { return disk_failed && life == 1; });
    Operation op;
    op.kind = OpKind::getattr;
    op.ino = kRootIno;
    Judge::Call call(court.judge, 1, 0, op);
    call.finish(Court::failed(Errc::io_error));
    BOOST_TEST(court.oracle() == (disk_failed ? "" : "eio"));
  }
}

BOOST_AUTO_TEST_CASE(an_operation_that_took_effect_does_not_fail_with_an_io_error) {
  Court court;
  court.judge.set_disk_failed([](Life) { return true; });
  Operation op;
  op.kind = OpKind::create;
  op.ino = kRootIno;
  op.name = "a";
  op.mode = kFile;
  court.call(1, op, TxnNo{1}, Court::failed(Errc::io_error));
  BOOST_TEST(court.oracle() == "answer");
}

BOOST_AUTO_TEST_CASE(no_space_needs_a_full_volume_and_an_operation_that_takes_some) {
  struct Case {
    OpKind kind;
    std::uint64_t length;
    bool full;
    std::string oracle;
  };
  for (const Case& one :
       {Case{OpKind::write, 0, true, ""}, Case{OpKind::write, 0, false, "space"},
        Case{OpKind::unlink, 0, true, "space"}, Case{OpKind::rmdir, 0, true, "space"},
        Case{OpKind::truncate, 0, true, "space"}, Case{OpKind::truncate, 5'000, true, ""}}) {
    Court court;
    court.judge.set_was_full([&one](TimeNs) { return one.full; });
    Operation op;
    op.kind = one.kind;
    op.ino = kRootIno;
    op.name = "a";
    op.length = one.length;
    Judge::Call call(court.judge, 1, 0, op);
    call.finish(Court::failed(Errc::no_space));
    BOOST_TEST(court.oracle() == one.oracle);
  }
}

// A wall clock of a node, set by hand.
class WallClock final : public Clock {
 public:
  TimeNs now_ns() const override { return 0; }
  TimeNs wall_ns() const override { return wall; }
  TimeNs wall = 0;
};

format::Timespec at(TimeNs ns) {
  return {static_cast<std::int64_t>(ns / kSecond), static_cast<std::uint32_t>(ns % kSecond)};
}

// A file that was created between 100 s and 101 s, and what its attributes show then.
struct Dated : Court {
  WallClock clock;
  Outcome shown = created(Ino{70});

  Dated() {
    Operation op;
    op.kind = OpKind::create;
    op.ino = kRootIno;
    op.name = "a";
    op.mode = kFile;
    format::Inode& inode = shown.attributes->inode;
    inode.atime = inode.mtime = inode.ctime = at(100 * kSecond + 5);
    run(op, 100 * kSecond, 101 * kSecond, TxnNo{1}, shown);
  }
  void run(Operation op, TimeNs begins, TimeNs takes_effect, TxnNo txn,
           const Outcome& outcome) {
    clock.wall = begins;
    Judge::Call call(judge, 1, 0, std::move(op), &clock);
    clock.wall = takes_effect;
    call.serialized(txn);
    call.finish(outcome);
  }
  void getattr() {
    Operation op;
    op.kind = OpKind::getattr;
    op.ino = Ino{70};
    run(op, 200 * kSecond, 200 * kSecond, TxnNo{}, shown);
  }
  void truncate(std::uint64_t data_version) {
    Operation op;
    op.kind = OpKind::truncate;
    op.ino = Ino{70};
    op.length = 7;
    shown.attributes->inode.size = 7;
    shown.attributes->inode.data_version = data_version;
    run(op, 110 * kSecond, 111 * kSecond, TxnNo{2}, shown);
  }
};

BOOST_AUTO_TEST_CASE(times_are_those_of_the_operation_that_set_them) {
  Dated right;
  right.shown.attributes->inode.mtime = at(110 * kSecond);
  right.shown.attributes->inode.ctime = at(111 * kSecond);
  right.truncate(1);
  right.getattr();
  BOOST_TEST(right.oracle() == "");

  Dated not_changed;
  not_changed.truncate(1);
  BOOST_TEST(not_changed.oracle() == "answer");

  Dated changed_later;
  changed_later.shown.attributes->inode.ctime = at(100 * kSecond + 6);
  changed_later.getattr();
  BOOST_TEST(changed_later.oracle() == "answer");
}

BOOST_AUTO_TEST_CASE(the_data_version_counts_changes_of_contents) {
  Dated court;
  court.shown.attributes->inode.mtime = court.shown.attributes->inode.ctime = at(110 * kSecond);
  court.truncate(0);
  BOOST_TEST(court.oracle() == "answer");
}

BOOST_AUTO_TEST_CASE(an_access_time_needs_a_creation_or_a_read) {
  for (const bool reads : {false, true}) {
    Dated court;
    Operation op;
    op.kind = OpKind::read;
    op.ino = Ino{70};
    op.length = 10;
    if (reads) court.run(op, 150 * kSecond, 151 * kSecond, TxnNo{}, {});
    court.shown.attributes->inode.atime = at(152 * kSecond);
    court.getattr();
    BOOST_TEST(court.oracle() == (reads ? "" : "answer"));
  }
}

BOOST_AUTO_TEST_CASE(a_path_is_the_next_one_and_true) {
  struct Case {
    std::optional<std::string> path;
    std::uint64_t position;
    std::string oracle;
  };
  for (const Case& one :
       {Case{"a", format::kFirstPosition, ""}, Case{"b", format::kFirstPosition, "answer"},
        Case{"a", format::kFirstPosition + 1, "answer"}, Case{std::nullopt, 0, "answer"}}) {
    Court court;
    court.create(1, "a", TxnNo{1}, Ino{70});
    Operation op;
    op.kind = OpKind::ino_path;
    op.ino = Ino{70};
    Outcome outcome = Court::failed(Errc::not_found);
    if (one.path.has_value()) {
      outcome = {};
      outcome.path = fs::FileSystem::Path{kRootIno, one.position, *one.path};
    }
    court.call(1, op, TxnNo{}, outcome);
    BOOST_TEST(court.oracle() == one.oracle);
  }
}

BOOST_AUTO_TEST_CASE(statfs_counts_what_files_hold) {
  for (const std::uint64_t free : {99U, 100U}) {
    Court court;
    court.judge.set_total_blocks(100);
    court.create(1, "a", TxnNo{1}, Ino{70});
    Operation write;
    write.kind = OpKind::write;
    write.ino = Ino{70};
    write.data = "x";
    court.call(1, write, TxnNo{1}, {});
    Operation op;
    op.kind = OpKind::statfs;
    Outcome outcome;
    outcome.statfs = fs::StatFs{.total_blocks = 100, .free_blocks = free};
    Judge::Call call(court.judge, 1, 0, op);
    call.finish(outcome);
    BOOST_TEST(court.oracle() == (free == 100 ? "answer" : ""));
  }
}

}  // namespace
}  // namespace scoutfs::sim
