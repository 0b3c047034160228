// Fences by reservations at a real target, through the interface that the engine has.
#include "node/iscsi_service.hpp"

#include "engine/cluster/quorum_region.hpp"
#include "tests/support/device_io.hpp"
#include "tests/support/iscsi_target.hpp"
#include "tests/support/small_volume.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

using testing::get;

class NoLog final : public Log {
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view) override {}
};

constexpr DiskService::Role kMount = DiskService::Role::mount;
constexpr DiskService::Role kLeader = DiskService::Role::leader;
constexpr Fsid kVolume{4711};

constexpr Incarnation mount_of(std::uint64_t rid) {
  return {Rid{rid}, Epoch{1}};
}

// One process at the target.
struct Process {
  Process(EventLoop& loop, const testing::IscsiTarget& target)
      : loop(loop), host(loop.scheduler(), host_id()), service(loop, log, host, target.uri()) {}

  Result<std::unique_ptr<DeviceLink>> try_connect(Incarnation who, DiskService::Role role) {
    std::string why;
    return loop.run(service.connect(who, role, why, nullptr));
  }
  std::unique_ptr<DeviceLink> connect(Incarnation who, DiskService::Role role = kMount) {
    auto link = try_connect(who, role);
    BOOST_REQUIRE(link.has_value());
    return std::move(*link);
  }
  Result<bool> fence(Term term, Incarnation victim) {
    return loop.run(service.fencing().fence(term, victim, elsewhere));
  }
  bool register_term(Term term, Incarnation leader) {
    return loop.run(service.fencing().register_term(term, leader)).has_value();
  }

  EventLoop& loop;
  NoLog log;
  HostFencing host;
  IscsiService service;
  HostId elsewhere{.machine = "another", .boot = "boot", .process = 1, .process_start = 1};
};

struct Fixture {
  // Makes a volume of the unit.
  void make_volume(BlockDevice& device) {
    const std::string bytes = testing::small_superblock(kVolume);
    const BlockNo at{format::kSuperblockFirst};
    BOOST_REQUIRE(loop.run(testing::put(device, at, bytes)).has_value());
  }
  // The mount's slot block after it has won an election; its server's incarnation.
  Incarnation elect(BlockDevice& device, Incarnation mount, Term term) {
    format::QuorumBlock block;
    block.write_number = 1;
    block.slot = term.slot;
    block.who = mount;
    block.elect = term;
    block.leader = format::leader_incarnation(mount, term).rid;
    cluster::QuorumRegion region(device, kVolume);
    BOOST_REQUIRE(loop.run(region.write(block)).has_value());
    return block.server();
  }

  testing::IscsiTarget target{16u << 20};
  EventLoop loop;
  Process one{loop, target}, two{loop, target};
  Term first{1, 0}, second{2, 1};
};

BOOST_FIXTURE_TEST_SUITE(iscsi_service, Fixture)

BOOST_AUTO_TEST_CASE(a_leader_is_fenced_and_its_mount_goes_on) {
  const auto mount = one.connect(mount_of(1)), other_mount = two.connect(mount_of(3));
  make_volume(*mount);
  const Incarnation old = elect(*mount, mount_of(1), first);
  BOOST_TEST(one.register_term(first, old));
  const auto server = one.connect(old, kLeader);
  const Incarnation now = elect(*other_mount, mount_of(3), second);
  BOOST_TEST(two.register_term(second, now));
  BOOST_TEST(two.fence(second, old).value());
  const auto other_server = two.connect(now, kLeader);
  // The reset of the unit has ended what the others had in flight, and no more.
  BOOST_TEST(loop.run(get(*mount, BlockNo{0})).has_value());
  BOOST_TEST(failed_with(loop.run(get(*server, BlockNo{0})), Errc::fenced));
  // It does not know yet, and fences nobody.
  BOOST_TEST(failed_with(one.fence(first, mount_of(3)), Errc::fenced));
  BOOST_TEST(loop.run(get(*other_mount, BlockNo{0})).has_value());
}

BOOST_AUTO_TEST_CASE(a_leader_that_was_fenced_before_it_came_is_not_admitted) {
  const auto mount = one.connect(mount_of(1)), other_mount = two.connect(mount_of(3));
  make_volume(*mount);
  const Incarnation old = elect(*mount, mount_of(1), first);
  const Incarnation now = elect(*other_mount, mount_of(3), second);
  BOOST_TEST(two.fence(second, old).value());
  BOOST_TEST(failed_with(one.try_connect(old, kLeader), Errc::fenced));
  // Nor is one whose slot has another holder.
  elect(*mount, mount_of(9), {3, 1});
  BOOST_TEST(failed_with(two.try_connect(now, kLeader), Errc::fenced));
  auto& device = static_cast<iscsi::IscsiDevice&>(*mount);
  BOOST_TEST(
      (loop.run(device.registered()).value() == std::vector<iscsi::ReservationKey>{1, 3}));
}

BOOST_AUTO_TEST_CASE(an_older_term_of_the_same_process_fences_nobody) {
  const auto mount = one.connect(mount_of(1));
  BOOST_TEST(one.register_term(second, mount_of(1)));
  BOOST_TEST(failed_with(one.fence(first, mount_of(9)), Errc::fenced));
  BOOST_TEST(one.fence(second, mount_of(9)).value());
}

BOOST_AUTO_TEST_CASE(nobody_fences_itself_or_somebody_without_a_name) {
  const auto mount = one.connect(mount_of(1));
  BOOST_TEST(!one.fence(first, mount_of(1)).value());
  BOOST_TEST(!one.fence(first, mount_of(0)).value());
}

BOOST_AUTO_TEST_CASE(of_another_host_nothing_is_known_without_a_fence) {
  const auto mount = one.connect(mount_of(1));
  const auto dead = [&] {
    return loop.run(one.service.fencing().confirm_dead(mount_of(9), one.elsewhere)).value();
  };
  BOOST_TEST(!dead());
  BOOST_TEST(one.fence(first, mount_of(9)).value());
  BOOST_TEST(dead());
}

BOOST_AUTO_TEST_CASE(who_has_left_is_not_registered_and_nothing_fences_without_a_connection) {
  const auto mount = one.connect(mount_of(1)), other = two.connect(mount_of(3));
  BOOST_TEST(loop.run(two.service.leave(mount_of(3), *other)).has_value());
  auto& device = static_cast<iscsi::IscsiDevice&>(*mount);
  BOOST_TEST((loop.run(device.registered()).value() == std::vector<iscsi::ReservationKey>{1}));
  BOOST_TEST(failed_with(two.fence(first, mount_of(9)), Errc::disconnected));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
