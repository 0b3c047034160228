// Each workload is played an engine that answers what the test says.
#include "sim/plan.hpp"
#include "sim/workloads/make_workload.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

constexpr Life kFirst = 1, kSecond = 2;

struct Stage {
  explicit Stage(WorkloadKind kind)
      : workload(make_workload(kind,
                               {.plan = plan,
                                .board = board,
                                .fates = fates,
                                .random = SimRandom(1, Stream::test)},
                               draws)) {
    fates.whole = [this](Life life) { return !dead.contains(life); };
    while (const std::optional<Operation> op = workload->set_up()) {
      Outcome made;
      made.attributes.emplace();
      made.attributes->ino = Ino{next_ino};
      RestTree::Node& node = tree.nodes[Ino{next_ino}];
      node.inode.mode = op->mode;
      node.inode.nlink = 1;
      tree.nodes[op->ino].entries[op->name] = Ino{next_ino};
      inos[op->name] = Ino{next_ino++};
      done(kFirst, *op, made);
    }
    fates.synced[kFirst] = now;
  }

  WorkloadCall begin(Life life, Operation op) {
    WorkloadCall call{
        .caller = {.node = static_cast<unsigned>(life), .worker = 0, .life = life},
        .op = std::move(op),
        .called_at = ++now};
    workload->called(call);
    return call;
  }
  void end(WorkloadCall call, const Outcome& outcome) {
    call.answered_at = ++now;
    workload->answered(call, outcome);
  }
  void done(Life life, Operation op, const Outcome& outcome) {
    end(begin(life, std::move(op)), outcome);
  }
  void append(Life life, std::uint64_t stamp, std::uint64_t offset) {
    Operation op = on_inode(OpKind::append, inos["log0"]);
    op.data = stamped_data(16, stamp);
    Outcome outcome;
    outcome.number = offset;
    done(life, op, outcome);
  }
  Operation write(std::uint64_t offset, std::uint64_t size, std::uint64_t number) {
    Operation op = on_inode(OpKind::write, inos["data0"]);
    op.offset = offset;
    op.data = stamped_data(size, 0xa5ULL << 56 | number << 8);
    return op;
  }
  void read(const std::string& file, std::uint64_t length, std::string bytes) {
    Operation op = on_inode(OpKind::read, inos[file]);
    op.length = length;
    Outcome outcome;
    outcome.bytes = std::move(bytes);
    done(kSecond, op, outcome);
  }
  static Outcome found(Ino ino, std::uint64_t size = 0) {
    Outcome outcome;
    outcome.attributes.emplace();
    outcome.attributes->ino = ino;
    outcome.attributes->inode.size = size;
    return outcome;
  }
  bool rejects_tree() {
    workload->check(tree);
    return board.failed();
  }

  Plan plan;
  OracleBoard board;
  Fates fates;
  SimRandom draws{1, Stream::test};
  std::set<Life> dead;
  RestTree tree;
  std::map<std::string, Ino> inos;
  std::uint64_t next_ino = 1000;
  std::uint64_t now = 0;
  std::unique_ptr<Workload> workload;
};

BOOST_AUTO_TEST_CASE(every_workload_accepts_the_tree_that_it_laid_out) {
  for (std::size_t kind = 0; kind < kWorkloadKinds; ++kind) {
    Stage stage(static_cast<WorkloadKind>(kind));
    BOOST_TEST(!stage.rejects_tree(), to_string(static_cast<WorkloadKind>(kind)));
  }
}

BOOST_AUTO_TEST_CASE(a_file_of_the_rename_ring_is_in_one_place) {
  Stage twice(WorkloadKind::rename_ring);
  twice.tree.nodes[twice.inos["place1"]].entries["file0"] = twice.inos["file0"];
  BOOST_TEST(twice.rejects_tree());
  Stage gone(WorkloadKind::rename_ring);
  gone.tree.nodes[gone.inos["place0"]].entries.erase("file0");
  BOOST_TEST(gone.rejects_tree());
  Stage another(WorkloadKind::rename_ring);
  another.tree.nodes[another.inos["place0"]].entries["file0"] = another.inos["file1"];
  BOOST_TEST(another.rejects_tree());
}

