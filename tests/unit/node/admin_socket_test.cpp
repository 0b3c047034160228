// The admin socket, asked as the command line asks it.
#include "node/admin_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <thread>

#include "node/status_json.hpp"
#include "tests/support/node_files.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

using nlohmann::json;

struct Served {
  Served() {
    std::string why;
    auto opened = AdminSocket::open(
        loop, path(),
        [](const std::string& command, const json&) -> std::optional<json> {
          if (command != "status") return std::nullopt;
          return json{{"text", std::string(100'000, 'x') + "\xff"}};
        },
        why);
    BOOST_REQUIRE_MESSAGE(opened.has_value(), why);
    admin = std::move(*opened);
  }
  std::string path() const { return directory.file("socket"); }
  // The daemon's loop runs while another thread asks.
  std::string ask(const std::string& line) {
    std::string answer;
    std::thread client([&] {
      const auto got = ask_daemon(path(), line);
      answer = got.value_or("failed");
      loop.post([this] { loop.stop(); });
    });
    loop.run();
    client.join();
    return answer;
  }

  testing::TemporaryDirectory directory;
  EventLoop loop;
  std::unique_ptr<AdminSocket> admin;
};

BOOST_AUTO_TEST_SUITE(admin_socket)

BOOST_AUTO_TEST_CASE(a_question_gets_an_answer_of_any_length) {
  Served served;
  for (int i = 0; i < 3; ++i) {
    const json answer = json::parse(served.ask(R"({"cmd":"status"})"));
    BOOST_TEST(answer["ok"].get<bool>());
    BOOST_TEST(answer["text"].get<std::string>().size() > 100'000U);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_question_is_refused_and_long_lines_end_the_connection) {
  Served served;
  BOOST_TEST(served.ask("hello") == R"({"error":"not a JSON object","ok":false})");
  BOOST_TEST(served.ask("[1]") == R"({"error":"not a JSON object","ok":false})");
  BOOST_TEST(served.ask("{}") == R"({"error":"no \"cmd\"","ok":false})");
  BOOST_TEST(served.ask(R"({"cmd":"format"})") == R"({"error":"unknown command","ok":false})");
  BOOST_TEST(served.ask(std::string(AdminSocket::kLineMax + 5000, 'x')) == "failed");
}

BOOST_AUTO_TEST_CASE(only_its_owner_may_connect_and_it_goes_when_the_daemon_does) {
  Served served;
  struct stat info{};
  BOOST_TEST(stat(served.path().c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 0777) == 0600U);
  served.admin.reset();
  BOOST_TEST(stat(served.path().c_str(), &info) != 0);
  BOOST_TEST(ask_daemon(served.path(), "{}").error() == ENOENT);
}

BOOST_AUTO_TEST_CASE(sockets_of_killed_daemons_are_removed_and_others_stay) {
  Served served;
  const std::string alive = served.directory.file("alive.sock");
  const std::string dead = served.directory.file("dead.sock");
  std::filesystem::create_hard_link(served.path(), alive);
  // A socket that nobody listens on.
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  dead.copy(address.sun_path, sizeof(address.sun_path) - 1);
  BOOST_REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) ==
                0);
  remove_dead_sockets(served.directory.path());
  BOOST_TEST(std::filesystem::exists(alive));
  BOOST_TEST(!std::filesystem::exists(dead));
}

BOOST_AUTO_TEST_CASE(the_status_of_a_mount_is_a_document) {
  MountStatus status;
  status.rid = Rid{0x12};
  status.waits_for = "a leader";
  MountStatus::Member& member = status.members.emplace_back();
  member.name = "first";
  json document = to_json(status);
  BOOST_TEST(document["rid"] == "0000000000000012");
  BOOST_TEST(document["leader_slot"].is_null());
  BOOST_TEST(document["members"][0]["name"] == "first");
  status.leader_slot = 3;
  document = to_json(status);
  BOOST_TEST(document["leader_slot"] == 3);
  BOOST_TEST(uuid_text({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, '\xf0'}) ==
             "01020304-0506-0708-090a-0b0c0d0e0ff0");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
