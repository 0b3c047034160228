// Fences by an operator's program, and by nothing at all.
#include "node/agent_fencing.hpp"

#include <sys/stat.h>

#include <fstream>

#include "engine/cluster/quorum_region.hpp"
#include "node/no_fencing.hpp"
#include "tests/support/memory_device.hpp"
#include "tests/support/node_files.hpp"
#include "tests/support/small_volume.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

class LogLines final : public Log {
 public:
  bool enabled(LogLevel) const override { return true; }
  void write(LogLevel, std::string_view message) override {
    text += message;
    text += '\n';
  }
  bool tells(std::string_view what) const { return text.find(what) != std::string::npos; }
  std::string text;
};

struct Fixture {
  Fixture() {
    // Two nodes of other hosts: a member in slot 2, and a leader in slot 3.
    const std::string superblock = small_superblock();
    BOOST_REQUIRE(loop.run(device.write(BlockNo{format::kSuperblockFirst}, as_bytes(superblock),
                                        Durability::on_completion))
                      .has_value());
    cluster::QuorumRegion region(device, kVolume);
    for (const format::QuorumBlock& block : {member, leader}) {
      BOOST_REQUIRE(loop.run(region.write(block)).has_value());
    }
  }

  static std::string small_superblock() { return testing::small_superblock(kVolume); }
  static format::QuorumBlock block_of(std::uint16_t slot, std::uint64_t rid, std::string name) {
    format::QuorumBlock block;
    block.write_number = 1;
    block.slot = slot;
    block.who = {Rid{rid}, Epoch{4}};
    block.address = {0x0a000001, 7000};
    block.host = {.machine = "machine " + name, .boot = "boot", .process = 5};
    block.host.process_start = 6;
    block.name = std::move(name);
    return block;
  }

