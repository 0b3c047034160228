// Fences by reservations at a real target, through the interface that the engine has.
#include "node/iscsi_service.hpp"

#include "tests/support/device_io.hpp"
#include "tests/support/iscsi_target.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

using testing::get;

class NoLog final : public Log {
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view) override {}
};

// One process at the target.
struct Process {
  Process(EventLoop& loop, const testing::IscsiTarget& target)
      : loop(loop), host(loop.scheduler(), host_id()), service(loop, log, host, target.uri()) {}

  std::unique_ptr<DeviceLink> connect(std::uint64_t rid, DiskService::Role role) {
    std::string why;
    const Incarnation who{Rid{rid}, Epoch{1}};
    auto link = loop.run(service.connect(who, role, why, nullptr));
    BOOST_REQUIRE_MESSAGE(link.has_value(), why);
    return std::move(*link);
  }
  Result<bool> fence(Term term, std::uint64_t victim) {
    return loop.run(service.fencing().fence(term, {Rid{victim}, Epoch{1}}, elsewhere));
  }

  EventLoop& loop;
  NoLog log;
  HostFencing host;
  IscsiService service;
  HostId elsewhere{.machine = "another", .boot = "boot", .process = 1, .process_start = 1};
};

struct Fixture {
  testing::IscsiTarget target{16u << 20};
  EventLoop loop;
  Process one{loop, target}, two{loop, target};
};

constexpr DiskService::Role kMount = DiskService::Role::mount;
constexpr DiskService::Role kLeader = DiskService::Role::leader;

BOOST_FIXTURE_TEST_SUITE(iscsi_service, Fixture)

BOOST_AUTO_TEST_CASE(a_leader_is_fenced_and_its_mount_goes_on) {
  const auto mount = one.connect(1, kMount), leader = one.connect(2, kLeader);
  const auto other_mount = two.connect(3, kMount), other_leader = two.connect(4, kLeader);
  BOOST_TEST(
      loop.run(one.service.fencing().register_term({1, 0}, {Rid{2}, Epoch{1}})).has_value());
  BOOST_TEST(
      loop.run(two.service.fencing().register_term({2, 1}, {Rid{4}, Epoch{2}})).has_value());
  BOOST_TEST(two.fence({2, 1}, 2).value());
  // The reset of the unit has ended what the others had in flight, and no more.
  BOOST_TEST(loop.run(get(*mount, BlockNo{0})).has_value());
  BOOST_TEST(failed_with(loop.run(get(*leader, BlockNo{0})), Errc::fenced));
  // It does not know yet, and fences nobody.
  BOOST_TEST(failed_with(one.fence({1, 0}, 3), Errc::fenced));
  BOOST_TEST(loop.run(get(*other_mount, BlockNo{0})).has_value());
}

BOOST_AUTO_TEST_CASE(an_older_term_of_the_same_process_fences_nobody) {
  const auto mount = one.connect(1, kMount);
  BOOST_TEST(
      loop.run(one.service.fencing().register_term({5, 1}, {Rid{1}, Epoch{5}})).has_value());
  BOOST_TEST(failed_with(one.fence({4, 0}, 9), Errc::fenced));
  BOOST_TEST(one.fence({5, 1}, 9).value());
}

BOOST_AUTO_TEST_CASE(nobody_fences_itself_or_somebody_without_a_name) {
  const auto mount = one.connect(1, kMount);
  BOOST_TEST(!one.fence({1, 0}, 1).value());
  BOOST_TEST(!one.fence({1, 0}, 0).value());
}

BOOST_AUTO_TEST_CASE(of_another_host_nothing_is_known_without_a_fence) {
  const auto mount = one.connect(1, kMount);
  const Incarnation victim{Rid{9}, Epoch{1}};
  const auto dead = [&] {
    return loop.run(one.service.fencing().confirm_dead(victim, one.elsewhere)).value();
  };
  BOOST_TEST(!dead());
  BOOST_TEST(one.fence({1, 0}, 9).value());
  BOOST_TEST(dead());
}

BOOST_AUTO_TEST_CASE(who_has_left_is_not_registered_and_nothing_fences_without_a_connection) {
  const auto mount = one.connect(1, kMount);
  const auto other = two.connect(3, kMount);
  BOOST_TEST(loop.run(two.service.leave({Rid{3}, Epoch{1}}, *other)).has_value());
  auto& device = static_cast<iscsi::IscsiDevice&>(*mount);
  BOOST_TEST((loop.run(device.registered()).value() == std::vector<iscsi::ReservationKey>{1}));
  BOOST_TEST(failed_with(two.fence({1, 0}, 9), Errc::disconnected));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
