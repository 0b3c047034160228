#include "nbd/plugin/fence_table.hpp"

#include "nbd/plugin/table_file.hpp"
#include "tests/support/node_files.hpp"

namespace scoutfs::nbd {
namespace {

constexpr Fsid kVolume{9};

FenceTable new_table() {
  FenceTable table(5);
  table.reset(kVolume);
  return table;
}

Identity client(const FenceTable& table, std::uint64_t rid, std::uint64_t epoch = 1) {
  return {.fsid = kVolume,
          .node = "n",
          .who = {.rid = Rid{rid}, .epoch = Epoch{epoch}},
          .role = Role::mount,
          .session = 1,
          .table = table.id(),
          .born = table.generation()};
}

BOOST_AUTO_TEST_SUITE(fence_table)

BOOST_AUTO_TEST_CASE(who_is_admitted_is_registered_once) {
  FenceTable table = new_table();
  BOOST_TEST(table.admit(client(table, 1)).value());
  BOOST_TEST(!table.admit(client(table, 1)).value());
  BOOST_TEST(table.registered().size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_fenced_are_refused_for_good_and_their_successors_are_not) {
  FenceTable table = new_table();
  const Identity first = client(table, 1);
  BOOST_TEST(table.admit(first).has_value());
  BOOST_TEST(table.fence(first.who));
  BOOST_TEST(!table.fence(first.who));
  BOOST_TEST(failed_with(table.admit(first), Errc::fenced));
  BOOST_TEST(table.registered().empty());
  BOOST_TEST(table.admit(client(table, 1, 2)).has_value());
  BOOST_TEST(table.admit(client(table, 2)).has_value());
}

BOOST_AUTO_TEST_CASE(an_older_epoch_is_refused) {
  FenceTable table = new_table();
  BOOST_TEST(table.admit(client(table, 1, 5)).has_value());
  BOOST_TEST(failed_with(table.admit(client(table, 1, 4)), Errc::fenced));
}

BOOST_AUTO_TEST_CASE(a_fence_of_a_later_epoch_covers_a_client_that_knew_no_epoch_yet) {
  FenceTable table = new_table();
  BOOST_TEST(table.admit(client(table, 1, 0)).has_value());
  BOOST_TEST(table.fence({Rid{1}, Epoch{8}}));
  BOOST_TEST(failed_with(table.admit(client(table, 1, 0)), Errc::fenced));
}

BOOST_AUTO_TEST_CASE(the_incarnations_of_another_table_or_volume_are_refused) {
  FenceTable table = new_table();
  Identity who = client(table, 1);
  who.table = 6;
  BOOST_TEST(failed_with(table.admit(who), Errc::fenced));
  who = client(table, 1);
  who.fsid = Fsid{8};
  BOOST_TEST(failed_with(table.admit(who), Errc::wrong_volume));
}

BOOST_AUTO_TEST_CASE(terms_go_up_only) {
  FenceTable table = new_table();
  const Incarnation first{Rid{1}, Epoch{3}}, second{Rid{2}, Epoch{4}};
  BOOST_TEST(table.register_term({3, 0}, first).value());
  BOOST_TEST(!table.register_term({3, 0}, first).value());
  BOOST_TEST(failed_with(table.register_term({3, 0}, second), Errc::fenced));
  BOOST_TEST(table.register_term({4, 1}, second).value());
  BOOST_TEST(failed_with(table.register_term({3, 0}, first), Errc::fenced));
  BOOST_TEST(!table.term_may_act({3, 9}));
  BOOST_TEST(table.term_may_act({4, 1}));
}

BOOST_AUTO_TEST_CASE(a_leader_of_an_older_term_is_refused) {
  FenceTable table = new_table();
  Identity leader = client(table, 1, 3);
  leader.role = Role::leader;
  BOOST_TEST(table.register_term({4, 0}, {Rid{2}, Epoch{4}}).has_value());
  BOOST_TEST(failed_with(table.admit(leader), Errc::fenced));
}

BOOST_AUTO_TEST_CASE(a_table_that_is_full_forgets_names_and_refuses_their_bearers) {
  FenceTable table = new_table();
  const Identity survivor = client(table, 1'000'000);
  BOOST_TEST(table.admit(survivor).has_value());
  std::vector<Identity> victims;
  for (std::uint64_t rid = 1; rid <= FenceTable::kFencedMax + 1; ++rid) {
    victims.push_back(client(table, rid));
    BOOST_REQUIRE(table.admit(victims.back()).has_value());
    BOOST_REQUIRE(table.fence(victims.back().who));
  }
  BOOST_TEST(table.fenced().empty());
  BOOST_TEST(FenceTable::encode(table).size() < 4096u);
  for (const Identity& victim : victims) {
    BOOST_REQUIRE(failed_with(table.admit(victim), Errc::fenced));
  }
  BOOST_TEST(table.admit(survivor).has_value());
  BOOST_TEST(table.admit(client(table, 2'000'000)).has_value());
}

BOOST_AUTO_TEST_CASE(it_comes_back_from_its_bytes_and_damage_is_noticed) {
  FenceTable table = new_table();
  BOOST_TEST(table.admit(client(table, 1)).has_value());
  BOOST_TEST(table.admit(client(table, 2)).has_value());
  BOOST_TEST(table.fence({Rid{2}, Epoch{1}}));
  BOOST_TEST(table.register_term({4, 1}, {Rid{1}, Epoch{4}}).has_value());
  const std::string bytes = FenceTable::encode(table);
  BOOST_TEST((FenceTable::decode(bytes).value() == table));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string other = bytes;
    other[i] = static_cast<char>(other[i] ^ 0x10);
    BOOST_TEST(failed_with(FenceTable::decode(other), Errc::corrupt));
  }
}

BOOST_AUTO_TEST_CASE(the_bytes_are_pinned) {
  FenceTable table = new_table();
  BOOST_TEST(table.admit(client(table, 1)).has_value());
  BOOST_TEST(table.fence({Rid{2}, Epoch{1}}));
  const std::string bytes = FenceTable::encode(table);
  BOOST_TEST(bytes.size() == 82u + 16 + 1 + 1 + 1 + 16);
  BOOST_TEST(load_little<std::uint64_t>(bytes.data()) == 2813617512165790774u);
}

BOOST_AUTO_TEST_CASE(a_stored_table_is_loaded_again) {
  testing::TemporaryDirectory directory;
  const TableFile file(directory.file("table"));
  BOOST_TEST(failed_with(file.load(), Errc::not_found));
  FenceTable table = new_table();
  BOOST_TEST(file.store(table).has_value());
  BOOST_TEST((file.load().value() == table));
  BOOST_TEST(table.fence({Rid{2}, Epoch{1}}));
  BOOST_TEST(file.store(table).has_value());
  BOOST_TEST((file.load().value() == table));
  const TableFile nowhere(directory.file("no/table"));
  BOOST_TEST(failed_with(nowhere.store(table), Errc::io_error));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::nbd
