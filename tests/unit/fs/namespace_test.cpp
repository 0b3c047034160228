// Names: create, lookup, unlink, link, rename, readdir.
#include "tests/unit/fs/fixture.hpp"

namespace scoutfs::fs {
namespace {

BOOST_FIXTURE_TEST_SUITE(namespace_operations, Fixture)

BOOST_AUTO_TEST_CASE(what_one_node_creates_another_finds) {
  who.uid = 7;
  who.gid = 8;
  const Attributes made = make(kRootIno, "file", a_file());
  const auto found = run(fs(1).lookup(who, kRootIno, "file"));
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(found->ino.value == made.ino.value);
  BOOST_TEST((found->inode == made.inode));
  BOOST_TEST(found->inode.nlink == 1U);
  BOOST_TEST(found->inode.uid == 7U);
  BOOST_TEST(found->inode.gid == 8U);
  refused(run(fs(1).create(who, kRootIno, "file", a_file())), Errc::exists);
  refused(run(fs().lookup(who, kRootIno, "other")), Errc::not_found);
  refused(run(fs().lookup(who, made.ino, "x")), Errc::not_directory);
  refused(run(fs().create(who, made.ino, "x", a_file())), Errc::not_directory);
  refused(run(fs().lookup(who, Ino{77}, "x")), Errc::not_found);
}

BOOST_AUTO_TEST_CASE(names_are_checked) {
  refused(run(fs().lookup(who, kRootIno, "")), Errc::invalid);
  refused(run(fs().lookup(who, kRootIno, "a/b")), Errc::invalid);
  refused(run(fs().lookup(who, kRootIno, std::string("a\0b", 3))), Errc::invalid);
  refused(run(fs().lookup(who, kRootIno, std::string(256, 'x'))), Errc::name_too_long);
  make(kRootIno, std::string(255, 'x'), a_file());
  NewNode link{format::kTypeSymlink | 0777, 0, std::string(4096, 'x')};
  refused(run(fs().create(who, kRootIno, "link", link)), Errc::name_too_long);
}

BOOST_AUTO_TEST_CASE(directories_count_their_names_and_subdirectories) {
  const Inode before = stat(kRootIno);
  const Attributes dir = make(kRootIno, "dir", a_directory());
  BOOST_TEST(dir.inode.nlink == 2U);
  BOOST_TEST(dir.inode.parent.value == kRootIno.value);
  make(kRootIno, "file", a_file());
  const Inode root = stat(kRootIno);
  BOOST_TEST(root.nlink == 3U);
  BOOST_TEST(root.size == 7U);
  BOOST_TEST((root.mtime > before.mtime));
  BOOST_TEST((root.ctime > before.ctime));
  BOOST_TEST(root.meta_seq.value > before.meta_seq.value);
}

BOOST_AUTO_TEST_CASE(files_share_the_group_of_their_directory_and_directories_have_their_own) {
  const Attributes a = make(kRootIno, "a", a_directory());
  const Attributes b = make(a.ino, "b", a_directory());
  const Attributes f = make(a.ino, "f", a_file());
  const Attributes g = make(a.ino, "g", a_file());
  BOOST_TEST(format::group_of(a.ino) == format::group_of(f.ino));
  BOOST_TEST(format::group_of(f.ino) == format::group_of(g.ino));
  BOOST_TEST(format::group_of(a.ino) != format::group_of(b.ino));
}

BOOST_AUTO_TEST_CASE(a_set_group_id_directory_hands_its_group_down) {
  const Attributes dir = make(kRootIno, "dir", a_directory());
  SetAttributes changes;
  changes.gid = 42;
  changes.mode = 02775;
  BOOST_REQUIRE(run(fs().setattr(who, dir.ino, changes)).has_value());
  BOOST_TEST(make(dir.ino, "f", a_file()).inode.gid == 42U);
  const Attributes below = make(dir.ino, "d", a_directory());
  BOOST_TEST(below.inode.gid == 42U);
  BOOST_TEST((below.inode.mode & 02000) == 02000U);
}

BOOST_AUTO_TEST_CASE(unlink_takes_the_name_and_the_last_one_the_inode) {
  const Attributes made = make(kRootIno, "one", a_file());
  tick();
  const auto linked = run(fs().link(who, made.ino, kRootIno, "two"));
  BOOST_REQUIRE(linked.has_value());
  BOOST_TEST(linked->inode.nlink == 2U);
  BOOST_TEST((linked->inode.ctime > made.inode.ctime));
  refused(run(fs().link(who, made.ino, kRootIno, "two")), Errc::exists);
  BOOST_REQUIRE(run(fs(1).unlink(who, kRootIno, "one")).has_value());
  BOOST_TEST(stat(made.ino).nlink == 1U);
  BOOST_REQUIRE(run(fs().unlink(who, kRootIno, "two")).has_value());
  refused(run(fs().getattr(who, made.ino)), Errc::not_found);
  refused(run(fs().unlink(who, kRootIno, "two")), Errc::not_found);
  BOOST_TEST(stat(kRootIno).size == 0U);
  BOOST_TEST(volume.items.size() == 2U);
}

BOOST_AUTO_TEST_CASE(unlink_and_rmdir_keep_to_their_types) {
  const Attributes dir = make(kRootIno, "dir", a_directory());
  make(dir.ino, "file", a_file());
  refused(run(fs().unlink(who, kRootIno, "dir")), Errc::is_directory);
  refused(run(fs().rmdir(who, kRootIno, "dir")), Errc::not_empty);
  refused(run(fs().rmdir(who, dir.ino, "file")), Errc::not_directory);
  refused(run(fs().link(who, dir.ino, kRootIno, "again")), Errc::not_permitted);
  BOOST_REQUIRE(run(fs().unlink(who, dir.ino, "file")).has_value());
  BOOST_REQUIRE(run(fs().rmdir(who, kRootIno, "dir")).has_value());
  BOOST_TEST(stat(kRootIno).nlink == 2U);
  refused(run(fs().create(who, dir.ino, "x", a_file())), Errc::not_found);
}

BOOST_AUTO_TEST_CASE(symlinks_and_devices_keep_what_they_were_given) {
  const Attributes link =
      make(kRootIno, "link", {format::kTypeSymlink | 0777, 0, "some/where"});
  BOOST_TEST(link.inode.size == 10U);
  BOOST_TEST(run(fs(1).readlink(who, link.ino)).value() == "some/where");
  const Attributes device =
      make(kRootIno, "tty", {format::kTypeCharacter | 0600, 5ULL << 32, {}});
  BOOST_TEST(stat(device.ino, 1).rdev == 5ULL << 32);
  refused(run(fs().readlink(who, device.ino)), Errc::invalid);
  BOOST_REQUIRE(run(fs().unlink(who, kRootIno, "link")).has_value());
}

BOOST_AUTO_TEST_CASE(readdir_goes_in_creation_order_from_any_position) {
  const Attributes dir = make(kRootIno, "dir", a_directory());
  for (const char* name : {"z", "a", "m", "b"}) make(dir.ino, name, a_file());
  BOOST_REQUIRE(run(fs().unlink(who, dir.ino, "a")).has_value());
  make(dir.ino, "a", a_file());
  BOOST_TEST(names(dir.ino) == (std::vector<std::string>{"z", "m", "b", "a"}));
  std::uint64_t position = 0;
  std::vector<std::string> one_by_one;
  for (;;) {
    const auto page = run(fs(1).readdir(who, dir.ino, position, 1));
    BOOST_REQUIRE(page.has_value());
    if (page->empty()) break;
    BOOST_TEST(page->front().position > position);
    one_by_one.push_back(page->front().name);
    position = page->front().position;
  }
  BOOST_TEST(one_by_one == (std::vector<std::string>{".", "..", "z", "m", "b", "a"}));
  BOOST_TEST(position == 7U);  // five entries were made; positions are never used again
}

BOOST_AUTO_TEST_CASE(rename_moves_and_replaces) {
  const Attributes a = make(kRootIno, "a", a_directory());
  const Attributes b = make(kRootIno, "b", a_directory());
  const Attributes f = make(a.ino, "f", a_file());
  const Attributes g = make(b.ino, "g", a_file());
  tick();
  refused(run(fs().rename(who, a.ino, "f", b.ino, "g", RenameFlags::no_replace)), Errc::exists);
  BOOST_REQUIRE(run(fs().rename(who, a.ino, "f", b.ino, "g", RenameFlags::none)).has_value());
  refused(run(fs().lookup(who, a.ino, "f")), Errc::not_found);
  BOOST_TEST(run(fs(1).lookup(who, b.ino, "g"))->ino.value == f.ino.value);
  refused(run(fs().getattr(who, g.ino)), Errc::not_found);
  BOOST_TEST((stat(f.ino).ctime > f.inode.ctime));
  BOOST_TEST((stat(a.ino).mtime > a.inode.mtime));
  BOOST_TEST((stat(b.ino).ctime > b.inode.ctime));
  BOOST_TEST(stat(a.ino).size == 0U);
  BOOST_TEST(stat(b.ino).size == 1U);
  refused(run(fs().rename(who, a.ino, "f", b.ino, "x", RenameFlags::none)), Errc::not_found);
}

BOOST_AUTO_TEST_CASE(rename_of_directories_keeps_parents_and_links) {
  const Attributes a = make(kRootIno, "a", a_directory());
  const Attributes b = make(kRootIno, "b", a_directory());
  const Attributes c = make(a.ino, "c", a_directory());
  const Attributes d = make(c.ino, "d", a_directory());
  refused(run(fs().rename(who, kRootIno, "a", d.ino, "x", RenameFlags::none)), Errc::invalid);
  refused(run(fs().rename(who, kRootIno, "a", a.ino, "x", RenameFlags::none)), Errc::invalid);
  BOOST_REQUIRE(run(fs().rename(who, a.ino, "c", b.ino, "c2", RenameFlags::none)).has_value());
  BOOST_TEST(stat(a.ino).nlink == 2U);
  BOOST_TEST(stat(b.ino).nlink == 3U);
  BOOST_TEST(stat(c.ino).parent.value == b.ino.value);
  BOOST_REQUIRE(
      run(fs(1).rename(who, kRootIno, "a", d.ino, "x", RenameFlags::none)).has_value());
  BOOST_TEST(run(fs().ino_path(who, a.ino, {}, 0))->path == "b/c2/d/x");
  // Into the root, over an empty directory.
  make(kRootIno, "empty", a_directory());
  BOOST_REQUIRE(
      run(fs().rename(who, c.ino, "d", kRootIno, "empty", RenameFlags::none)).has_value());
  BOOST_TEST(stat(kRootIno).nlink == 4U);
  BOOST_TEST(stat(d.ino).parent.value == kRootIno.value);
}

BOOST_AUTO_TEST_CASE(rename_refuses_what_does_not_fit) {
  const Attributes a = make(kRootIno, "a", a_directory());
  make(kRootIno, "b", a_directory());
  make(kRootIno, "f", a_file());
  make(a.ino, "x", a_file());
  refused(run(fs().rename(who, kRootIno, "b", kRootIno, "a", RenameFlags::none)),
          Errc::not_empty);
  refused(run(fs().rename(who, kRootIno, "b", kRootIno, "f", RenameFlags::none)),
          Errc::not_directory);
  refused(run(fs().rename(who, kRootIno, "f", kRootIno, "b", RenameFlags::none)),
          Errc::is_directory);
}

BOOST_AUTO_TEST_CASE(rename_between_two_names_of_one_inode_does_nothing) {
  const Attributes f = make(kRootIno, "f", a_file());
  BOOST_REQUIRE(run(fs().link(who, f.ino, kRootIno, "g")).has_value());
  const Inode before = stat(f.ino);
  tick();
  BOOST_REQUIRE(
      run(fs().rename(who, kRootIno, "f", kRootIno, "g", RenameFlags::none)).has_value());
  BOOST_TEST((stat(f.ino) == before));
  BOOST_TEST(names(kRootIno) == (std::vector<std::string>{"f", "g"}));
}

BOOST_AUTO_TEST_CASE(an_inode_has_a_path_for_each_of_its_names) {
  const Attributes a = make(kRootIno, "a", a_directory());
  const Attributes f = make(a.ino, "f", a_file());
  BOOST_REQUIRE(run(fs().link(who, f.ino, kRootIno, "g")).has_value());
  const auto first = run(fs().ino_path(who, f.ino, {}, 0));
  BOOST_REQUIRE(first.has_value());
  BOOST_TEST(first->path == "g");
  const auto second = run(fs().ino_path(who, f.ino, first->dir, first->position));
  BOOST_REQUIRE(second.has_value());
  BOOST_TEST(second->path == "a/f");
  refused(run(fs().ino_path(who, f.ino, second->dir, second->position)), Errc::not_found);
  BOOST_TEST(run(fs().ino_path(who, kRootIno, {}, 0))->path == "");
}

BOOST_AUTO_TEST_CASE(at_the_most_links_there_are_no_more) {
  const Attributes f = make(kRootIno, "f", a_file());
  Inode full = f.inode;
  full.nlink = 0x7fffffff;
  volume.items[format::inode_key(f.ino)] = format::encode(full);
  refused(run(fs().link(who, f.ino, kRootIno, "g")), Errc::too_many_links);
  volume.items[format::inode_key(f.ino)] = format::encode(f.inode);
}

BOOST_AUTO_TEST_CASE(a_lookup_of_a_known_name_locks_once) {
  const Attributes dir = make(kRootIno, "dir", a_directory());
  run(fs(1).lookup(who, kRootIno, "dir")).value();
  const std::uint64_t before = stores[1]->lock_calls();
  run(fs(1).lookup(who, kRootIno, "dir")).value();
  BOOST_TEST(stores[1]->lock_calls() == before + 1);
  BOOST_TEST(format::group_of(dir.ino) != 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::fs
