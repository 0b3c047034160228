// The disk server without nbdkit: who gets in, what a fence does, what a restart keeps.
#include "nbd/plugin/disk_server.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "nbd/plugin/control.hpp"
#include "tests/support/node_files.hpp"
#include "tests/support/small_volume.hpp"

namespace scoutfs::nbd {
namespace {

constexpr std::uint64_t kDiskSize = format::kDeviceBlocksMin * kBlockSize;
constexpr Fsid kVolume{4711};

std::span<const std::byte> bytes_of(const std::string& text) {
  return as_bytes(text);
}

struct Disk {
  Disk() { start(); }

  void start() {
    server = std::make_unique<DiskServer>();
    std::string why;
    const Result<void> started = server->start(
        {.disk_path = image, .lock_patience_ms = 0, .drain_patience_ms = 60'000}, why);
    BOOST_REQUIRE_MESSAGE(started.has_value(), why);
  }
  void restart() {
    server.reset();
    start();
  }
  // As mkfs, through whatever the plain export lets it.
  void make_volume(Fsid fsid = kVolume) {
    auto plain = open("");
    BOOST_REQUIRE(plain->writable());
    BOOST_REQUIRE(plain
                      ->write(format::kSuperblockFirst * kBlockSize,
                              bytes_of(testing::small_superblock(fsid)),
                              Durability::on_completion)
                      .has_value());
  }

  Identity identity(std::uint64_t rid, std::uint64_t session = 1) const {
    const Offer offer = server->offer();
    return {.fsid = kVolume,
            .node = "n",
            .who = {.rid = Rid{rid}, .epoch = Epoch{1}},
            .role = Role::mount,
            .session = session,
            .table = offer.table,
            .born = offer.generation};
  }
  static std::string name(const Identity& identity) {
    return encode(identity, std::string(format::kSecretSize, 's'));
  }
  Result<std::unique_ptr<DiskServer::Connection>> try_open(const std::string& export_name) {
    std::string why;
    return server->open(export_name, why);
  }
  std::unique_ptr<DiskServer::Connection> open(const std::string& export_name) {
    std::string why;
    auto opened = server->open(export_name, why);
    BOOST_REQUIRE_MESSAGE(opened.has_value(), why);
    return std::move(*opened);
  }
  std::unique_ptr<DiskServer::Connection> open(const Identity& who) { return open(name(who)); }
  nlohmann::json status() { return nlohmann::json::parse(server->status()); }

  testing::TemporaryDirectory directory;
  std::string image = directory.image("disk", kDiskSize);
  std::unique_ptr<DiskServer> server;
};

const std::string kBytes = testing::pattern(1, kBlockSize);
constexpr std::uint64_t kPlace = 300 * kBlockSize;

Result<void> put(DiskServer::Connection& connection) {
  return connection.write(kPlace, bytes_of(kBytes), Durability::after_flush);
}
Result<void> get(DiskServer::Connection& connection) {
  std::string out(kBlockSize, '\0');
  return connection.read(kPlace, {reinterpret_cast<std::byte*>(out.data()), out.size()});
}

BOOST_AUTO_TEST_SUITE(disk_server)

BOOST_AUTO_TEST_CASE(an_empty_disk_can_be_written_by_one_client_at_a_time) {
  Disk disk;
  {
    const auto first = disk.open("");
    const auto second = disk.open("");
    BOOST_TEST(first->writable());
    BOOST_TEST(!second->writable());
    BOOST_TEST(put(*first).has_value());
    BOOST_TEST(get(*second).has_value());
    BOOST_TEST(failed_with(put(*second), Errc::access_denied));
  }
  BOOST_TEST(disk.open("")->writable());
}

BOOST_AUTO_TEST_CASE(with_a_volume_the_plain_export_is_read_only) {
  Disk disk;
  disk.make_volume();
  BOOST_TEST(!disk.open("")->writable());
}

BOOST_AUTO_TEST_CASE(the_first_identity_ends_whoever_still_writes_without_one) {
  Disk disk;
  const auto formatter = disk.open("");
  BOOST_TEST(formatter
                 ->write(format::kSuperblockFirst * kBlockSize,
                         bytes_of(testing::small_superblock(kVolume)),
                         Durability::on_completion)
                 .has_value());
  const auto client = disk.open(disk.identity(1));
  BOOST_TEST(failed_with(put(*formatter), Errc::fenced));
  BOOST_TEST(put(*client).has_value());
}

BOOST_AUTO_TEST_CASE(identities_need_a_volume_its_secret_and_its_fsid) {
  Disk disk;
  BOOST_TEST(failed_with(disk.try_open(Disk::name(disk.identity(1))), Errc::not_found));
  disk.make_volume();
  const Identity who = disk.identity(1);
  BOOST_TEST(
      failed_with(disk.try_open(encode(who, std::string(32, 'x'))), Errc::access_denied));
  Identity other = who;
  other.fsid = Fsid{1};
  BOOST_TEST(failed_with(disk.try_open(Disk::name(other)), Errc::wrong_volume));
  BOOST_TEST(failed_with(disk.try_open("something"), Errc::not_found));
  BOOST_TEST(disk.open(who)->writable());
}

BOOST_AUTO_TEST_CASE(a_fenced_client_neither_reads_nor_writes_nor_comes_back) {
  Disk disk;
  disk.make_volume();
  const Identity victim = disk.identity(1), survivor = disk.identity(2);
  const auto first = disk.open(victim);
  const auto second = disk.open(survivor);
  BOOST_TEST(put(*first).has_value());
  BOOST_TEST(disk.server->fence(Term{1, 0}, victim.who).has_value());
  BOOST_TEST(failed_with(get(*first), Errc::fenced));
  BOOST_TEST(failed_with(put(*first), Errc::fenced));
  BOOST_TEST(failed_with(first->flush(), Errc::fenced));
  BOOST_TEST(failed_with(disk.try_open(Disk::name(victim)), Errc::fenced));
  BOOST_TEST(put(*second).has_value());
  BOOST_TEST(second->flush().has_value());
  BOOST_TEST(disk.server->fence(Term{1, 0}, victim.who).has_value());
}

BOOST_AUTO_TEST_CASE(a_restart_keeps_fences_terms_and_the_registered) {
  Disk disk;
  disk.make_volume();
  const Identity victim = disk.identity(1), survivor = disk.identity(2);
  disk.open(victim);
  disk.open(survivor);
  BOOST_TEST(disk.server->register_term({5, 1}, {Rid{9}, Epoch{5}}).has_value());
  BOOST_TEST(disk.server->fence(Term{5, 1}, victim.who).has_value());
  disk.restart();
  BOOST_TEST(failed_with(disk.try_open(Disk::name(victim)), Errc::fenced));
  BOOST_TEST(disk.open(survivor)->writable());
  BOOST_TEST(failed_with(disk.server->fence(Term{4, 0}, survivor.who), Errc::fenced));
  BOOST_TEST(failed_with(disk.server->register_term({4, 0}, {Rid{8}, Epoch{4}}), Errc::fenced));
}

BOOST_AUTO_TEST_CASE(a_lost_table_refuses_everybody_it_might_have_named) {
  Disk disk;
  disk.make_volume();
  const Identity before = disk.identity(1);
  disk.open(before);
  disk.server.reset();
  std::filesystem::remove(disk.image + ".fence");
  disk.start();
  BOOST_TEST(failed_with(disk.try_open(Disk::name(before)), Errc::fenced));
  BOOST_TEST(disk.open(disk.identity(2))->writable());
}

BOOST_AUTO_TEST_CASE(a_damaged_table_is_not_taken_for_an_empty_one) {
  Disk disk;
  disk.server.reset();
  std::ofstream(disk.image + ".fence") << "nonsense";
  DiskServer server;
  std::string why;
  BOOST_TEST(failed_with(server.start({.disk_path = disk.image}, why), Errc::corrupt));
  BOOST_TEST((why.find(".fence") != std::string::npos));
}

BOOST_AUTO_TEST_CASE(a_disk_is_served_once) {
  Disk disk;
  DiskServer second;
  std::string why;
  BOOST_TEST(failed_with(second.start({.disk_path = disk.image, .lock_patience_ms = 1}, why),
                         Errc::busy));
}

BOOST_AUTO_TEST_CASE(a_new_session_ends_the_old_connections_of_its_incarnation) {
  Disk disk;
  disk.make_volume();
  const auto old = disk.open(disk.identity(1, 1));
  const auto beside = disk.open(disk.identity(1, 1));
  BOOST_TEST(put(*beside).has_value());
  const auto young = disk.open(disk.identity(1, 2));
  BOOST_TEST(failed_with(put(*old), Errc::fenced));
  BOOST_TEST(failed_with(put(*beside), Errc::fenced));
  BOOST_TEST(put(*young).has_value());
  BOOST_TEST(failed_with(disk.try_open(Disk::name(disk.identity(1, 1))), Errc::stale));
}

BOOST_AUTO_TEST_CASE(making_a_volume_anew_needs_the_secret_and_nobody_connected) {
  Disk disk;
  disk.make_volume();
  Identity admin = disk.identity(9);
  admin.role = Role::format;
  auto client = disk.open(disk.identity(1));
  BOOST_TEST(failed_with(disk.try_open(Disk::name(admin)), Errc::busy));
  BOOST_TEST(disk.server->fence(std::nullopt, disk.identity(1).who).has_value());
  {
    const auto writer = disk.open(admin);
    BOOST_TEST(writer
                   ->write(format::kSuperblockFirst * kBlockSize,
                           bytes_of(testing::small_superblock(Fsid{12})),
                           Durability::on_completion)
                   .has_value());
    BOOST_TEST(failed_with(disk.try_open(Disk::name(admin)), Errc::wrong_volume));
  }
  client.reset();
  BOOST_TEST(failed_with(disk.try_open(Disk::name(disk.identity(2))), Errc::wrong_volume));
  Identity fresh = disk.identity(1);
  fresh.fsid = Fsid{12};
  // The new volume's incarnations are its own: no fence of the old one is about them.
  BOOST_TEST(disk.open(fresh)->writable());
}

BOOST_AUTO_TEST_CASE(commands_are_carried_out_and_nonsense_is_refused) {
  Disk disk;
  disk.make_volume();
  Identity admin = disk.identity(9);
  admin.role = Role::control;
  const auto control = disk.open(admin);
  const auto ask = [&](const std::string& request) {
    const Result<void> asked = control->write(0, bytes_of(request), Durability::after_flush);
    BOOST_REQUIRE(asked.has_value());
    std::string answer(65536, '\0');
    const std::span<std::byte> out{reinterpret_cast<std::byte*>(answer.data()), answer.size()};
    BOOST_REQUIRE(control->read(0, out).has_value());
    return nlohmann::json::parse(answer.substr(8, load_little<std::uint64_t>(answer.data())));
  };
  const auto client = disk.open(disk.identity(1));
  BOOST_TEST(ask(R"({"op":"status"})")["status"]["clients"][0]["node"] == "n");
  BOOST_TEST(
      ask(R"({"op":"register_term","term":{"number":3,"slot":0},"rid":"7","epoch":3})")["ok"] ==
      true);
  BOOST_TEST(
      ask(R"({"op":"fence","term":{"number":2,"slot":0},"rid":"1","epoch":1})")["error"] ==
      "fenced");
  BOOST_TEST(put(*client).has_value());
  BOOST_TEST(ask(R"({"op":"fence","term":{"number":3,"slot":0},"rid":"1","epoch":1})")["ok"] ==
             true);
  BOOST_TEST(failed_with(put(*client), Errc::fenced));
  for (const char* const nonsense :
       {"", "[]", "{", "{}", R"({"op":1})", R"({"op":"fence"})",
        R"({"op":"fence","rid":"1","epoch":-1})", R"({"op":"fence","rid":"0","epoch":1})",
        R"({"op":"register_term","rid":"1","epoch":1})",
        R"({"op":"fence","rid":"1","epoch":1,"term":3})"}) {
    BOOST_TEST(ask(nonsense)["error"] == "invalid");
  }
}

BOOST_AUTO_TEST_CASE(the_status_tells_who_is_there) {
  Disk disk;
  disk.make_volume();
  const auto client = disk.open(disk.identity(1));
  BOOST_TEST(put(*client).has_value());
  BOOST_TEST(disk.server->fence(std::nullopt, {Rid{2}, Epoch{3}}).has_value());
  const nlohmann::json status = disk.status();
  BOOST_TEST(status["clients"].size() == 1u);
  BOOST_TEST(status["clients"][0]["connections"] == 1);
  BOOST_TEST(status["clients"][0]["writes"] == 1);
  BOOST_TEST(status["fenced"][0]["rid"] == "0000000000000002");
  const auto text = disk.open(std::string(kStatusExport));
  BOOST_TEST(!text->writable());
  BOOST_TEST(text->size_bytes() > 100u);
}

// Writers of two clients; one is fenced in the middle. What it wrote last before the fence was
// answered is the last that is ever seen of it; the other goes on.
BOOST_AUTO_TEST_CASE(nothing_of_a_fenced_client_lands_while_others_write) {
  Disk disk;
  disk.make_volume();
  const Identity victim = disk.identity(1);
  std::atomic<int> writes = 0, refused = 0;
  std::atomic<bool> stop = false;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, connection = disk.open(victim)] {
      std::string bytes(kBlockSize, '\0');
      while (!stop) {
        store_little<std::uint64_t>(bytes.data(), static_cast<std::uint64_t>(++writes));
        if (!connection->write(kPlace, bytes_of(bytes), Durability::after_flush).has_value()) {
          ++refused;
          return;
        }
      }
    });
  }
  const auto other = disk.open(disk.identity(2));
  while (writes < 1000) std::this_thread::yield();
  BOOST_TEST(disk.server->fence(Term{1, 0}, victim.who).has_value());
  // Ours now: nobody else writes it any more.
  BOOST_TEST(put(*other).has_value());
  stop = true;
  threads.clear();
  std::string seen(kBlockSize, '\0');
  BOOST_TEST(other->read(kPlace, {reinterpret_cast<std::byte*>(seen.data()), seen.size()})
                 .has_value());
  BOOST_TEST((seen == kBytes));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::nbd
