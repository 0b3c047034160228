// File blocks on their way to a memory device.
#include "engine/client/data_writer.hpp"

#include "tests/support/scripted_leader.hpp"
#include "tests/test.hpp"

namespace scoutfs::client {
namespace {

struct WriterFixture : testing::MemberWorld {
  ~WriterFixture() {
    pass(kSecond);
    run(writer.stop());
  }

  static std::string filled(char with, std::uint64_t blocks) {
    return std::string(blocks * kBlockSize, with);
  }
  void write(std::uint64_t txn, std::uint64_t first, std::uint64_t blocks, char with) {
    writer.write(TxnNo{txn}, {BlockNo{first}, blocks}, filled(with, blocks));
  }
  // The first byte of a block as a reader sees it: '-' if it has to ask the device.
  char seen(std::uint64_t block) {
    std::string bytes(kBlockSize, '?');
    const bool here =
        writer.read(BlockNo{block}, std::as_writable_bytes(std::span<char>(bytes)));
    return here ? bytes[0] : '-';
  }
  char on_device(std::uint64_t block) { return device.peek(BlockNo{block}, 1)[0]; }
  bool drain(std::uint64_t txn) { return run(writer.drain(TxnNo{txn})).has_value(); }

  std::vector<Errc> failures;
  DataWriter writer{env(), [this](Error error) { failures.push_back(error.code); }};
};

BOOST_FIXTURE_TEST_SUITE(data_writer, WriterFixture)

BOOST_AUTO_TEST_CASE(a_block_is_readable_until_it_is_on_the_device) {
  write(1, 10, 3, 'a');
  BOOST_TEST(seen(12) == 'a');
  BOOST_TEST(seen(13) == '-');
  BOOST_TEST(writer.pending_bytes() == 3 * kBlockSize);
  BOOST_TEST(drain(1));
  BOOST_TEST(seen(12) == '-');
  BOOST_TEST(on_device(12) == 'a');
  BOOST_TEST(writer.pending_bytes() == 0U);
}

BOOST_AUTO_TEST_CASE(neighbours_leave_in_one_request_whoever_wrote_them) {
  write(1, 10, 2, 'a');
  write(1, 14, 1, 'c');
  write(1, 12, 2, 'b');
  BOOST_TEST(drain(1));
  BOOST_TEST(device.counters().writes == 1U);
  BOOST_TEST(on_device(11) == 'a');
  BOOST_TEST(on_device(12) == 'b');
  BOOST_TEST(on_device(14) == 'c');
}

BOOST_AUTO_TEST_CASE(what_is_written_again_while_it_waits_costs_nothing) {
  write(1, 10, 1, 'a');
  write(1, 10, 1, 'b');
  BOOST_TEST(drain(1));
  BOOST_TEST(device.counters().writes == 1U);
  BOOST_TEST(on_device(10) == 'b');
}

BOOST_AUTO_TEST_CASE(what_is_written_again_in_flight_follows_the_answer) {
  write(1, 10, 1, 'a');
  writer.flush();
  scheduler.run(1);
  write(1, 10, 1, 'b');
  BOOST_TEST(seen(10) == 'b');
  BOOST_TEST(drain(1));
  BOOST_TEST(device.counters().writes == 2U);
  BOOST_TEST(on_device(10) == 'b');
}

BOOST_AUTO_TEST_CASE(what_is_discarded_before_it_leaves_is_never_written) {
  write(1, 10, 2, 'a');
  BOOST_TEST(writer.discard(BlockNo{10}));
  BOOST_TEST(!writer.busy(BlockNo{10}));
  BOOST_TEST(writer.discard(BlockNo{500}));  // was never here
  BOOST_TEST(drain(1));
  BOOST_TEST(on_device(10) == '\0');
  BOOST_TEST(on_device(11) == 'a');
}

BOOST_AUTO_TEST_CASE(what_is_discarded_in_flight_is_busy_until_the_answer) {
  write(1, 10, 1, 'a');
  writer.flush();
  BOOST_TEST(!writer.discard(BlockNo{10}));
  BOOST_TEST(writer.busy(BlockNo{10}));
  BOOST_TEST(drain(1));
  BOOST_TEST(!writer.busy(BlockNo{10}));
}

BOOST_AUTO_TEST_CASE(a_drain_waits_for_its_transactions_and_those_before) {
  write(1, 10, 1, 'a');
  write(2, 20, 1, 'b');
  BOOST_TEST(drain(1));
  BOOST_TEST(on_device(10) == 'a');
  BOOST_TEST(drain(2));
  BOOST_TEST(on_device(20) == 'b');
}

BOOST_AUTO_TEST_CASE(enough_of_them_leave_by_themselves) {
  write(1, 0, 255, 'a');
  scheduler.run();
  BOOST_TEST(device.counters().writes == 0U);
  write(1, 255, 1, 'a');
  scheduler.run();
  BOOST_TEST(device.counters().writes == 1U);
}

BOOST_AUTO_TEST_CASE(an_error_is_reported_and_nothing_after_it_counts_as_written) {
  device.add_bad_write(BlockNo{10});
  write(1, 10, 1, 'a');
  BOOST_TEST(!drain(1));
  BOOST_TEST((failures == std::vector<Errc>{Errc::io_error}));
  device.clear_errors();
  write(2, 20, 1, 'b');
  BOOST_TEST(!drain(2));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::client
