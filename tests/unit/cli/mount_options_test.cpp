#include "cli/mount_options.hpp"
#include "engine/env/drift.hpp"
#include "tests/test.hpp"

using namespace scoutfs;
using namespace scoutfs::cli;

namespace {

node::MountConfig applied(std::string_view options) {
  node::MountConfig config;
  std::string why;
  BOOST_REQUIRE_MESSAGE(apply_mount_options(options, Unknown::refuse, config, why), why);
  return config;
}

std::string refused(std::string_view options) {
  node::MountConfig config;
  std::string why;
  BOOST_TEST(!apply_mount_options(options, Unknown::refuse, config, why), options);
  return why;
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_option_reaches_what_it_is_about) {
  const node::MountConfig config = applied(
      "cluster=mine,listen=10.0.0.1:7000,slot=3,commit=250,item_cache=2M,segment_cache=1G,"
      "local_locks,noatime,log=/var/log/x,log_level=debug,metrics=127.0.0.1:9100,"
      "on-fence=freeze");
  BOOST_CHECK(config.engine.on_fence == OnFence::freeze);
  BOOST_TEST(config.engine.cluster == "mine");
  BOOST_CHECK(config.engine.listen == (Address{0x0a000001, 7000}));
  BOOST_TEST(config.engine.slot.value() == 3);
  BOOST_TEST(config.engine.commit_interval_ns == 250 * kMillisecond);
  BOOST_TEST(config.engine.item_cache_bytes == 2u << 20);
  BOOST_TEST(config.engine.segment_cache_bytes == 1u << 30);
  BOOST_TEST(config.local_locks);
  BOOST_TEST(!config.cache.has_value());
  BOOST_CHECK(config.fence.by == node::FenceChoice::By::device);
  BOOST_CHECK(applied("fence=none").fence.by == node::FenceChoice::By::nobody);
  BOOST_TEST(applied("fence=agent:/sbin/off").fence.agent == "/sbin/off");
  BOOST_TEST((applied("cache=attr").cache == node::CacheMode::attributes));
  BOOST_TEST(applied("cache_settle=0").cache_settle_ns == 0U);
  BOOST_TEST(!config.engine.fs.atime);
  BOOST_TEST(config.log_file == "/var/log/x");
  BOOST_CHECK(config.log_level == LogLevel::debug);
  BOOST_TEST(config.metrics_address == "127.0.0.1:9100");
}

BOOST_AUTO_TEST_CASE(what_is_counted_in_heartbeats_follows_them) {
  const MountOptions usual, fast = applied("heartbeat=50").engine;
  BOOST_TEST(fast.heartbeat_ns == 50 * kMillisecond);
  BOOST_TEST(fast.silence_ns == usual.silence_ns / 4);
  BOOST_TEST(fast.lease_ns == usual.lease_ns / 4);
  BOOST_TEST(applied("heartbeat=600").engine.lease_ns <= kLeaseMax);
  BOOST_TEST(refused("heartbeat=19") == "bad mount option 'heartbeat=19', give heartbeat=MS");
  BOOST_TEST(!refused("heartbeat=601").empty());
}

BOOST_AUTO_TEST_CASE(options_of_mount_8_are_understood_and_flags_reach_the_kernel) {
  const node::MountConfig config =
      applied("rw,noatime,nosuid,_netdev,x-systemd.automount,nofail,,nodev,comment=a");
  BOOST_TEST(config.kernel_flags == (std::vector<std::string>{"nosuid", "nodev"}));
  BOOST_TEST(applied("").kernel_flags.empty());
}

BOOST_AUTO_TEST_CASE(what_is_unknown_or_wrong_is_named) {
  BOOST_TEST(refused("rw,nonsense") ==
             "unknown mount option 'nonsense'; see scoutfs mount --help");
  BOOST_TEST(refused("nonsense=1").starts_with("unknown mount option 'nonsense=1'"));
  for (const char* fence :
       {"fence", "fence=", "fence=agent", "fence=agent:off", "fence=host"}) {
    BOOST_TEST(refused(fence).ends_with("give fence=agent:PROGRAM|none"), fence);
  }
  BOOST_TEST(refused("slot") == "bad mount option 'slot', give slot=NR");
  for (const char* option :
       {"slot=15", "slot=x", "slot=", "commit=0", "commit=-1", "item_cache=10",
        "item_cache=99999999999G", "listen=1.2.3", "listen=224.0.0.1", "listen=255.255.255.255",
        "listen=0.0.0.0", "cluster=", "cache=all", "cache_settle=x", "log_level=loud",
        "metrics=127.0.0.1"}) {
    BOOST_TEST(refused(option).starts_with("bad mount option"), option);
  }
}

BOOST_AUTO_TEST_CASE(a_sloppy_mount_ignores_unknown_options_but_not_bad_values) {
  node::MountConfig config;
  std::string why;
  BOOST_TEST(apply_mount_options("nonsense,slot=2", Unknown::ignore, config, why));
  BOOST_TEST(config.engine.slot.value() == 2);
  BOOST_TEST(!apply_mount_options("slot=99", Unknown::ignore, config, why));
}