BOOST_AUTO_TEST_CASE(a_link_belongs_to_its_file_and_is_counted) {
  Stage strange(WorkloadKind::link_ring);
  strange.tree.nodes[strange.inos["link-ring"]].entries["file0.1"] = strange.inos["file1"];
  BOOST_TEST(strange.rejects_tree());
  Stage uncounted(WorkloadKind::link_ring);
  uncounted.tree.nodes[uncounted.inos["link-ring"]].entries["file0.1"] =
      uncounted.inos["file0"];
  BOOST_TEST(uncounted.rejects_tree());
  Stage looked(WorkloadKind::link_ring);
  looked.done(kSecond, on_name(OpKind::lookup, looked.inos["link-ring"], "file2.0"),
              Stage::found(looked.inos["file3"]));
  BOOST_TEST(looked.board.failed());
}

BOOST_AUTO_TEST_CASE(one_of_those_who_create_a_name_wins) {
  Stage stage(WorkloadKind::shared_creates);
  const Operation op = new_file(OpKind::create, stage.inos["shared-creates"], "wanted0");
  stage.done(kFirst, op, Stage::found(Ino{7}));
  // What a dead node did may be lost.
  stage.dead = {kFirst};
  stage.fates.synced.clear();
  stage.done(kSecond, op, Stage::found(Ino{8}));
  BOOST_TEST(!stage.board.failed());
  stage.done(3, op, Stage::found(Ino{9}));
  BOOST_TEST(stage.board.failed());
}

BOOST_AUTO_TEST_CASE(what_was_created_is_listed_and_nothing_else) {
  Stage gone(WorkloadKind::shared_creates);
  gone.done(kSecond, new_file(OpKind::create, gone.inos["shared-creates"], "own1"),
            Stage::found(Ino{7}));
  BOOST_TEST(gone.rejects_tree());
  Stage strange(WorkloadKind::shared_creates);
  strange.tree.nodes[strange.inos["shared-creates"]].entries["own1"] = Ino{7};
  BOOST_TEST(strange.rejects_tree());
}

BOOST_AUTO_TEST_CASE(a_crash_takes_back_the_newest_part_of_what_a_worker_did) {
  Stage stage(WorkloadKind::appends);
  stage.append(kSecond, 0x10000, 0);
  stage.append(kSecond, 0x20000, 16);
  std::string& log = stage.tree.nodes[stage.inos["log0"]].content;
  log = stamped_data(16, 0x10000);
  Stage all_lives(WorkloadKind::appends);
  stage.dead = {kSecond};
  BOOST_TEST(!stage.rejects_tree());
  log = stamped_data(16, 0x20000);
  BOOST_TEST(stage.rejects_tree());
}

BOOST_AUTO_TEST_CASE(every_appended_record_is_there_once_and_whole) {
  for (const std::string& content :
       {std::string(), stamped_data(16, 0x10000) + stamped_data(16, 0x10000),
        stamped_data(8, 0x10000), stamped_data(16, 0x30000),
        std::string(16, '\0') + stamped_data(16, 0x10000)}) {
    Stage stage(WorkloadKind::appends);
    stage.append(kSecond, 0x10000, 0);
    BOOST_TEST(!stage.board.failed());
    stage.read("log0", 1000, content);
    BOOST_TEST(stage.board.failed(), content.size());
  }
}

