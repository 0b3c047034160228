// Attributes, extended attributes, access times, the change index, space.
#include "tests/unit/fs/fixture.hpp"

namespace scoutfs::fs {
namespace {

struct AttributesFixture : Fixture {
  AttributesFixture() : ino(make(kRootIno, "file", a_file()).ino) {}

  std::vector<Ino> walk(format::IndexType type, Seq from,
                        client::Store::Wait wait = client::Store::Wait::yes) {
    const IndexEntry first{from, Ino{}};
    const IndexEntry last{Seq{~std::uint64_t{0}}, Ino{~std::uint64_t{0}}};
    const auto page = run(fs(1).walk_inodes(who, type, first, last, 100, wait));
    BOOST_REQUIRE(page.has_value());
    std::vector<Ino> inos;
    for (const IndexEntry& entry : page->entries) inos.push_back(entry.ino);
    return inos;
  }

  Ino ino;
};

BOOST_FIXTURE_TEST_SUITE(attributes, AttributesFixture)

BOOST_AUTO_TEST_CASE(setattr_changes_what_it_is_told_and_the_ctime) {
  const Inode before = stat(ino);
  tick();
  SetAttributes changes;
  changes.mode = 0600;
  changes.uid = 5;
  changes.atime = Timespec{7, 8};
  changes.mtime_now = true;
  done(run(fs(1).setattr(who, ino, changes)));
  const Inode after = stat(ino);
  BOOST_TEST(after.mode == (format::kTypeRegular | 0600U));
  BOOST_TEST(after.uid == 5U);
  BOOST_TEST(after.gid == before.gid);
  BOOST_TEST((after.atime == Timespec{7, 8}));
  BOOST_TEST((after.mtime == after.ctime));
  BOOST_TEST((after.ctime > before.ctime));
  BOOST_TEST(after.data_version == before.data_version);
  BOOST_TEST(after.data_seq.value == before.data_seq.value);
}

BOOST_AUTO_TEST_CASE(set_user_id_bits_are_dropped_on_request) {
  SetAttributes changes;
  changes.mode = 06755;
  done(run(fs().setattr(who, ino, changes)));
  changes = {};
  changes.kill_suid = true;
  done(run(fs().setattr(who, ino, changes)));
  BOOST_TEST((stat(ino).mode & 07777) == 0755U);
}

BOOST_AUTO_TEST_CASE(a_read_updates_the_access_time_once_and_nothing_else) {
  write(ino, 0, "text");
  const Inode before = stat(ino);
  tick();
  read(ino, 0, 4, 1);
  run_idle();
  const Inode after = stat(ino);
  BOOST_TEST((after.atime > before.mtime));
  BOOST_TEST(after.meta_seq.value == before.meta_seq.value);
  BOOST_TEST((after.ctime == before.ctime));
  tick();
  read(ino, 0, 4, 1);
  run_idle();
  BOOST_TEST((stat(ino).atime == after.atime));
  tick(25 * 3600 * kSecond);
  read(ino, 0, 4);
  run_idle();
  BOOST_TEST((stat(ino).atime > after.atime));
}

BOOST_AUTO_TEST_CASE(xattrs_are_kept_whole_and_listed_by_name) {
  const std::string large(65'535, 'v');
  done(run(fs().set_xattr(who, ino, "user.b", large, SetXattr::any)));
  done(run(fs().set_xattr(who, ino, "trusted.a", "", SetXattr::create_only)));
  BOOST_TEST(run(fs(1).get_xattr(who, ino, "user.b")).value() == large);
  BOOST_TEST(run(fs(1).get_xattr(who, ino, "trusted.a")).value() == "");
  BOOST_TEST(run(fs(1).list_xattrs(who, ino)).value() ==
             (std::vector<std::string>{"trusted.a", "user.b"}));
  BOOST_TEST(stat(ino).xattr_count == 2U);
  const Inode before = stat(ino);
  tick();
  done(run(fs().set_xattr(who, ino, "user.b", "short", SetXattr::replace_only)));
  BOOST_TEST(run(fs(1).get_xattr(who, ino, "user.b")).value() == "short");
  BOOST_TEST(items_of(ino, format::ItemType::xattr) == 2U);
  BOOST_TEST((stat(ino).ctime > before.ctime));
  BOOST_TEST((stat(ino).mtime == before.mtime));
  done(run(fs().remove_xattr(who, ino, "user.b")));
  BOOST_TEST(stat(ino).xattr_count == 1U);
  refused(run(fs().get_xattr(who, ino, "user.b")), Errc::no_attribute);
  refused(run(fs().remove_xattr(who, ino, "user.b")), Errc::no_attribute);
}

BOOST_AUTO_TEST_CASE(xattr_names_and_values_have_limits) {
  const auto set = [&](std::string name, std::string value, SetXattr how) {
    return run(fs().set_xattr(who, ino, std::move(name), std::move(value), how));
  };
  refused(set("user." + std::string(251, 'x'), "", SetXattr::any), Errc::out_of_range);
  done(set("user." + std::string(250, 'x'), "", SetXattr::any));
  refused(set("user.a", std::string(65'536, 'v'), SetXattr::any), Errc::too_large);
  refused(set("system.a", "", SetXattr::any), Errc::operation_unknown);
  refused(set("user.a", "", SetXattr::replace_only), Errc::no_attribute);
  done(set("user.a", "", SetXattr::any));
  refused(set("user.a", "", SetXattr::create_only), Errc::exists);
}

BOOST_AUTO_TEST_CASE(many_xattrs_are_all_listed) {
  for (int i = 0; i < 150; ++i) {
    const std::string name = "user." + std::to_string(i);
    done(run(fs().set_xattr(who, ino, name, std::string(20'000, 'v'), SetXattr::any)));
  }
  BOOST_TEST(run(fs(1).list_xattrs(who, ino))->size() == 150U);
}

BOOST_AUTO_TEST_CASE(the_index_shows_each_inode_where_it_last_changed) {
  const Ino other = make(kRootIno, "other", a_file()).ino;
  done(run(fs().sync(who)));
  write(ino, 0, "x");
  const Seq seq = stat(ino).meta_seq;
  BOOST_TEST((walk(format::IndexType::data_seq, Seq{}) == std::vector<Ino>{other, ino}));
  BOOST_TEST((walk(format::IndexType::meta_seq, seq) == std::vector<Ino>{ino}));
  done(run(fs().set_xattr(who, other, "user.a", "", SetXattr::any)));
  BOOST_TEST((walk(format::IndexType::data_seq, Seq{}) == std::vector<Ino>{other, ino}));
  BOOST_TEST((walk(format::IndexType::meta_seq, seq) == std::vector<Ino>{ino, other}));
  done(run(fs().unlink(who, kRootIno, "file")));
  BOOST_TEST((walk(format::IndexType::data_seq, Seq{}) == std::vector<Ino>{other}));
}

BOOST_AUTO_TEST_CASE(a_walk_that_does_not_wait_ends_below_what_is_open) {
  done(run(fs().sync(who)));
  const Seq seq = stat(ino).meta_seq;
  write(ino, 0, "x");
  BOOST_TEST(
      walk(format::IndexType::data_seq, Seq{seq.value + 1}, client::Store::Wait::no).empty());
  BOOST_TEST((walk(format::IndexType::data_seq, Seq{seq.value + 1}) == std::vector<Ino>{ino}));
}

BOOST_AUTO_TEST_CASE(a_seq_never_goes_back_when_nodes_take_turns) {
  Seq last;
  for (int i = 0; i < 10; ++i) {
    // The other node's transaction is older than the change it makes next.
    done(run(fs(1).create(who, kRootIno, "new" + std::to_string(i), a_file())));
    write(ino, 0, "x", 0);
    BOOST_TEST(stat(ino).data_seq.value >= last.value);
    last = stat(ino).data_seq;
    write(ino, 0, "y", 1);
    BOOST_TEST(stat(ino).data_seq.value > last.value);
    last = stat(ino).data_seq;
  }
}

BOOST_AUTO_TEST_CASE(space_is_what_the_store_says) {
  const StatFs stat = run(fs().statfs(who)).value();
  BOOST_TEST(stat.total_blocks == 65'536U);
  BOOST_TEST(stat.free_blocks == 65'535U);
  BOOST_TEST(stat.free_files == 8 * stat.free_blocks);
  BOOST_TEST(stat.files == stat.free_files + volume.next_ino);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::fs
