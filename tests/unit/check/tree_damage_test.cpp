// Each class of damage to the items of the main tree is found and called by its name.
#include "tests/unit/check/sample.hpp"

namespace scoutfs::check {
namespace {

using format::Inode;

// The value of an item that exists.
std::string& item(Sample& s, const std::string& key) {
  const auto it = s.tree.items.find(key);
  SCOUTFS_ASSERT(it != s.tree.items.end());
  return it->second;
}

void drop(Sample& s, const std::string& key) {
  const auto erased = s.tree.items.erase(key);
  SCOUTFS_ASSERT(erased == 1);
}

void change_dirent(std::string& value, const std::function<void(format::Dirent&)>& change) {
  auto dirent = format::decode_dirent(value);
  SCOUTFS_ASSERT(dirent.has_value());
  change(*dirent);
  value = encode(*dirent);
}

void change_extent(Sample& s, Ino ino, std::uint64_t first,
                   const std::function<void(format::ExtentValue&)>& change) {
  std::string& value = item(s, format::extent_key(ino, first));
  auto extent = format::decode_extent(value);
  SCOUTFS_ASSERT(extent.has_value());
  change(*extent);
  value = encode(*extent);
}

// The position of the entry "report" in docs: the second.
constexpr std::uint64_t kReportPosition = 3;

const std::vector<Damage>& item_damages() {
  static const std::vector<Damage> kDamages{
      {"item-key", "a zone nobody knows", [](Sample& s) { s.tree.items["\x7f"] = "x"; }},
      {"item-key", "an inode key with a tail",
       [](Sample& s) { s.tree.items[format::inode_key(s.note) + "x"] = "x"; }},
      {"item-key", "inode 0",
       [](Sample& s) { s.tree.items[format::symlink_key(Ino{})] = "x"; }},
      {"item-value", "a short inode",
       [](Sample& s) { item(s, format::inode_key(s.pipe)).pop_back(); }},
      {"item-value", "a name with a slash",
       [](Sample& s) { item(s, format::dirent_key(s.docs, "report")).back() = '/'; }},
      {"item-value", "an index entry with a value",
       [](Sample& s) { s.tree.items.begin()->second = "x"; }},
      {"item-value", "an orphan with a value",
       [](Sample& s) { item(s, format::orphan_key(s.unlinked)) = "x"; }},
      {"item-no-inode", "the inode item is gone",
       [](Sample& s) { drop(s, format::inode_key(s.report)); }},
      {"item-type", "a directory with an extent",
       [](Sample& s) {
         const Extent e = s.allocate(1);
         s.tree.items[format::extent_key(s.docs, 0)] =
             encode(format::ExtentValue{e.start, e.count, format::kExtentUnwritten});
       }},
      {"item-type", "a fifo with a target",
       [](Sample& s) { s.tree.items[format::symlink_key(s.pipe)] = "x"; }},
      {"item-type", "a file with an entry",
       [](Sample& s) {
         s.tree.items[format::dirent_key(s.note, "x")] =
             item(s, format::dirent_key(s.docs, "report"));
       }},
      {"root", "no root", [](Sample& s) { drop(s, format::inode_key(kRootIno)); }},
      {"root", "the root hangs elsewhere",
       [](Sample& s) { s.tree.edit(kRootIno, [&](Inode& inode) { inode.parent = s.docs; }); }},
  };
  return kDamages;
}

const std::vector<Damage>& name_damages() {
  static const std::vector<Damage> kDamages{
      {"name-key", "stored under another name",
       [](Sample& s) {
         s.tree.items[format::dirent_key(s.docs, "other")] =
             item(s, format::dirent_key(s.docs, "report"));
         drop(s, format::dirent_key(s.docs, "report"));
       }},
      {"name-key", "stored at another position",
       [](Sample& s) {
         s.tree.items[format::readdir_key(s.docs, 1000)] =
             item(s, format::readdir_key(s.docs, kReportPosition));
         drop(s, format::readdir_key(s.docs, kReportPosition));
       }},
      {"name-key", "a backref of another inode",
       [](Sample& s) {
         change_dirent(item(s, format::backref_key(s.report, s.docs, kReportPosition)),
                       [](format::Dirent& d) { d.ino = kRootIno; });
       }},
      {"name-type", "all three items say fifo",
       [](Sample& s) {
         for (const std::string& key :
              {format::dirent_key(s.docs, "report"),
               format::readdir_key(s.docs, kReportPosition),
               format::backref_key(s.report, s.docs, kReportPosition)}) {
           change_dirent(item(s, key), [](format::Dirent& d) { d.type = format::kTypeFifo; });
         }
       }},
      {"dirent-missing", "by name",
       [](Sample& s) { drop(s, format::dirent_key(s.docs, "report")); }},
      {"readdir-missing", "by position",
       [](Sample& s) { drop(s, format::readdir_key(s.docs, kReportPosition)); }},
      {"backref-missing", "at the target",
       [](Sample& s) { drop(s, format::backref_key(s.report, s.docs, kReportPosition)); }},
      {"backref-missing", "an entry of an inode that never was",
       [](Sample& s) {
         const format::Dirent entry{Ino{900}, 99, format::kTypeRegular, "nobody"};
         s.tree.items[format::dirent_key(s.docs, "nobody")] = encode(entry);
         s.tree.items[format::readdir_key(s.docs, 99)] = encode(entry);
       }},
      {"dirent-differs", "the target",
       [](Sample& s) {
         change_dirent(item(s, format::readdir_key(s.docs, kReportPosition)),
                       [&](format::Dirent& d) { d.ino = s.note; });
       }},
      {"dirent-differs", "the name at the target",
       [](Sample& s) {
         change_dirent(item(s, format::backref_key(s.report, s.docs, kReportPosition)),
                       [](format::Dirent& d) { d.name = "Report"; });
       }},
  };
  return kDamages;
}

const std::vector<Damage>& directory_damages() {
  static const std::vector<Damage> kDamages{
      {"directory-size", "a byte too much",
       [](Sample& s) { s.tree.edit(s.docs, [](Inode& inode) { ++inode.size; }); }},
      {"directory-position", "the next position is in use",
       [](Sample& s) {
         s.tree.edit(s.docs, [](Inode& inode) { inode.next_position = kReportPosition; });
       }},
      {"directory-parent", "another parent",
       [](Sample& s) { s.tree.edit(s.deep, [](Inode& inode) { inode.parent = kRootIno; }); }},
      {"directory-names", "a directory with two names",
       [](Sample& s) { s.tree.link(kRootIno, "second", s.deep); }},
      {"directory-names", "the root has a name",
       [](Sample& s) { s.tree.link(s.deep, "root", kRootIno); }},
      {"directory-cycle", "two directories hold each other",
       [](Sample& s) {
         const Ino a = s.tree.add(s.docs, "a", format::kTypeDirectory);
         const Ino b = s.tree.add(a, "b", format::kTypeDirectory);
         s.tree.edit(a, [&](Inode& inode) { inode.parent = b; });
       }},
      {"directory-unreachable", "a directory below a file",
       [](Sample& s) { s.tree.edit(s.deep, [&](Inode& inode) { inode.parent = s.note; }); }},
      {"nlink", "of a file",
       [](Sample& s) { s.tree.edit(s.report, [](Inode& inode) { ++inode.nlink; }); }},
      {"nlink", "of a directory",
       [](Sample& s) { s.tree.edit(s.docs, [](Inode& inode) { --inode.nlink; }); }},
  };
  return kDamages;
}

const std::vector<Damage>& index_damages() {
  static const std::vector<Damage> kDamages{
      {"orphan", "no links and no orphan item",
       [](Sample& s) { drop(s, format::orphan_key(s.unlinked)); }},
      {"orphan", "an orphan item and links",
       [](Sample& s) { s.tree.items[format::orphan_key(s.note)] = ""; }},
      {"orphan-no-inode", "the deletion forgot the item",
       [](Sample& s) {
         s.tree.items[format::orphan_key(Ino{4})] = "";
         s.tree.items[format::orphan_key(Ino{1234})] = "";
       }},
      {"index-missing", "of meta_seq",
       [](Sample& s) {
         drop(s, format::index_key(format::IndexType::meta_seq, s.tree.inode(s.pipe).meta_seq,
                                   s.pipe));
       }},
      {"index-missing", "of data_seq",
       [](Sample& s) { s.tree.edit(s.note, [](Inode& inode) { inode.data_seq = Seq{1}; }); }},
      {"index-extra", "of an inode that has another seq",
       [](Sample& s) {
         s.tree.items[format::index_key(format::IndexType::meta_seq, Seq{1}, s.pipe)] = "";
       }},
      {"index-extra", "of an inode that does not exist",
       [](Sample& s) {
         s.tree.items[format::index_key(format::IndexType::data_seq, Seq{1}, Ino{77})] = "";
       }},
      {"index-extra", "data_seq of a directory",
       [](Sample& s) {
         s.tree.items[format::index_key(format::IndexType::data_seq, Seq{1}, s.docs)] = "";
       }},
      {"data-seq", "of a fifo",
       [](Sample& s) { s.tree.edit(s.pipe, [](Inode& inode) { inode.data_seq = Seq{1}; }); }},
  };
  return kDamages;
}

const std::vector<Damage>& extent_damages() {
  static const std::vector<Damage> kDamages{
      {"item-value", "an extent of no blocks",
       [](Sample& s) {
         change_extent(s, s.report, 0, [](format::ExtentValue& e) { e.count = 0; });
       }},
      {"item-value", "checksums that end in none",
       [](Sample& s) {
         item(s, format::checksum_key(s.note, 0)).append(sizeof(std::uint64_t), '\0');
       }},
      {"extent-range", "it ends beyond all numbers",
       [](Sample& s) {
         s.tree.items[format::extent_key(s.archived, ~std::uint64_t{0})] =
             encode(format::ExtentValue{BlockNo{}, 9, format::kExtentOffline});
       }},
      {"extent-overlap", "of one file",
       [](Sample& s) {
         change_extent(s, s.archived, 0, [](format::ExtentValue& e) { ++e.count; });
       }},
      {"extent-beyond-size", "written",
       [](Sample& s) { s.tree.edit(s.note, [](Inode& inode) { inode.size = 0; }); }},
      {"extent-beyond-size", "offline",
       [](Sample& s) {
         s.tree.add_extent(s.note, 1, {BlockNo{}, 5, format::kExtentOffline});
         s.tree.edit(s.note, [](Inode& inode) { inode.size = 1; });
       }},
      {"online-blocks", "one too many",
       [](Sample& s) { s.tree.edit(s.report, [](Inode& inode) { ++inode.online_blocks; }); }},
      {"online-blocks", "unwritten blocks do not count",
       [](Sample& s) {
         s.tree.edit(s.preallocated, [](Inode& inode) { inode.online_blocks = 20; });
       }},
      {"online-blocks", "of an unlinked inode",
       [](Sample& s) {
         s.tree.edit(s.unlinked, [](Inode& inode) { inode.online_blocks = 1; });
       }},
      {"offline-blocks", "one too few",
       [](Sample& s) {
         s.tree.edit(s.archived, [](Inode& inode) { --inode.offline_blocks; });
       }},
  };
  return kDamages;
}

const std::vector<Damage>& data_damages() {
  static const std::vector<Damage> kDamages{
      {"checksum-missing", "in the middle",
       [](Sample& s) { s.tree.set_checksum(s.report, 2, 0); }},
      {"checksum-missing", "the last ones",
       [](Sample& s) { drop(s, format::checksum_key(s.report, 1)); }},
      {"checksum-stray", "right behind an extent",
       [](Sample& s) { s.tree.set_checksum(s.report, 5, 1); }},
      {"checksum-stray", "in a hole", [](Sample& s) { s.tree.set_checksum(s.report, 50, 1); }},
      {"checksum-stray", "behind the last extent",
       [](Sample& s) { s.tree.set_checksum(s.report, 900, 1); }},
      {"checksum-stray", "of unwritten blocks",
       [](Sample& s) { s.tree.set_checksum(s.preallocated, 5, 1); }},
      {"data-checksum", "the item is wrong",
       [](Sample& s) { s.tree.set_checksum(s.report, 2, 77); }},
      {"data-checksum",
       "the data is wrong",
       {},
       {},
       [](Sample& s) { s.device.flip_bit(BlockNo{s.report_data.start.value + 3}, 12'345); }},
      {"data-unreadable",
       "a bad sector",
       {},
       {},
       [](Sample& s) { s.device.add_bad_read(BlockNo{s.report_data.start.value + 1}); }},
      {"space-overlap", "two files share a block",
       [](Sample& s) {
         s.tree.add_extent(s.preallocated, 100,
                           {s.report_data.start, 1, format::kExtentUnwritten});
       }},
      {"space-leak", "an extent item is gone",
       [](Sample& s) { drop(s, format::extent_key(s.preallocated, 4)); }},
      {"space-outside", "an extent in the journal",
       [](Sample& s) {
         change_extent(s, s.note, 0,
                       [&](format::ExtentValue& e) { e.start = s.superblock.journal.start; });
       }},
  };
  return kDamages;
}

const std::vector<Damage>& other_damages() {
  static const std::vector<Damage> kDamages{
      {"symlink", "no target", [](Sample& s) { drop(s, format::symlink_key(s.link)); }},
      {"symlink", "another length",
       [](Sample& s) { item(s, format::symlink_key(s.link)) = "docs"; }},
      {"xattr-parts", "the last one is missing",
       [](Sample& s) { drop(s, format::xattr_key(s.attributed, "user.long", 2)); }},
      {"xattr-parts", "the first one is missing",
       [](Sample& s) { drop(s, format::xattr_key(s.attributed, "user.long", 0)); }},
      {"xattr-parts", "one too many",
       [](Sample& s) { s.tree.items[format::xattr_key(s.attributed, "user.empty", 1)] = "x"; }},
      {"xattr-parts", "a short one in the middle",
       [](Sample& s) { item(s, format::xattr_key(s.attributed, "user.long", 1)).pop_back(); }},
      {"xattr-parts", "no number of parts",
       [](Sample& s) { item(s, format::xattr_key(s.attributed, "user.empty", 0)).clear(); }},
      {"xattr-count", "one attribute is gone",
       [](Sample& s) { drop(s, format::xattr_key(s.attributed, "user.short", 0)); }},
      {"xattr-count", "of an unlinked inode",
       [](Sample& s) { s.tree.edit(s.unlinked, [](Inode& inode) { inode.xattr_count = 1; }); }},
      {"counter-ino", "an inode number that was not given out",
       [](Sample& s) { s.tree.next_ino = Ino{s.tree.next_ino.value - 1}; }},
      {"counter-seq", "a seq that was not given out",
       [](Sample& s) { s.tree.next_seq = Seq{s.tree.next_seq.value - 1}; }},
  };
  return kDamages;
}

BOOST_AUTO_TEST_SUITE(tree_damage)

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_an_item_is_found) {
  for (const Damage& damage : item_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_names_is_found) {
  for (const Damage& damage : name_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_directories_is_found) {
  for (const Damage& damage : directory_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_orphans_and_the_index_is_found) {
  for (const Damage& damage : index_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_extents_is_found) {
  for (const Damage& damage : extent_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_data_and_space_is_found) {
  for (const Damage& damage : data_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_symlinks_attributes_and_counters_is_found) {
  for (const Damage& damage : other_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(segments_are_read_again_only_to_find_a_reference_that_is_alone) {
  std::uint64_t reads[2] = {};
  for (const bool damaged : {false, true}) {
    Sample sample;
    if (damaged) drop(sample, format::readdir_key(sample.docs, kReportPosition));
    sample.build();
    const std::uint64_t before = sample.device.counters().reads;
    BOOST_REQUIRE(sample.check().has_value());
    reads[damaged ? 1 : 0] = sample.device.counters().reads - before;
  }
  BOOST_TEST(reads[1] == reads[0] + 3);  // the sample's segments
}

BOOST_AUTO_TEST_CASE(one_missing_item_is_one_problem) {
  Sample sample;
  drop(sample, format::readdir_key(sample.docs, kReportPosition));
  sample.build();
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->problem_count == 1U, all_of(*report));
  BOOST_TEST(report->problems.front().what ==
             "directory 2, position 3, target inode 5: no item by position");
}

BOOST_AUTO_TEST_CASE(deletion_in_progress_is_not_damage) {
  Sample sample;
  const Ino gone = sample.tree.add_orphan(format::kTypeRegular | 0600);
  sample.tree.items[format::xattr_key(gone, "user.half", 1)] = "rest";
  sample.tree.set_checksum(gone, 3, 77);
  const Ino target = sample.tree.add_orphan(format::kTypeSymlink | 0777);
  sample.tree.edit(target, [](Inode& inode) { inode.size = 3; });
  sample.build();
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->clean(), all_of(*report));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::check
