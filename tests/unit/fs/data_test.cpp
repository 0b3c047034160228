// File contents: read, write, truncate, fallocate, seek.
#include "tests/unit/fs/fixture.hpp"

namespace scoutfs::fs {
namespace {

std::string pattern(std::size_t size, char seed) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(seed + (i % 53));
  return text;
}

struct DataFixture : Fixture {
  DataFixture() : ino(make(kRootIno, "file", a_file()).ino) {}
  Ino ino;
};

BOOST_FIXTURE_TEST_SUITE(data_operations, DataFixture)

BOOST_AUTO_TEST_CASE(what_is_written_is_read_on_every_node) {
  const std::string text = pattern(10'000, 'a');
  const Inode before = stat(ino);
  write(ino, 0, text);
  BOOST_TEST(read(ino, 0, 20'000, 1) == text);
  BOOST_TEST(read(ino, 4000, 200) == text.substr(4000, 200));
  BOOST_TEST(read(ino, 10'000, 10) == "");
  const Inode after = stat(ino);
  BOOST_TEST(after.size == 10'000U);
  BOOST_TEST(after.online_blocks == 3U);
  BOOST_TEST(after.data_version == before.data_version + 1);
  BOOST_TEST(after.data_seq.value >= before.data_seq.value);
  BOOST_TEST((after.mtime > before.mtime));
}

BOOST_AUTO_TEST_CASE(writes_inside_of_blocks_keep_what_is_around_them) {
  std::string text = pattern(9000, 'a');
  write(ino, 0, text);
  write(ino, 100, "xyz", 1);
  write(ino, 4090, "across the border");
  write(ino, 8999, "end");
  text.replace(100, 3, "xyz");
  text.replace(4090, 17, "across the border");
  text.resize(8999);
  text += "end";
  BOOST_TEST(read(ino, 0, 10'000, 1) == text);
}

BOOST_AUTO_TEST_CASE(holes_read_as_zeros) {
  write(ino, 100'000, "far");
  BOOST_TEST(stat(ino).online_blocks == 1U);
  BOOST_TEST(read(ino, 0, 200'000) == std::string(100'000, '\0') + "far");
  write(ino, 50'000, "near");
  BOOST_TEST(read(ino, 49'999, 6, 1) == std::string("\0near\0", 6));
}

BOOST_AUTO_TEST_CASE(appending_goes_to_the_end_that_the_cluster_knows) {
  BOOST_TEST(run(fs(0).write(who, ino, std::nullopt, "one,")).value() == 0U);
  BOOST_TEST(run(fs(1).write(who, ino, std::nullopt, "two,")).value() == 4U);
  BOOST_TEST(run(fs(0).write(who, ino, std::nullopt, "three")).value() == 8U);
  BOOST_TEST(read(ino, 0, 100) == "one,two,three");
}

BOOST_AUTO_TEST_CASE(recorded_blocks_are_never_written_over_and_fresh_ones_are) {
  write(ino, 0, pattern(4096, 'a'));
  const std::uint64_t used = volume.used.size();
  write(ino, 0, pattern(4096, 'b'));  // the same transaction
  BOOST_TEST(volume.used.size() == used);
  const auto first = volume.used;
  done(run(fs().sync(who)));
  write(ino, 0, pattern(4096, 'c'));
  BOOST_TEST(volume.used.size() == used);
  BOOST_TEST((volume.used != first));
  BOOST_TEST(read(ino, 0, 4096) == pattern(4096, 'c'));
}

BOOST_AUTO_TEST_CASE(appended_blocks_become_one_extent_up_to_its_longest) {
  for (std::uint64_t i = 0; i < 12; ++i) write(ino, i << 20, pattern(1 << 20, 'a'));
  BOOST_TEST(items_of(ino, format::ItemType::extent) == 2U);
  BOOST_TEST(items_of(ino, format::ItemType::checksum) == 48U);
  BOOST_TEST(read(ino, (8 << 20) - 10, 20) == pattern(1 << 20, 'a').substr((1 << 20) - 10) +
                                                  pattern(1 << 20, 'a').substr(0, 10));
}

BOOST_AUTO_TEST_CASE(a_block_that_does_not_verify_is_reported_and_not_read) {
  write(ino, 0, pattern(8192, 'a'));
  volume.blocks.begin()->second.bytes[17] ^= 1;
  std::string out(8192, '#');
  const std::span<std::byte> span(reinterpret_cast<std::byte*>(out.data()), out.size());
  refused(run(fs().read(who, ino, 0, span)), Errc::corrupt);
  refused(run(fs().write(who, ino, 10, "merge")), Errc::corrupt);
}

BOOST_AUTO_TEST_CASE(bytes_behind_a_truncate_never_come_back) {
  write(ino, 0, pattern(6 * 1024, 'a'));
  truncate(ino, 5000);
  done(run(fs().sync(who)));
  truncate(ino, 12 * 1024);
  BOOST_TEST(read(ino, 0, 20'000) == pattern(5000, 'a') + std::string(12 * 1024 - 5000, '\0'));
  truncate(ino, 100);
  write(ino, 300, "x", 1);
  BOOST_TEST(read(ino, 0, 1000) == pattern(100, 'a') + std::string(200, '\0') + "x");
  truncate(ino, 0);
  BOOST_TEST(stat(ino).online_blocks == 0U);
  BOOST_TEST(volume.used.size() == 0U);
}

BOOST_AUTO_TEST_CASE(truncate_counts_a_version_only_if_the_size_changes) {
  write(ino, 0, pattern(5000, 'a'));
  const Inode before = stat(ino);
  truncate(ino, 5000);
  const Inode same = stat(ino);
  BOOST_TEST(same.data_version == before.data_version);
  BOOST_TEST((same.mtime > before.mtime));
  BOOST_TEST(read(ino, 0, 9000) == pattern(5000, 'a'));
  truncate(ino, 6000);
  BOOST_TEST(stat(ino).data_version == before.data_version + 1);
}

BOOST_AUTO_TEST_CASE(a_long_truncate_takes_several_transactions) {
  for (std::uint64_t i = 0; i < 700; ++i) write(ino, i * 8192, "x");
  BOOST_TEST(items_of(ino, format::ItemType::extent) == 700U);
  truncate(ino, 3 * 8192 + 1);
  BOOST_TEST(stat(ino).flags == 0U);
  BOOST_TEST(items_of(ino, format::ItemType::extent) == 4U);
  BOOST_TEST(volume.used.size() == 4U);
}

BOOST_AUTO_TEST_CASE(a_truncate_that_was_cut_short_is_finished_by_the_next_writer) {
  for (std::uint64_t i = 0; i < 20; ++i) write(ino, i * 8192, "old");
  Inode cut = stat(ino);
  cut.size = 10;
  cut.flags = format::kInodeTruncating;
  volume.items[format::inode_key(ino)] = format::encode(cut);
  BOOST_TEST(read(ino, 0, 100).size() == 10U);
  write(ino, 8192, "new", 1);
  BOOST_TEST(stat(ino).flags == 0U);
  BOOST_TEST(items_of(ino, format::ItemType::extent) == 2U);
  truncate(ino, 200'000);
  BOOST_TEST(read(ino, 16'384, 3) == std::string(3, '\0'));
}

BOOST_AUTO_TEST_CASE(sizes_have_an_end) {
  SetAttributes changes;
  changes.size = std::uint64_t{1} << 63;
  refused(run(fs().setattr(who, ino, changes)), Errc::file_too_large);
  truncate(ino, (std::uint64_t{1} << 63) - 1);
  refused(run(fs().write(who, ino, std::nullopt, "x")), Errc::file_too_large);
  write(ino, (std::uint64_t{1} << 63) - 5, "end");
  BOOST_TEST(read(ino, (std::uint64_t{1} << 63) - 5, 10) == std::string("end\0", 4));
  truncate(ino, 1);
  changes.size = 1;
  refused(run(fs().setattr(who, kRootIno, changes)), Errc::is_directory);
}

BOOST_AUTO_TEST_CASE(preallocated_blocks_read_as_zeros_and_take_the_writes) {
  done(run(fs().fallocate(who, ino, {}, 1000, 40'000)));
  BOOST_TEST(stat(ino).size == 41'000U);
  BOOST_TEST(stat(ino).online_blocks == 0U);
  BOOST_TEST(volume.used.size() == 11U);
  BOOST_TEST(read(ino, 0, 50'000) == std::string(41'000, '\0'));
  done(run(fs().sync(who)));
  write(ino, 5000, pattern(9000, 'a'), 1);
  BOOST_TEST(volume.used.size() == 11U);
  BOOST_TEST(stat(ino).online_blocks == 3U);
  BOOST_TEST(read(ino, 5000, 9000) == pattern(9000, 'a'));
  BOOST_TEST(read(ino, 0, 5000) == std::string(5000, '\0'));
  FallocateMode keep;
  keep.keep_size = true;
  done(run(fs().fallocate(who, ino, keep, 100'000, 5000)));
  BOOST_TEST(stat(ino).size == 41'000U);
  truncate(ino, 41'000);
  BOOST_TEST(volume.used.size() == 11U);
}

BOOST_AUTO_TEST_CASE(a_preallocation_that_does_not_fit_uses_what_there_is) {
  refused(run(fs().fallocate(who, ino, {}, 0, 70'000ULL * kBlockSize)), Errc::no_space);
  BOOST_TEST(stat(ino).size == 0U);
  BOOST_TEST(volume.free_blocks() == volume.delete_reserve);
  refused(run(fs().write(who, ino, 70'000ULL * kBlockSize, "x")), Errc::no_space);
  write(ino, 10, "there is room");
  truncate(ino, 5);  // works when nothing is left
  BOOST_TEST(volume.used.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_hole_is_zeros_and_its_whole_blocks_are_freed) {
  std::string text = pattern(50'000, 'a');
  write(ino, 0, text);
  done(run(fs().sync(who)));
  FallocateMode hole;
  hole.keep_size = hole.punch_hole = true;
  const Inode before = stat(ino);
  done(run(fs(1).fallocate(who, ino, hole, 5000, 20'000)));
  std::fill_n(text.begin() + 5000, 20'000, '\0');
  BOOST_TEST(read(ino, 0, 60'000) == text);
  BOOST_TEST(stat(ino).size == before.size);
  BOOST_TEST(stat(ino).data_version == before.data_version + 1);
  BOOST_TEST(stat(ino).online_blocks == before.online_blocks - 4);
  done(run(fs().fallocate(who, ino, hole, 30'000, 10)));
  std::fill_n(text.begin() + 30'000, 10, '\0');
  done(run(fs().fallocate(who, ino, hole, 45'000, 100'000)));
  std::fill(text.begin() + 45'000, text.end(), '\0');
  BOOST_TEST(read(ino, 0, 60'000) == text);
  hole.keep_size = false;
  refused(run(fs().fallocate(who, ino, hole, 0, 1)), Errc::operation_unknown);
  refused(run(fs().fallocate(who, ino, {}, 0, 0)), Errc::invalid);
}

BOOST_AUTO_TEST_CASE(seek_tells_data_from_holes) {
  write(ino, 8192, pattern(8192, 'a'));
  truncate(ino, 40'000);
  done(run(fs().fallocate(who, ino, {}, 20'480, 4096)));
  const auto at = [&](std::uint64_t offset, Seek what) {
    return run(fs().seek(who, ino, offset, what)).value();
  };
  BOOST_TEST(at(0, Seek::data) == 8192U);
  BOOST_TEST(at(9000, Seek::data) == 9000U);
  BOOST_TEST(at(0, Seek::hole) == 0U);
  BOOST_TEST(at(9000, Seek::hole) == 16'384U);
  refused(run(fs().seek(who, ino, 16'384, Seek::data)), Errc::no_such_position);
  refused(run(fs().seek(who, ino, 40'000, Seek::hole)), Errc::no_such_position);
  write(ino, 39'000, pattern(1000, 'z'));
  BOOST_TEST(at(39'500, Seek::hole) == 40'000U);
}

BOOST_AUTO_TEST_CASE(extents_are_found_however_long_and_however_many_they_are) {
  for (std::uint64_t i = 0; i < 9; ++i) write(ino, i << 20, pattern(1 << 20, 'a'));
  BOOST_TEST(read(ino, (7 << 20) + 5, 10) == pattern(100, 'a').substr(5, 10));
  volume.fragment_one_in = 1;
  done(run(fs().sync(who)));
  write(ino, 3 << 20, pattern(1 << 20, 'b'));
  BOOST_TEST(read(ino, (3 << 20) + 5, 10) == pattern(100, 'b').substr(5, 10));
  BOOST_TEST(read(ino, (4 << 20) + 5, 10) == pattern(100, 'a').substr(5, 10));
  BOOST_TEST(read(ino, (7 << 20) + 5, 10) == pattern(100, 'a').substr(5, 10));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::fs
