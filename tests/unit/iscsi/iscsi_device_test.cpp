// The iSCSI device and its reservations, against a real target.
#include "iscsi/iscsi_device.hpp"

#include "engine/async/scope.hpp"
#include "engine/base/codec.hpp"
#include "engine/env/lasting_device.hpp"
#include "tests/support/device_io.hpp"
#include "tests/support/iscsi_target.hpp"
#include "tests/support/scripted_target.hpp"
#include "tests/test.hpp"

namespace scoutfs::iscsi {
namespace {

using node::EventLoop;
using testing::get;
using testing::IscsiTarget;
using testing::pattern;
using testing::put;
using testing::write_at_once;

using Role = IscsiDevice::Role;

constexpr std::uint64_t kSize = 16u << 20;  // bytes

std::unique_ptr<IscsiDevice> open_or_fail(EventLoop& loop, const std::string& uri,
                                          ReservationKey key) {
  std::string why;
  auto device = loop.run(IscsiDevice::open(loop, uri, key, Role::member, why));
  BOOST_REQUIRE_MESSAGE(device.has_value(), why);
  return std::move(*device);
}

BOOST_AUTO_TEST_SUITE(iscsi_device)

BOOST_AUTO_TEST_CASE(what_is_written_is_read_by_every_registrant) {
  IscsiTarget target(kSize);
  EventLoop loop;
  const auto one = open_or_fail(loop, target.uri(), 1);
  const auto two = open_or_fail(loop, target.uri(), 2);
  BOOST_TEST(one->block_count() == kSize / kBlockSize);
  const std::string bytes = pattern(1, 3 * kBlockSize);
  BOOST_TEST(loop.run(put(*one, BlockNo{5}, bytes)).has_value());
  BOOST_TEST(loop.run(one->flush()).has_value());
  BOOST_TEST((loop.run(get(*two, BlockNo{5}, bytes.size())).value() == bytes));
  // Larger than one command carries.
  const std::string large = pattern(2, 3u << 20);
  BOOST_TEST(loop.run(put(*two, BlockNo{100}, large, Durability::on_completion)).has_value());
  BOOST_TEST((loop.run(get(*one, BlockNo{100}, large.size())).value() == large));
  BOOST_TEST((loop.run(one->registered()).value() == std::vector<ReservationKey>{1, 2}));
}

BOOST_AUTO_TEST_CASE(many_requests_in_flight_end_each_with_its_own_data) {
  IscsiTarget target(kSize);
  EventLoop loop;
  const auto device = open_or_fail(loop, target.uri(), 7);
  BOOST_TEST(write_at_once(loop, *device, 300) == 300U);
}

BOOST_AUTO_TEST_CASE(who_is_fenced_neither_reads_nor_writes_nor_comes_back) {
  IscsiTarget target(kSize);
  EventLoop loop;
  const auto victim = open_or_fail(loop, target.uri(), 11);
  const auto leader = open_or_fail(loop, target.uri(), 12);
  const std::string before = pattern(1, kBlockSize);
  BOOST_TEST(loop.run(put(*victim, BlockNo{9}, before)).has_value());

  BOOST_TEST(loop.run(leader->fence(11)).has_value());
  // The target refuses PREEMPT AND ABORT, so the unit was reset, and the leader's own session
  // with it.
  BOOST_TEST(!leader->capabilities().preempt_and_abort);
  BOOST_TEST(loop.run(leader->reconnect()).has_value());
  BOOST_TEST((loop.run(get(*leader, BlockNo{9}, kBlockSize)).value() == before));
  const Result<void> late = loop.run(put(*victim, BlockNo{9}, pattern(2, kBlockSize)));
  BOOST_TEST(!late.has_value());
  BOOST_TEST(failed_with(loop.run(victim->reconnect()), Errc::fenced));
  BOOST_TEST(
      failed_with(loop.run(put(*victim, BlockNo{9}, pattern(3, kBlockSize))), Errc::fenced));
  BOOST_TEST(failed_with(loop.run(get(*victim, BlockNo{9}, kBlockSize)), Errc::fenced));

  const auto other = open_or_fail(loop, target.uri(), 13);
  BOOST_TEST((loop.run(get(*other, BlockNo{9}, kBlockSize)).value() == before));
  BOOST_TEST(loop.run(other->fence(11)).has_value());
}

Task<void> write_until_it_fails(IscsiDevice& device, std::uint64_t* written, Errc* failure) {
  while (true) {
    const Result<void> result =
        co_await put(device, BlockNo(*written % 100), pattern(*written, kBlockSize));
    if (!result.has_value()) {
      *failure = result.error().code;
      co_return;
    }
    ++*written;
  }
}

Task<Result<void>> fence_later(EventLoop& loop, IscsiDevice& leader, ReservationKey victim) {
  co_await Sleep(loop.scheduler(), 50 * kMillisecond);
  co_return co_await leader.fence(victim);
}

BOOST_AUTO_TEST_CASE(nothing_of_a_writer_lands_after_its_fence) {
  IscsiTarget target(kSize);
  EventLoop loop;
  const auto victim = open_or_fail(loop, target.uri(), 21);
  const auto leader = open_or_fail(loop, target.uri(), 22);
  std::uint64_t written = 0;
  Errc failure = Errc::corrupt;
  TaskScope scope(loop.scheduler());
  for (int i = 0; i < 4; ++i) scope.spawn(write_until_it_fails(*victim, &written, &failure));
  BOOST_TEST(loop.run(fence_later(loop, *leader, 21)).has_value());
  const auto other = open_or_fail(loop, target.uri(), 23);
  const std::string fenced = loop.run(get(*other, BlockNo{0}, 100 * kBlockSize)).value();
  loop.run(scope.drain());
  BOOST_TEST(written > 0U);
  BOOST_TEST((failure == Errc::fenced || failure == Errc::disconnected));
  BOOST_TEST((loop.run(get(*other, BlockNo{0}, 100 * kBlockSize)).value() == fenced));
}

struct Log : scoutfs::Log {
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view) override {}
};

// Writes and reads its own blocks, of changing sizes, until told to stop. False: the device
// failed, or gave something else back.
Task<void> write_and_read(BlockDevice& device, std::uint64_t begin, const bool& stop,
                          bool* ok) {
  for (std::uint64_t round = 0; !stop && *ok; ++round) {
    const std::string bytes = pattern(round, (1 + round * 7 % 64) * kBlockSize);
    const Result<void> written = co_await put(device, BlockNo{begin}, bytes);
    const Result<std::string> found = co_await get(device, BlockNo{begin}, bytes.size());
    *ok = written.has_value() && found.has_value() && *found == bytes;
  }
}

Task<void> fence_one_after_another(EventLoop& loop, std::string uri, IscsiDevice& leader,
                                   BlockDevice& lasting, bool* stop, std::uint64_t* fenced) {
  std::string why;
  for (ReservationKey key = 1000; key < 1020; ++key) {
    const auto victim = co_await IscsiDevice::open(loop, uri, key, Role::member, why);
    if (!victim.has_value()) break;
    Result<void> done = co_await leader.fence(key);
    // The session may be lost to the reset of another: it comes back by the next request.
    while (failed_with(done, Errc::disconnected)) {
      const Result<std::string> back = co_await get(lasting, BlockNo{3000});
      if (!back.has_value()) break;
      done = co_await leader.fence(key);
    }
    if (!done.has_value()) break;
    ++*fenced;
  }
  *stop = true;
}

BOOST_AUTO_TEST_CASE(fences_that_reset_the_unit_stop_nobody_who_is_in_the_middle_of_something) {
  IscsiTarget target(kSize);
  EventLoop loop;
  Log log;
  const auto mount = open_or_fail(loop, target.uri(), 31);
  const auto leader = open_or_fail(loop, target.uri(), 32);
  BOOST_TEST(loop.run(mount->claim()).value());
  BOOST_TEST(loop.run(leader->claim()).value());
  LastingDevice of_mount(loop.scheduler(), loop.clock(), log, *mount, {});
  LastingDevice of_leader(loop.scheduler(), loop.clock(), log, *leader, {});
  bool stop = false;
  bool ok = true;
  std::uint64_t fenced = 0;
  TaskScope scope(loop.scheduler());
  for (std::uint64_t i = 0; i < 6; ++i) {
    scope.spawn(write_and_read(of_mount, 100 + 100 * i, stop, &ok));
    scope.spawn(write_and_read(of_leader, 1000 + 100 * i, stop, &ok));
  }
  scope.spawn(fence_one_after_another(loop, target.uri(), *leader, of_leader, &stop, &fenced));
  loop.run(scope.drain());
  BOOST_TEST(ok);
  BOOST_TEST(fenced == 20U);
}

BOOST_AUTO_TEST_CASE(the_reservation_outlives_all_who_leave) {
  IscsiTarget target(kSize);
  EventLoop loop;
  const auto victim = open_or_fail(loop, target.uri(), 30);
  {
    const auto one = open_or_fail(loop, target.uri(), 31);
    const auto two = open_or_fail(loop, target.uri(), 32);
    BOOST_TEST(loop.run(one->fence(30)).has_value());
    BOOST_TEST(loop.run(two->reconnect()).has_value());
    BOOST_TEST(loop.run(two->leave()).has_value());
    BOOST_TEST(failed_with(loop.run(get(*two, BlockNo{0}, kBlockSize)), Errc::fenced));
    BOOST_TEST(loop.run(one->leave()).has_value());
  }
  BOOST_TEST(
      failed_with(loop.run(put(*victim, BlockNo{0}, pattern(1, kBlockSize))), Errc::fenced));
  const auto three = open_or_fail(loop, target.uri(), 33);
  BOOST_TEST((loop.run(three->registered()).value() == std::vector<ReservationKey>{31, 33}));
  BOOST_TEST(loop.run(three->fence(31)).has_value());
  BOOST_TEST(
      failed_with(loop.run(put(*victim, BlockNo{0}, pattern(1, kBlockSize))), Errc::fenced));
}

BOOST_AUTO_TEST_CASE(a_target_that_preempts_and_aborts_is_not_reset) {
  testing::ScriptedTarget target;
  EventLoop loop;
  const auto leader = open_or_fail(loop, target.uri(), 51);
  target.add_key(50);
  BOOST_TEST(loop.run(leader->fence(50)).has_value());
  BOOST_TEST(leader->capabilities().preempt_and_abort);
  BOOST_TEST((target.keys() == std::set<std::uint64_t>{51}));
  const std::vector<int> register_reserve_preempt_and_abort{0, 1, 5};
  BOOST_TEST((target.actions() == register_reserve_preempt_and_abort));
  // Whoever removed the key may have died before the reset, so it is made up for.
  BOOST_TEST(loop.run(leader->fence(50)).has_value());
  BOOST_TEST(target.actions().back() == testing::ScriptedTarget::kReset);
}

BOOST_AUTO_TEST_CASE(a_lost_target_fails_what_is_in_flight_and_what_follows) {
  IscsiTarget target(kSize);
  EventLoop loop;
  const auto device = open_or_fail(loop, target.uri(), 41);
  std::uint64_t written = 0;
  Errc failure = Errc::corrupt;
  TaskScope scope(loop.scheduler());
  scope.spawn(write_until_it_fails(*device, &written, &failure));
  for (int i = 0; i < 50; ++i) loop.turn(kMillisecond);
  target.stop();
  loop.run(scope.drain());
  BOOST_TEST((failure == Errc::disconnected));
  BOOST_TEST(!device->connected());
  BOOST_TEST(failed_with(loop.run(device->flush()), Errc::disconnected));
  BOOST_TEST(failed_with(loop.run(device->reconnect()), Errc::disconnected));
}

BOOST_AUTO_TEST_CASE(what_a_reset_has_swallowed_is_found_out_without_another_command) {
  testing::ScriptedTarget target;
  EventLoop loop;
  const auto device = open_or_fail(loop, target.uri(), 61);
  target.swallow_next_read();
  BOOST_TEST(failed_with(loop.run(get(*device, BlockNo{0}, kBlockSize)), Errc::disconnected));
  BOOST_TEST(device->connected());
  BOOST_TEST(loop.run(device->reconnect()).has_value());
  BOOST_TEST(loop.run(get(*device, BlockNo{0}, kBlockSize)).has_value());
}

BOOST_AUTO_TEST_CASE(data_that_are_being_sent_when_a_reset_is_found_out_are_sent_whole) {
  testing::ScriptedTarget target;
  EventLoop loop;
  const auto device = open_or_fail(loop, target.uri(), 62);
  target.swallow_next_write();
  const std::string large = pattern(1, 1u << 20);
  BOOST_TEST(failed_with(loop.run(put(*device, BlockNo{0}, large)), Errc::disconnected));
  BOOST_TEST(device->connected());
  BOOST_TEST(loop.run(device->reconnect()).has_value());
  BOOST_TEST(loop.run(get(*device, BlockNo{0}, kBlockSize)).has_value());
  BOOST_TEST(target.asked_bytes() > large.size() / 2);
}

BOOST_AUTO_TEST_CASE(who_has_a_claim_comes_back_to_a_target_that_forgot_it) {
  IscsiTarget target(kSize);
  EventLoop loop;
  const auto one = open_or_fail(loop, target.uri(), 71);
  const auto two = open_or_fail(loop, target.uri(), 72);
  const auto unclaimed = open_or_fail(loop, target.uri(), 73);
  for (IscsiDevice* device : {one.get(), two.get()}) {
    BOOST_TEST(loop.run(device->claim()).value());
  }
  BOOST_TEST(!one->capabilities().volatile_cache);
  const std::string bytes = pattern(1, kBlockSize);
  BOOST_TEST(loop.run(put(*one, BlockNo{20}, bytes)).has_value());
  target.stop();
  BOOST_TEST(failed_with(loop.run(get(*one, BlockNo{20}, kBlockSize)), Errc::disconnected));
  target.start();
  for (IscsiDevice* device : {one.get(), two.get()}) {
    device->drop();
    BOOST_TEST(loop.run(device->reconnect()).has_value());
    BOOST_TEST((loop.run(get(*device, BlockNo{20}, kBlockSize)).value() == bytes));
  }
  BOOST_TEST((loop.run(one->registered()).value() == std::vector<ReservationKey>{71, 72}));
  BOOST_TEST(loop.run(one->holder()).value() == 71U);
  unclaimed->drop();
  BOOST_TEST(failed_with(loop.run(unclaimed->reconnect()), Errc::fenced));
}

BOOST_AUTO_TEST_CASE(who_was_fenced_does_not_come_back_to_a_target_that_forgot_it) {
  IscsiTarget target(kSize);
  EventLoop loop;
  const auto leader = open_or_fail(loop, target.uri(), 81);
  const auto fenced_before = open_or_fail(loop, target.uri(), 82);
  const auto fenced_after = open_or_fail(loop, target.uri(), 83);
  for (IscsiDevice* device : {leader.get(), fenced_before.get(), fenced_after.get()}) {
    BOOST_TEST(loop.run(device->claim()).value());
  }
  BOOST_TEST(loop.run(leader->fence(82)).has_value());
  target.stop();
  target.start();
  leader->drop();
  BOOST_TEST(loop.run(leader->reconnect()).has_value());
  // It has no key at the moment.
  BOOST_TEST(loop.run(leader->fence(83)).has_value());
  for (IscsiDevice* device : {fenced_before.get(), fenced_after.get()}) {
    device->drop();
    BOOST_TEST(failed_with(loop.run(device->reconnect()), Errc::fenced));
    BOOST_TEST(!loop.run(put(*device, BlockNo{20}, pattern(1, kBlockSize))).has_value());
  }
  BOOST_TEST((loop.run(leader->registered()).value() == std::vector<ReservationKey>{81}));
}

BOOST_AUTO_TEST_CASE(answered_writes_that_a_cache_may_have_lost_end_the_device) {
  IscsiTarget target(kSize, IscsiTarget::Cache::write_back);
  EventLoop loop;
  const auto flushed = open_or_fail(loop, target.uri(), 91);
  const auto unflushed = open_or_fail(loop, target.uri(), 92);
  std::uint64_t at = 20;
  for (IscsiDevice* device : {flushed.get(), unflushed.get()}) {
    BOOST_TEST(loop.run(device->claim()).value());
    BOOST_TEST(loop.run(put(*device, BlockNo(at++), pattern(1, kBlockSize))).has_value());
  }
  BOOST_TEST(loop.run(flushed->flush()).has_value());
  flushed->drop();
  unflushed->drop();
  BOOST_TEST(loop.run(flushed->reconnect()).has_value());
  BOOST_TEST(failed_with(loop.run(unflushed->reconnect()), Errc::stale));
}

BOOST_AUTO_TEST_CASE(a_guest_leaves_a_unit_that_nobody_uses_as_it_is) {
  IscsiTarget target(kSize);
  EventLoop loop;
  std::string why;
  {
    const auto guest = loop.run(IscsiDevice::open(loop, target.uri(), 95, Role::guest, why));
    BOOST_REQUIRE_MESSAGE(guest.has_value(), why);
    BOOST_TEST(loop.run((*guest)->registered()).value().empty());
    BOOST_TEST(loop.run(get(**guest, BlockNo{0}, kBlockSize)).has_value());
    BOOST_TEST(loop.run((*guest)->leave()).has_value());
  }
  const auto member = open_or_fail(loop, target.uri(), 96);
  const auto guest = loop.run(IscsiDevice::open(loop, target.uri(), 97, Role::guest, why));
  BOOST_REQUIRE_MESSAGE(guest.has_value(), why);
  BOOST_TEST(loop.run(get(**guest, BlockNo{0}, kBlockSize)).has_value());
  BOOST_TEST(loop.run((*guest)->leave()).has_value());
  BOOST_TEST((loop.run(member->registered()).value() == std::vector<ReservationKey>{96}));
}

BOOST_AUTO_TEST_CASE(who_makes_a_volume_takes_the_unit_over) {
  IscsiTarget target(kSize);
  EventLoop loop;
  const auto old = open_or_fail(loop, target.uri(), 101);
  BOOST_TEST(loop.run(old->claim()).value());
  const auto maker = open_or_fail(loop, target.uri(), 102);
  std::string why;
  BOOST_TEST(loop.run(maker->take_over(why)).has_value(), why);
  BOOST_TEST((loop.run(maker->registered()).value() == std::vector<ReservationKey>{102}));
  old->drop();
  BOOST_TEST(failed_with(loop.run(old->reconnect()), Errc::fenced));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_opened_says_why) {
  EventLoop loop;
  std::string why;
  BOOST_TEST(
      failed_with(loop.run(IscsiDevice::open(loop, "iscsi://127.0.0.1/", 1, Role::member, why)),
                  Errc::invalid));
  BOOST_TEST((why.find("iscsi://HOST") != std::string::npos));
  const std::string nobody = "iscsi://127.0.0.1:1/iqn.2026-11.scoutfs.test:disk/1";
  BOOST_TEST(failed_with(loop.run(IscsiDevice::open(loop, nobody, 1, Role::member, why)),
                         Errc::disconnected));
  BOOST_TEST((why.find("cannot log in") != std::string::npos));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::iscsi
