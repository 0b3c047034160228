// Reservations through the kernel, over a device that does as SPC-4 says.
#include "node/block_reservation.hpp"

#include <linux/pr.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "tests/support/node_files.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

constexpr int kConflict = 0x18;

// One device; each host reaches it by a path of its own.
struct Device {
  std::map<std::string, std::uint64_t> keys;  // by host
  std::uint64_t holder = 0;
  std::vector<unsigned long> requests;
  int error = 0;  // of every request, if not 0

  bool registered(std::uint64_t key) const {
    return std::ranges::any_of(keys, [key](const auto& entry) { return entry.second == key; });
  }

  int register_key(const std::string& host, const pr_registration& asked) {
    const auto own = keys.find(host);
    const bool ignores = (asked.flags & PR_FL_IGNORE_KEY) != 0;
    const std::uint64_t now = own == keys.end() ? 0 : own->second;
    if (!ignores && asked.old_key != now) return kConflict;
    if (holder == now && asked.new_key == 0) holder = 0;
    keys.erase(host);
    if (asked.new_key != 0) keys[host] = asked.new_key;
    return 0;
  }

  int reserve(const std::string& host, const pr_reservation& asked) {
    const auto own = keys.find(host);
    if (own == keys.end() || own->second != asked.key) return kConflict;
    if (holder != 0 && holder != asked.key) return kConflict;
    holder = asked.key;
    return 0;
  }

  int preempt(const std::string& host, const pr_preempt& asked) {
    const auto own = keys.find(host);
    if (own == keys.end() || own->second != asked.old_key) return kConflict;
    if (!registered(asked.new_key)) return kConflict;
    std::erase_if(keys, [&](const auto& entry) { return entry.second == asked.new_key; });
    if (holder == asked.new_key) holder = asked.old_key;
    return 0;
  }

  BlockIoctl path(std::string host) {
    return [this, host](unsigned long request, void* argument) {
      requests.push_back(request);
      if (error != 0) return error;
      switch (request) {
        case IOC_PR_REGISTER:
          return register_key(host, *static_cast<pr_registration*>(argument));
        case IOC_PR_RESERVE:
          return reserve(host, *static_cast<pr_reservation*>(argument));
        case IOC_PR_PREEMPT_ABORT:
          return preempt(host, *static_cast<pr_preempt*>(argument));
        default:
          return -ENOTTY;
      }
    };
  }
};

HostId process_of(const std::string& machine) {
  return {.machine = machine, .boot = "boot", .process = 7, .process_start = 8};
}

struct Fixture {
  std::unique_ptr<BlockReservation> take(
      const std::string& machine,
      BlockReservation::Role role = BlockReservation::Role::member) {
    std::string why;
    auto taken = BlockReservation::take(loop, host, UniqueFd(), device.path(machine),
                                        *process_key(process_of(machine)), role, why);
    BOOST_REQUIRE_MESSAGE(taken.has_value(), why);
    return std::move(*taken);
  }
  Result<bool> fence(BlockReservation& from, const std::string& machine) {
    return loop.run(from.fence({1, 0}, {Rid{5}, Epoch{1}}, process_of(machine)));
  }

  Device device;
  EventLoop loop;
  HostFencing host{loop.scheduler(), host_id()};
};

BOOST_FIXTURE_TEST_SUITE(block_reservation, Fixture)

BOOST_AUTO_TEST_CASE(whether_a_device_fences_is_found_out_without_doing_anything_to_it) {
  BOOST_TEST(BlockReservation::can_fence(device.path("a")));
  BOOST_TEST(device.keys.empty());
  BOOST_TEST(device.holder == 0U);
  for (const int error : {-EOPNOTSUPP, -ENOTTY, -EPERM, -EINVAL, 2}) {
    device.error = error;
    BOOST_TEST(!BlockReservation::can_fence(device.path("a")), error);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_such_device_falls_back) {
  const testing::TemporaryDirectory directory;
  std::string why;
  for (const std::string& path :
       {directory.image("image", 1u << 20), std::string("/dev/null"), directory.file("none")}) {
    const auto opened =
        BlockReservation::open(loop, host, path, BlockReservation::Role::member, why);
    BOOST_TEST((opened.has_value() && *opened == nullptr), path);
    BOOST_TEST(!BlockReservation::can_fence(path), path);
  }
}

BOOST_AUTO_TEST_CASE(a_host_is_fenced_and_fences_nobody_afterwards) {
  const auto one = take("a"), two = take("b"), three = take("c");
  BOOST_TEST((one->level() == FenceLevel::storage));
  BOOST_TEST(device.keys.size() == 3U);
  BOOST_TEST(fence(*two, "a").value());
  BOOST_TEST(!device.registered(*process_key(process_of("a"))));
  // The holder was fenced: who fenced it holds the reservation.
  BOOST_TEST(device.holder == *process_key(process_of("b")));
  BOOST_TEST(fence(*two, "a").value());
  BOOST_TEST(failed_with(fence(*one, "c"), Errc::fenced));
  BOOST_TEST(device.registered(*process_key(process_of("c"))));
  BOOST_TEST(failed_with(one->leave(), Errc::fenced));
}

BOOST_AUTO_TEST_CASE(what_the_device_cannot_do_now_is_no_fence) {
  const auto one = take("a"), two = take("b");
  for (const int error : {-EIO, 2}) {
    device.error = error;
    BOOST_TEST(failed_with(fence(*one, "b"), Errc::io_error));
  }
  device.error = 0;
  BOOST_TEST(device.registered(*process_key(process_of("b"))));
}

BOOST_AUTO_TEST_CASE(of_an_unknown_process_and_of_itself_nothing_can_be_told) {
  const auto one = take("a");
  BOOST_TEST(!loop.run(one->fence({1, 0}, {Rid{5}, Epoch{1}}, HostId{})).value());
  BOOST_TEST(!fence(*one, "a").value());
}

BOOST_AUTO_TEST_CASE(the_next_process_of_a_host_replaces_its_key) {
  const auto one = take("a"), two = take("b");
  std::string why;
  HostId again = process_of("b");
  again.process = 99;
  const auto next =
      BlockReservation::take(loop, host, UniqueFd(), device.path("b"), *process_key(again),
                             BlockReservation::Role::member, why);
  BOOST_TEST(next.has_value());
  BOOST_TEST(device.keys["b"] == *process_key(again));
  BOOST_TEST(fence(*one, "b").value());
  BOOST_TEST(device.registered(*process_key(again)));
}

BOOST_AUTO_TEST_CASE(the_holders_key_stays_and_the_others_take_theirs_back) {
  const auto one = take("a"), two = take("b");
  const auto guest = take("c", BlockReservation::Role::guest);
  BOOST_TEST(device.holder == *process_key(process_of("a")));
  for (BlockReservation* who : {guest.get(), two.get(), one.get()}) {
    BOOST_TEST(who->leave().has_value());
  }
  BOOST_TEST(device.keys.size() == 1U);
  BOOST_TEST(device.holder == *process_key(process_of("a")));
}

BOOST_AUTO_TEST_CASE(a_device_that_is_reserved_otherwise_is_told) {
  device.error = -EIO;
  std::string why;
  const auto taken = BlockReservation::take(loop, host, UniqueFd(), device.path("a"), 1,
                                            BlockReservation::Role::member, why);
  BOOST_TEST(failed_with(taken, Errc::io_error));
  BOOST_TEST((why.find("does not register") != std::string::npos));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
