// The quorum blocks on the device.
#include "engine/cluster/quorum_region.hpp"

#include "tests/support/scripted_leader.hpp"
#include "tests/test.hpp"

namespace scoutfs::cluster {
namespace {

using format::QuorumBlock;

struct RegionFixture : testing::MemberWorld {
  void write(std::uint16_t slot, std::uint64_t write_number) {
    QuorumBlock block;
    block.slot = slot;
    block.write_number = write_number;
    block.who = {Rid{slot + 1U}, Epoch{1}};
    block.name = "host";
    BOOST_TEST(run(region.write(block)).has_value());
  }
  QuorumRegion::Blocks read() {
    const auto blocks = run(region.read_all());
    BOOST_REQUIRE(blocks.has_value());
    return *blocks;
  }
  void damage(std::uint16_t slot, std::uint64_t write_number) {
    device.flip_bit(format::quorum_block_at(slot, write_number), 100);
  }

  QuorumRegion region{device, Fsid{7}};
};

BOOST_FIXTURE_TEST_SUITE(quorum_region, RegionFixture)

BOOST_AUTO_TEST_CASE(what_nobody_wrote_is_nothing) {
  const QuorumRegion::Blocks blocks = read();
  BOOST_TEST(blocks.size() == format::kSlotsMax);
  for (const auto& block : blocks) BOOST_TEST(!block.has_value());
}

BOOST_AUTO_TEST_CASE(a_block_is_durable_and_the_newest_copy_counts) {
  for (std::uint64_t number = 1; number <= 5; ++number) {
    write(3, number);
    BOOST_TEST(device.unflushed_count() == 0U);
    BOOST_REQUIRE(read()[3].has_value());
    BOOST_TEST(read()[3]->write_number == number);
  }
  BOOST_TEST(!read()[2].has_value());
}

BOOST_AUTO_TEST_CASE(a_torn_write_leaves_the_one_before) {
  write(3, 1);
  write(3, 2);
  damage(3, 2);
  BOOST_REQUIRE(read()[3].has_value());
  BOOST_TEST(read()[3]->write_number == 1U);
  damage(3, 1);
  BOOST_TEST(!read()[3].has_value());
}

BOOST_AUTO_TEST_CASE(blocks_of_another_volume_are_none) {
  write(3, 1);
  QuorumRegion other(device, Fsid{8});
  BOOST_TEST(!run(other.read_all())->at(3).has_value());
}

BOOST_AUTO_TEST_CASE(a_device_error_is_told) {
  device.fail_read(1);
  BOOST_TEST(failed_with(run(region.read_all()), Errc::io_error));
  device.fail_write(1);
  BOOST_TEST(failed_with(run(region.write(QuorumBlock{})), Errc::io_error));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::cluster
