#include "cli/mounts.hpp"

#include "tests/test.hpp"

using namespace scoutfs::cli;

BOOST_AUTO_TEST_CASE(a_line_of_mountinfo_is_read_with_its_escapes) {
  const auto entry = parse_mount_line(
      "77 44 0:51 / /mnt/with\\040space rw,relatime shared:3 master:1 - fuse.scoutfs "
      "nbd+unix:///?socket=/a\\134b rw,user_id=0");
  BOOST_REQUIRE(entry.has_value());
  BOOST_TEST(entry->directory == "/mnt/with space");
  BOOST_TEST(entry->type == "fuse.scoutfs");
  BOOST_TEST(entry->source == "nbd+unix:///?socket=/a\\b");
}

BOOST_AUTO_TEST_CASE(a_line_without_optional_fields_is_read_and_garbage_is_not) {
  const auto entry = parse_mount_line("36 35 98:0 / / rw - ext4 /dev/sda1 rw");
  BOOST_REQUIRE(entry.has_value());
  BOOST_TEST(entry->directory == "/");
  for (const char* line : {"", "36 35 98:0", "36 35 98:0 / / rw", "36 35 98:0 / / rw - ext4"}) {
    BOOST_TEST(!parse_mount_line(line).has_value(), line);
  }
}

BOOST_AUTO_TEST_CASE(a_path_is_made_plain_without_looking_anything_up) {
  BOOST_TEST(plain_path("/a/./b//c/../d/") == "/a/b/d");
  BOOST_TEST(plain_path("/") == "/");
  BOOST_TEST(plain_path("x").starts_with("/"));
}