  // A shell script.
  std::string program(const std::string& script) {
    const std::string path = directory.file("agent");
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    chmod(path.c_str(), 0700);
    return path;
  }
  std::string text_of(const std::string& name) const {
    std::ifstream in(directory.file(name));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  std::unique_ptr<AgentFencing> agent(const std::string& script,
                                      TimeNs patience_ns = 60 * kSecond, TimeNs pause_ns = 0) {
    AgentFencing::Options options{
        .program = program(script), .patience_ns = patience_ns, .pause_ns = pause_ns};
    return std::make_unique<AgentFencing>(loop, log, host, device, options);
  }
  bool fence(Fencing& fencing, const format::QuorumBlock& victim) {
    return loop.run(fencing.fence({9, 0}, victim.who, victim.host)).value();
  }

  static constexpr Fsid kVolume{4711};
  testing::TemporaryDirectory directory;
  EventLoop loop;
  LogLines log;
  HostFencing host{loop.scheduler(), host_id()};
  testing::MemoryDevice device{format::kDeviceBlocksMin};
  format::QuorumBlock member = block_of(2, 0xabc, "one");
  format::QuorumBlock leader = [] {
    format::QuorumBlock block = block_of(3, 0xdef, "two");
    block.elect = {8, 3};
    return block;
  }();
};

BOOST_FIXTURE_TEST_SUITE(agent_fencing, Fixture)

BOOST_AUTO_TEST_CASE(the_program_is_told_who_and_is_believed_when_it_succeeds) {
  const std::string out = directory.file("out");
  const auto fencing = agent("echo \"$@\" >> " + out + "; env | grep ^SCOUTFS_ | sort >> " +
                             out + "; cat >> " + out);
  BOOST_TEST((fencing->level() == FenceLevel::agent));
  BOOST_TEST(fencing->can_fence_the_living());
  BOOST_TEST(!loop.run(fencing->confirm_dead(member.who, member.host)).value());
  BOOST_TEST(fence(*fencing, member));
  const std::string expected =
      "fence one 10.0.0.1:7000 0000000000000abc 4\n"
      "SCOUTFS_ADDRESS=10.0.0.1:7000\n"
      "SCOUTFS_BOOT=boot\n"
      "SCOUTFS_EPOCH=4\n"
      "SCOUTFS_FSID=0000000000001267\n"
      "SCOUTFS_MACHINE=machine one\n"
      "SCOUTFS_NODE=one\n"
      "SCOUTFS_PROCESS=5\n"
      "SCOUTFS_PROCESS_START=6\n"
      "SCOUTFS_RID=0000000000000abc\n";
  BOOST_TEST(text_of("out") == expected);
  // Once is enough, and it is known from then on.
  BOOST_TEST(fence(*fencing, member));
  BOOST_TEST(loop.run(fencing->confirm_dead(member.who, member.host)).value());
  BOOST_TEST(text_of("out") == expected);
  BOOST_TEST(log.tells("fence agent: abc (one) is dead"));
}

BOOST_AUTO_TEST_CASE(any_other_end_of_the_program_says_nothing) {
  BOOST_TEST(!fence(*agent("echo no power switch; exit 3"), member));
  BOOST_TEST(log.tells("exited with 3: no power switch"));
  BOOST_TEST(!fence(*agent("kill -9 $$"), member));
  BOOST_TEST(log.tells("ended by signal 9"));
  const auto fencing = agent("exit 0");
  std::filesystem::remove(directory.file("agent"));
  BOOST_TEST(!fence(*fencing, member));
  BOOST_TEST(log.tells("could not be started"));
}

BOOST_AUTO_TEST_CASE(one_that_hangs_is_killed_and_keeps_nobody_waiting) {
  // With what it started, which would hold its output.
  const auto fencing = agent("sleep 1000 & sleep 1000", 200 * kMillisecond);
  BOOST_TEST(!fence(*fencing, member));
  BOOST_TEST(log.tells("took too long and was killed"));
}

Task<void> fence_beside(Fencing& fencing, format::QuorumBlock victim, int* ended, int* fenced) {
  const Term term{9, 0};
  const auto result = co_await fencing.fence(term, victim.who, victim.host);
  ++*ended;
  if (result.has_value() && *result) ++*fenced;
}

BOOST_AUTO_TEST_CASE(it_runs_once_at_a_time_for_a_victim) {
  const auto fencing = agent("echo run >> " + directory.file("out") + "; sleep 0.2");
  int ended = 0, fenced = 0;
  TaskScope scope(loop.scheduler());
  for (int i = 0; i < 3; ++i) scope.spawn(fence_beside(*fencing, member, &ended, &fenced));
  scope.spawn(fence_beside(*fencing, leader, &ended, &fenced));
  loop.run(scope.drain());
  BOOST_TEST(ended == 4);
  BOOST_TEST(fenced == 2);
  BOOST_TEST(text_of("out") == "run\nrun\n");
}

BOOST_AUTO_TEST_CASE(after_a_failure_it_waits_before_it_runs_again) {
  const auto fencing =
      agent("echo run >> " + directory.file("out") + "; exit 1", 60 * kSecond, 1000 * kSecond);
  BOOST_TEST(!fence(*fencing, member));
  BOOST_TEST(!fence(*fencing, member));
  BOOST_TEST(text_of("out") == "run\n");
}

BOOST_AUTO_TEST_CASE(nobody_runs_it_against_itself) {
  const auto fencing = agent("echo run >> " + directory.file("out"));
  BOOST_TEST(!loop.run(fencing->fence({9, 0}, member.who, host_id())).value());
  BOOST_TEST(text_of("out").empty());
}

BOOST_AUTO_TEST_CASE(without_fencing_a_silent_member_is_taken_for_dead_and_a_leader_is_not) {
  NoFencing none(log, host, device);
  BOOST_TEST((none.level() == FenceLevel::none));
  BOOST_TEST(none.can_fence_the_living());
  BOOST_TEST(!loop.run(none.confirm_dead(member.who, member.host)).value());
  BOOST_TEST(fence(none, member));
  BOOST_TEST(log.tells("abc is not fenced and taken for dead"));
  BOOST_TEST(!fence(none, leader));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
