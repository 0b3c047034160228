// Which slot a mount chooses, and how it claims it.
#include "engine/cluster/slot_keeper.hpp"

#include "tests/support/scripted_leader.hpp"
#include "tests/test.hpp"

namespace scoutfs::cluster {
namespace {

constexpr Address kHere{0x0a000001, 7000}, kThere{0x0a000002, 7000};

// Knows whom a test has declared dead.
class Deaths final : public Fencing {
 public:
  FenceLevel level() const override { return FenceLevel::host; }
  Task<Result<bool>> confirm_dead(Incarnation victim, HostId) override {
    co_return dead.contains(victim.rid.value);
  }
  std::set<std::uint64_t> dead;
};

struct SlotFixture : testing::MemberWorld {
  SlotFixture() { superblock.fsid = Fsid{7}; }

  Env env_of_slots() {
    return Env{.scheduler = scheduler,
               .clock = clock,
               .random = random,
               .device = device,
               .network = network,
               .fencing = deaths,
               .log = log};
  }
  // A mount on the host of that address.
  std::unique_ptr<SlotKeeper> mount(std::uint64_t rid, Address listen,
                                    std::optional<std::uint16_t> slot = {}) {
    SlotOptions options;
    options.slot = slot;
    options.listen = listen;
    options.name = "host";
    options.host.machine = to_string(Address{listen.ip, 0});
    options.rid = Rid{rid};
    options.heartbeat_ns = 100 * kMillisecond;
    options.silence_ns = kSecond;
    return std::make_unique<SlotKeeper>(env_of_slots(), superblock, options);
  }
  // The slot, or kNoSlot; an error is in `why`.
  std::optional<std::uint16_t> choose(SlotKeeper& keeper) {
    why.clear();
    const Result<std::uint16_t> slot = run(keeper.choose(nullptr, why));
    if (!slot.has_value()) return std::nullopt;
    return *slot;
  }
  bool claim(SlotKeeper& keeper, std::uint16_t slot) {
    return run(keeper.claim(slot)).has_value();
  }
  void configure(std::vector<format::SlotConfig> slots) { superblock.slots = std::move(slots); }

