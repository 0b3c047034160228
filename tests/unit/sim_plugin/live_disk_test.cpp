// The simulated disk in the host's time, and its commands.
#include "nbd/sim_plugin/live_disk.hpp"

#include <string>

#include "nbd/sim_plugin/control_socket.hpp"
#include "tests/test.hpp"

namespace scoutfs::sim {
namespace {

using Client = LiveDisk::Client;

std::string block_of(char letter) {
  return std::string(kBlockSize, letter);
}
Result<void> put(Client& client, std::uint64_t at, const std::string& bytes,
                 Durability durability = Durability::after_flush) {
  return client.write(BlockNo{at}, std::as_bytes(std::span(bytes)), durability);
}
std::string get(Client& client, std::uint64_t at) {
  std::string bytes(kBlockSize, '?');
  const Result<void> done =
      client.read(BlockNo{at}, std::as_writable_bytes(std::span<char>(bytes)));
  return done.has_value() ? bytes : "";
}
std::unique_ptr<Client> connect(LiveDisk& disk) {
  auto client = disk.connect();
  BOOST_REQUIRE(client.has_value());
  return std::move(*client);
}

BOOST_AUTO_TEST_SUITE(live_disk)

BOOST_AUTO_TEST_CASE(a_cut_keeps_what_was_flushed_or_forced_and_may_lose_the_rest) {
  LiveDisk disk({});
  {
    const auto writer = connect(disk);
    const auto reader = connect(disk);
    BOOST_TEST(put(*writer, 1, block_of('a')).has_value());
    BOOST_TEST(writer->flush().has_value());
    BOOST_TEST(put(*writer, 2, block_of('b'), Durability::on_completion).has_value());
    BOOST_TEST(put(*writer, 1, block_of('c')).has_value());
    BOOST_TEST(put(*writer, 3, block_of('d')).has_value());
    BOOST_TEST((get(*reader, 1) == block_of('c')));
    BOOST_TEST(answer_command(disk, "cut keeps_none") == "ok");
    BOOST_TEST(failed_with(writer->flush(), Errc::disconnected));
    BOOST_TEST(get(*reader, 1).empty());
  }
  BOOST_TEST(!disk.connect().has_value());
  BOOST_TEST(answer_command(disk, "on") == "ok");
  const auto later = connect(disk);
  BOOST_TEST((get(*later, 1) == block_of('a')));
  BOOST_TEST((get(*later, 2) == block_of('b')));
  BOOST_TEST((get(*later, 3) == std::string(kBlockSize, '\0')));
}

BOOST_AUTO_TEST_CASE(a_connection_that_was_cut_answers_nobody_and_another_takes_its_place) {
  LiveDisk disk({});
  const auto old = connect(disk);
  BOOST_TEST(put(*old, 1, block_of('a')).has_value());
  BOOST_TEST(answer_command(disk, "disconnect") == "ok");
  BOOST_TEST(failed_with(put(*old, 1, block_of('b')), Errc::disconnected));
  const auto other = connect(disk);
  BOOST_TEST((get(*other, 1) == block_of('a')));
}

BOOST_AUTO_TEST_CASE(commands_say_what_is_wrong_with_them) {
  LiveDisk disk({});
  const std::string status = "ok on=1 clients=0 requests=0 volatile_blocks=0 cuts=0";
  BOOST_TEST(answer_command(disk, "status") == status);
  BOOST_TEST(answer_command(disk, "cut badly") == "error: no way to cut is called 'badly'");
  BOOST_TEST(answer_command(disk, "on now") == "error: 'on' takes no word");
  BOOST_TEST(answer_command(disk, "") == "error: there is no command ''");
  BOOST_TEST(answer_command(disk, "cut") == "ok");
  BOOST_TEST(answer_command(disk, "cut") == "error: the power is off");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::sim
