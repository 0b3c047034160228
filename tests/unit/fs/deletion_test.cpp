// Unlinked inodes: open ones live on, large ones go piece by piece, leftovers are found.
#include "tests/unit/fs/fixture.hpp"

namespace scoutfs::fs {
namespace {

struct DeletionFixture : Fixture {
  DeletionFixture() : ino(make(kRootIno, "file", a_file()).ino) {}

  bool orphaned() { return volume.items.contains(format::orphan_key(ino)); }
  bool exists() { return volume.items.contains(format::inode_key(ino)); }
  void scan_orphans() {
    for (std::size_t node = 0; node < systems.size(); ++node) stores[node]->commit();
    for (int second = 0; second < 13; ++second) tick();
  }

  Ino ino;
};

BOOST_FIXTURE_TEST_SUITE(deletion, DeletionFixture)

BOOST_AUTO_TEST_CASE(a_small_file_goes_in_the_transaction_that_unlinks_it) {
  write(ino, 0, std::string(10'000, 'x'));
  done(run(fs().set_xattr(who, ino, "user.a", std::string(40'000, 'v'), SetXattr::any)));
  done(run(fs(1).unlink(who, kRootIno, "file")));
  BOOST_TEST(!orphaned());
  BOOST_TEST(volume.items.size() == 2U);
  BOOST_TEST(volume.used.size() == 0U);
}

BOOST_AUTO_TEST_CASE(an_open_file_lives_until_its_last_close) {
  done(run(fs().open(who, ino)));
  done(run(fs().open(who, ino)));
  write(ino, 0, "before");
  done(run(fs().unlink(who, kRootIno, "file")));
  BOOST_TEST(orphaned());
  BOOST_TEST(stat(ino).nlink == 0U);
  write(ino, 6, " and after");
  BOOST_TEST(read(ino, 0, 100) == "before and after");
  truncate(ino, 3);
  refused(run(fs().link(who, ino, kRootIno, "again")), Errc::not_found);
  fs().close(ino);
  run_idle();
  BOOST_TEST(exists());
  fs().close(ino);
  run_idle();
  BOOST_TEST(!exists());
  BOOST_TEST(!orphaned());
  BOOST_TEST(volume.used.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_file_open_on_another_node_lives_until_that_closes_it) {
  write(ino, 0, "data");
  done(run(fs(1).open(who, ino)));
  done(run(fs(0).unlink(who, kRootIno, "file")));
  run_idle();
  BOOST_TEST(exists());
  BOOST_TEST(read(ino, 0, 10, 1) == "data");
  BOOST_TEST(stat(ino, 0).nlink == 0U);  // it is there, so everybody sees it
  done(run(fs(0).open(who, ino)));
  fs(1).close(ino);
  run_idle();
  BOOST_TEST(read(ino, 0, 10, 0) == "data");
  fs(0).close(ino);
  run_idle();
  // As if it were gone, even before it is.
  refused(run(fs(0).getattr(who, ino)), Errc::not_found);
  refused(run(fs(1).open(who, ino)), Errc::not_found);
  fs(0).start();
  scan_orphans();
  BOOST_TEST(!exists());
  BOOST_TEST(!orphaned());
}

BOOST_AUTO_TEST_CASE(the_last_node_to_close_a_file_deletes_it_at_once) {
  fs(0).start();
  fs(1).start();
  done(run(fs(0).open(who, ino)));
  done(run(fs(1).open(who, ino)));
  done(run(fs(0).unlink(who, kRootIno, "file")));
  fs(0).close(ino);
  run_idle();
  BOOST_TEST(exists());
  fs(1).close(ino);
  run_idle();
  BOOST_TEST(!exists());
  BOOST_TEST(!orphaned());
}

BOOST_AUTO_TEST_CASE(the_node_that_unlinked_a_file_may_be_the_last_to_close_it) {
  fs(0).start();
  fs(1).start();
  done(run(fs(0).open(who, ino)));
  done(run(fs(1).open(who, ino)));
  done(run(fs(0).unlink(who, kRootIno, "file")));
  fs(1).close(ino);
  run_idle();
  BOOST_TEST(exists());
  fs(0).close(ino);
  run_idle();
  BOOST_TEST(!exists());
  BOOST_TEST(!orphaned());
}

BOOST_AUTO_TEST_CASE(what_a_dead_node_had_open_is_deleted_by_another) {
  done(run(fs(1).open(who, ino)));
  done(run(fs(0).unlink(who, kRootIno, "file")));
  fs(0).start();
  scan_orphans();
  BOOST_TEST(exists());
  stores[1]->forget_open_files();
  scan_orphans();
  BOOST_TEST(!exists());
  BOOST_TEST(!orphaned());
}

BOOST_AUTO_TEST_CASE(an_orphan_item_without_an_inode_is_dropped) {
  const Ino gone{5000};
  volume.items[format::orphan_key(gone)] = "";
  volume.recorded.insert(format::orphan_key(gone));
  fs(0).start();
  scan_orphans();
  BOOST_TEST(!volume.items.contains(format::orphan_key(gone)));
}

BOOST_AUTO_TEST_CASE(a_large_file_goes_in_several_transactions) {
  for (std::uint64_t i = 0; i < 700; ++i) write(ino, i * 8192, "x");
  done(run(fs().unlink(who, kRootIno, "file")));
  run_idle();
  BOOST_TEST(!exists());
  BOOST_TEST(volume.items.size() == 2U);
  BOOST_TEST(volume.used.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_victim_of_rename_lives_while_it_is_open) {
  make(kRootIno, "new", a_file());
  write(ino, 0, "old");
  done(run(fs(1).open(who, ino)));
  tick();
  done(run(fs(0).rename(who, kRootIno, "new", kRootIno, "file", RenameFlags::none)));
  BOOST_TEST(read(ino, 0, 10, 1) == "old");
  BOOST_TEST((stat(ino, 1).ctime == stat(kRootIno).ctime));
  fs(1).close(ino);
  fs(1).start();
  scan_orphans();
  BOOST_TEST(!exists());
}

BOOST_AUTO_TEST_CASE(a_removed_directory_that_is_open_is_empty_and_takes_nothing) {
  const Ino dir = make(kRootIno, "dir", a_directory()).ino;
  done(run(fs().open(who, dir)));
  done(run(fs().rmdir(who, kRootIno, "dir")));
  refused(run(fs().create(who, dir, "x", a_file())), Errc::not_found);
  refused(run(fs().lookup(who, dir, "x")), Errc::not_found);
  BOOST_TEST(run(fs().readdir(who, dir, 0, 10))->size() == 2U);
  fs().close(dir);
  run_idle();
  BOOST_TEST(!volume.items.contains(format::inode_key(dir)));
}

BOOST_AUTO_TEST_CASE(a_file_made_open_cannot_be_lost_in_between) {
  const auto made = run(fs().create_open(who, kRootIno, "new", a_file()));
  done(made);
  done(run(fs(1).unlink(who, kRootIno, "new")));
  write(made->ino, 0, "still there");
  fs().close(made->ino);
  fs(1).start();
  scan_orphans();
  BOOST_TEST(!volume.items.contains(format::inode_key(made->ino)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::fs