  format::Superblock superblock;
  Deaths deaths;
  std::string why;
};

BOOST_FIXTURE_TEST_SUITE(slot_keeper, SlotFixture)

BOOST_AUTO_TEST_CASE(on_a_new_volume_with_open_slots_nobody_has_one_yet) {
  const auto a = mount(1, kHere);
  BOOST_CHECK(choose(*a) == format::kNoSlot);
  BOOST_TEST(!a->claimed());
}

BOOST_AUTO_TEST_CASE(a_host_gets_back_the_slot_that_it_left) {
  const auto before = mount(1, kHere);
  BOOST_TEST(claim(*before, 4));
  BOOST_TEST(before->slot() == 4);
  BOOST_TEST(run(before->leave()).has_value());
  const auto after = mount(2, kHere);
  BOOST_CHECK(choose(*after) == std::uint16_t{4});
  BOOST_TEST(claim(*after, 4));
  BOOST_TEST(after->epoch().value > before->epoch().value);
  // Not another host's.
  const auto other = mount(3, kThere);
  BOOST_CHECK(choose(*other) == format::kNoSlot);
}

BOOST_AUTO_TEST_CASE(a_slot_of_a_dead_mount_of_this_host_is_taken_again) {
  const auto before = mount(1, kHere);
  BOOST_TEST(claim(*before, 4));
  const auto after = mount(2, kHere);
  BOOST_CHECK(choose(*after) == format::kNoSlot);
  deaths.dead.insert(1);
  BOOST_CHECK(choose(*after) == std::uint16_t{4});
}

BOOST_AUTO_TEST_CASE(a_slot_that_somebody_holds_is_refused_by_name) {
  const auto holder = mount(1, kThere);
  BOOST_TEST(claim(*holder, 0));
  const auto wanting = mount(2, kHere, 0);
  BOOST_TEST(!choose(*wanting).has_value());
  BOOST_TEST(why ==
             "slot 0 was held by host at 10.0.0.2:7000, which is silent but not known to "
             "be dead");
  holder->start_beating([](const std::string&) {});
  BOOST_TEST(!choose(*wanting).has_value());
  BOOST_TEST(why == "slot 0 is in use by host at 10.0.0.2:7000");
  run(holder->stop());
  deaths.dead.insert(1);
  BOOST_CHECK(choose(*wanting) == std::uint16_t{0});
}

BOOST_AUTO_TEST_CASE(a_configured_slot_belongs_to_its_address) {
  configure({{.slot = 0, .address = kThere}, {.slot = 1, .address = kHere}});
  BOOST_CHECK(choose(*mount(1, kHere)) == std::uint16_t{1});
  BOOST_CHECK(choose(*mount(2, {kThere.ip, 7999})) == std::uint16_t{0});  // the only one there
  BOOST_CHECK(choose(*mount(3, {0x0a000003, 7000})) == format::kNoSlot);  // a client only
  BOOST_TEST(!choose(*mount(4, kHere, 2)).has_value());
  BOOST_TEST(why == "slot 2 is not configured on this volume");
}

BOOST_AUTO_TEST_CASE(two_configured_slots_of_one_address_are_told_apart_by_the_port) {
  configure({{.slot = 0, .address = kHere}, {.slot = 1, .address = {kHere.ip, 7001}}});
  BOOST_CHECK(choose(*mount(1, {kHere.ip, 7001})) == std::uint16_t{1});
  BOOST_CHECK(choose(*mount(2, {kHere.ip, 7999})) == format::kNoSlot);
  BOOST_CHECK(choose(*mount(3, {kHere.ip, 7999}, 0)) == std::uint16_t{0});
}

Task<void> claim_for(SlotKeeper* keeper, int* won) {
  const Result<void> claimed = co_await keeper->claim(0);
  if (claimed.has_value()) ++*won;
}

BOOST_AUTO_TEST_CASE(of_two_that_claim_a_slot_at_once_one_has_it) {
  const auto a = mount(1, kHere), b = mount(2, kThere);
  int won = 0;
  TaskScope scope(scheduler);
  scope.spawn(claim_for(a.get(), &won));
  scope.spawn(claim_for(b.get(), &won));
  run(scope.drain());
  BOOST_TEST(won == 1);
  BOOST_TEST(a->claimed() != b->claimed());
}

BOOST_AUTO_TEST_CASE(a_block_advances_and_a_stranger_in_it_is_noticed) {
  std::vector<std::string> lost;
  const auto holder = mount(1, kHere);
  BOOST_TEST(claim(*holder, 0));
  holder->start_beating([&lost](std::string text) { lost.push_back(std::move(text)); });
  QuorumRegion region(device, superblock.fsid);
  const std::uint64_t before = run(region.read_all())->at(0)->write_number;
  pass(kSecond);
  const format::QuorumBlock now = *run(region.read_all())->at(0);
  BOOST_TEST(now.write_number >= before + 5);
  BOOST_TEST(lost.empty());
  format::QuorumBlock stranger = now;
  stranger.write_number += 2;
  stranger.who.rid = Rid{99};
  stranger.name = "stranger";
  BOOST_TEST(run(region.write(stranger)).has_value());
  pass(kSecond);
  BOOST_REQUIRE(lost.size() == 1U);
  BOOST_TEST(lost[0] == "slot 0 was taken by stranger at 10.0.0.1:7000");
  run(holder->stop());
}

BOOST_AUTO_TEST_CASE(who_waits_for_a_holder_can_be_interrupted) {
  const auto holder = mount(1, kThere);
  BOOST_TEST(claim(*holder, 0));
  const auto wanting = mount(2, kHere, 0);
  Cancellation cancellation(scheduler);
  cancellation.request();
  const Result<std::uint16_t> slot = run(wanting->choose(&cancellation, why));
  BOOST_TEST(failed_with(slot, Errc::interrupted));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::cluster
