// Items as text.
#include "engine/check/print.hpp"

#include "tests/unit/check/sample.hpp"

namespace scoutfs::check {
namespace {

BOOST_AUTO_TEST_SUITE(print)

BOOST_AUTO_TEST_CASE(items_are_one_line_each) {
  using namespace format;
  BOOST_TEST(print_item(index_key(IndexType::meta_seq, Seq{7}, Ino{9}), "") ==
             "meta_seq 7: inode 9");
  BOOST_TEST(print_item(orphan_key(Ino{9}), "") == "orphan 9");
  const Dirent dirent{Ino{9}, 4, kTypeRegular, "a\"b\n"};
  BOOST_TEST(
      print_item(dirent_key(Ino{2}, dirent.name), encode(dirent)) ==
      "dirent of 2: \"a\\x22b\\x0a\": inode 9, position 4, regular, name \"a\\x22b\\x0a\"");
  BOOST_TEST(
      print_item(readdir_key(Ino{2}, 4), encode(dirent)).starts_with("readdir of 2: 4:"));
  BOOST_TEST(print_item(backref_key(Ino{9}, Ino{2}, 4), encode(dirent))
                 .starts_with("backref of 9: directory 2 position 4:"));
  BOOST_TEST(print_item(symlink_key(Ino{9}), "x/y") == "symlink of 9: \"x/y\"");
  BOOST_TEST(print_item(extent_key(Ino{9}, 3), encode(ExtentValue{BlockNo{70}, 2, 0})) ==
             "extent of 9: block 3: 2 blocks at 70");
  BOOST_TEST(print_item(extent_key(Ino{9}, 3),
                        encode(ExtentValue{BlockNo{70}, 2, kExtentUnwritten})) ==
             "extent of 9: block 3: 2 blocks at 70, unwritten");
  BOOST_TEST(
      print_item(extent_key(Ino{9}, 3), encode(ExtentValue{BlockNo{}, 2, kExtentOffline})) ==
      "extent of 9: block 3: 2 blocks offline");
  BOOST_TEST(print_item(checksum_key(Ino{9}, 1), std::string(8, '\x11')) ==
             "checksums of 9: block 64: 1111111111111111");
  BOOST_TEST(print_item(xattr_key(Ino{9}, "user.a", 0), "\1v") ==
             "xattr of 9: \"user.a\" part 0, 2 bytes 0176");
  Inode inode;
  inode.mode = kTypeDirectory | 0755;
  inode.nlink = 2;
  inode.parent = kRootIno;
  BOOST_TEST(print_item(inode_key(Ino{9}), encode(inode))
                 .starts_with("inode 9: directory, mode 0755, nlink 2,"));
}

BOOST_AUTO_TEST_CASE(server_items_are_one_line_each) {
  using namespace format;
  BOOST_TEST(print_server_item(free_key(BlockNo{5}), encode_count(3)) == "free 5: 3 blocks");
  BOOST_TEST(print_server_item(granted_key(Rid{0xab}, BlockNo{5}), encode_count(3)) ==
             "granted 5: 3 blocks to rid ab");
  BOOST_TEST(print_server_item(replaced_key(Version{2}, BlockNo{5}), encode_count(3)) ==
             "replaced 5: 3 blocks at version 2");
  const JobRecord job{Rid{0xab}, {BlockNo{1}}, {{BlockNo{2}, 3}}};
  BOOST_TEST(print_server_item(job_key(JobId{4}), encode(job)) ==
             "job 4: rid ab, inputs 1, outputs 2+3");
  Counters counters{Ino{1}, Seq{2}, RecordNo{3}, JobId{4}, Version{5}};
  BOOST_TEST(print_server_item(counters_key(), encode(counters)) ==
             "counters: next ino 1, next seq 2, next record 3, next job 4, version 5");
}

BOOST_AUTO_TEST_CASE(every_item_of_a_volume_decodes) {
  Sample sample;
  sample.lay_out_all();
  for (const auto& [key, value] : sample.tree.items) {
    BOOST_TEST(!print_item(key, value).starts_with("undecodable"));
  }
  for (const auto& [key, value] : sample.server_items) {
    BOOST_TEST(!print_server_item(key, value).starts_with("undecodable"));
  }
}

BOOST_AUTO_TEST_CASE(any_bytes_can_be_printed) {
  rc::check("any bytes", [](const std::string& key, const std::string& value) {
    RC_ASSERT(!print_item(key, value).empty());
    RC_ASSERT(!print_server_item(key, value).empty());
    RC_ASSERT(print_item(key, value).find('\n') == std::string::npos);
  });
  BOOST_TEST(print_item("", "") == "undecodable: key , value of 0 bytes ");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::check