BOOST_AUTO_TEST_CASE(nobody_reads_old_torn_or_strange_bytes) {
  const auto stage_with_two_writes = [] {
    auto stage = std::make_unique<Stage>(WorkloadKind::stamped_data);
    stage->done(kFirst, stage->write(0, 32, 1), {});
    stage->done(kSecond, stage->write(8, 16, 2), {});
    return stage;
  };
  const std::string first = stamped_data(32, 0xa5ULL << 56 | 1 << 8);
  const std::string second = stamped_data(16, 0xa5ULL << 56 | 2 << 8);
  const auto rejected = [&](const std::string& bytes) {
    const auto stage = stage_with_two_writes();
    stage->read("data0", 1000, bytes);
    return stage->board.failed();
  };
  BOOST_TEST(!rejected(first.substr(0, 8) + second + first.substr(24)));
  BOOST_TEST(rejected(first));                                                      // old
  BOOST_TEST(rejected(first.substr(0, 16) + second.substr(8) + first.substr(24)));  // torn
  BOOST_TEST(rejected(second + first.substr(16)));                                  // elsewhere
  BOOST_TEST(rejected(first.substr(0, 8) + second));                                // cut off
  BOOST_TEST(rejected(std::string(32, 'x')));                                       // nobody's
}

BOOST_AUTO_TEST_CASE(of_two_writes_at_a_time_one_hides_the_other) {
  Stage stage(WorkloadKind::stamped_data);
  const WorkloadCall a = stage.begin(kFirst, stage.write(0, 16, 1));
  const WorkloadCall b = stage.begin(kSecond, stage.write(0, 16, 2));
  stage.end(a, {});
  stage.end(b, {});
  const std::string first = stamped_data(16, 0xa5ULL << 56 | 1 << 8);
  const std::string second = stamped_data(16, 0xa5ULL << 56 | 2 << 8);
  stage.read("data0", 100, first);
  BOOST_TEST(!stage.board.failed());
  stage.read("data0", 100, first.substr(0, 8) + second.substr(8));
  BOOST_TEST(stage.board.failed());
}

BOOST_AUTO_TEST_CASE(an_open_file_stays_as_its_owner_left_it) {
  const auto open_stage = [](const std::function<void(Stage&)>& then) {
    Stage stage(WorkloadKind::open_unlinked);
    stage.done(kFirst, new_file(OpKind::create_open, stage.inos["open-unlinked"], "file0"),
               Stage::found(Ino{7}));
    stage.done(kSecond, on_name(OpKind::unlink, stage.inos["open-unlinked"], "file0"), {});
    then(stage);
    return stage.board.failed();
  };
  Outcome gone;
  gone.error = Errc::not_found;
  const auto getattr = [](Stage& stage, const Outcome& outcome) {
    stage.done(kFirst, on_inode(OpKind::getattr, Ino{7}), outcome);
  };
  BOOST_TEST(!open_stage([&](Stage& stage) { getattr(stage, Stage::found(Ino{7})); }));
  BOOST_TEST(open_stage([&](Stage& stage) { getattr(stage, gone); }));
  BOOST_TEST(open_stage([&](Stage& stage) { getattr(stage, Stage::found(Ino{7}, 5)); }));
  BOOST_TEST(open_stage([&](Stage& stage) {
    stage.tree.nodes[stage.inos["open-unlinked"]].entries["file0"] = Ino{7};
    stage.rejects_tree();
  }));
}

BOOST_AUTO_TEST_CASE(a_scan_shows_once_whatever_stays) {
  const auto scanned = [](const std::function<void(std::vector<fs::DirectoryEntry>&)>& change) {
    Stage stage(WorkloadKind::scans);
    Operation op = whole_listing(stage.inos["scans"]);
    Outcome page;
    std::uint64_t position = 3;
    for (const auto& [name, ino] : stage.tree.nodes[stage.inos["scans"]].entries) {
      page.entries.push_back({.name = name, .ino = ino, .position = position++});
    }
    change(page.entries);
    stage.done(kSecond, op, page);
    return stage.board.failed();
  };
  BOOST_TEST(!scanned([](auto&) {}));
  BOOST_TEST(scanned([](auto& entries) { entries.pop_back(); }));
  BOOST_TEST(scanned([](auto& entries) { std::swap(entries[0], entries[1]); }));
  BOOST_TEST(scanned([](auto& entries) {
    entries.push_back(entries.front());
    entries.back().position = 1000;
  }));
}

}  // namespace
}  // namespace scoutfs::sim
