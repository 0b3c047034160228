// Each class of damage to the server tree, the segments and the space is found and called by
// its name.
#include <fmt/format.h>

#include "tests/unit/check/sample.hpp"

namespace scoutfs::check {
namespace {

void change_counters(Sample& s, const std::function<void(format::Counters&)>& change) {
  change(s.counters);
  s.put_counters();
}

void change_segment(Sample& s, std::size_t index,
                    const std::function<void(lsm::Placed&)>& change) {
  change(s.segments[index]);
  s.put_segment_item(s.segments[index]);
}

format::Member member_of(Rid rid, std::uint16_t slot) {
  format::Member member;
  member.who = {rid, Epoch{2}};
  member.slot = slot;
  return member;
}

std::string last_free(const Sample& s) {
  return std::prev(s.server_items.lower_bound(format::free_key(BlockNo{~std::uint64_t{0}})))
      ->first;
}

const std::vector<Damage>& item_damages() {
  static const std::vector<Damage> kDamages{
      {"server-item",
       "a key nobody knows",
       {},
       [](Sample& s) { s.server_items["\x66"] = "x"; }},
      {"server-item",
       "a count of 0",
       {},
       [](Sample& s) { s.server_items[last_free(s)] = std::string(8, '\0'); }},
      {"server-item",
       "a segment stored under another block",
       {},
       [](Sample& s) {
         const std::string key = format::segment_key(s.segments[0].info.ref.where.start);
         s.server_items[format::segment_key(BlockNo{5})] = s.server_items[key];
         s.server_items.erase(key);
       }},
      {"counters",
       "there are none",
       {},
       [](Sample& s) { s.server_items.erase(format::counters_key()); }},
      {"counter-record",
       "of a segment",
       {},
       [](Sample& s) {
         change_counters(s, [](format::Counters& c) { c.next_record = RecordNo{3}; });
       }},
      {"counter-job",
       "of a job",
       {},
       [](Sample& s) {
         change_counters(s, [](format::Counters& c) { c.next_job = JobId{1}; });
       }},
      {"counter-version",
       "of a member",
       {},
       [](Sample& s) {
         change_counters(s, [](format::Counters& c) { c.version = Version{2}; });
       }},
      {"counter-version",
       "of a replaced segment",
       {},
       [](Sample& s) {
         s.server_items[format::replaced_key(Version{9}, s.replaced.start)] =
             format::encode_count(s.replaced.count);
         s.server_items.erase(format::replaced_key(Version{1}, s.replaced.start));
       }},
      {"member",
       "the record of another rid",
       {},
       [](Sample& s) { s.put_member(Rid{0x78}, member_of(Rid{0x79}, 3)); }},
      {"member",
       "two in a slot",
       {},
       [](Sample& s) { s.put_member(Rid{0x78}, member_of(Rid{0x78}, 0)); }},
  };
  return kDamages;
}

const std::vector<Damage>& owner_damages() {
  static const std::vector<Damage> kDamages{
      {"grant-owner",
       "of nobody",
       {},
       [](Sample& s) { s.server_items.erase(format::member_key(s.rid)); }},
      {"job-owner",
       "of nobody",
       {},
       [](Sample& s) { s.server_items.erase(format::member_key(s.rid)); }},
      {"job-input",
       "no such segment",
       {},
       [](Sample& s) { s.put_job({s.rid, {BlockNo{1}}, {s.output}}); }},
      {"level",
       "too deep",
       {},
       [](Sample& s) { change_segment(s, 0, [](lsm::Placed& p) { p.level = 8; }); }},
      {"level",
       "several ranges below level 0",
       {},
       [](Sample& s) { change_segment(s, 2, [](lsm::Placed& p) { p.level = 2; }); }},
      {"level-overlap",
       "one record, two segments",
       {},
       [](Sample& s) {
         change_segment(s, 1, [&](lsm::Placed& p) {
           p.level = 0;
           p.record = s.segments[2].record;
         });
       }},
      {"level-overlap",
       "the coverage says so",
       {},
       [](Sample& s) {
         change_segment(s, 0, [&](lsm::Placed& p) {
           p.info.coverage[0].last = s.segments[1].info.coverage[0].first;
         });
       }},
  };
  return kDamages;
}

const std::vector<Damage>& segment_damages() {
  static const std::vector<Damage> kDamages{
      {"segment-count",
       "one too many",
       {},
       [](Sample& s) { change_segment(s, 0, [](lsm::Placed& p) { ++p.info.item_count; }); }},
      {"segment-coverage",
       "too narrow",
       {},
       [](Sample& s) {
         change_segment(s, 0, [](lsm::Placed& p) { p.info.coverage[0].last.back() ^= 1; });
       }},
      {"segment-coverage",
       "too wide",
       {},
       [](Sample& s) {
         change_segment(s, 2, [](lsm::Placed& p) { p.info.coverage.back().last += '\xff'; });
       }},
      {"segment-coverage",
       "a range more",
       {},
       [](Sample& s) {
         change_segment(s, 2, [](lsm::Placed& p) { p.info.coverage.pop_back(); });
       }},
      {"segment-corrupt",
       "another identity",
       {},
       [](Sample& s) { change_segment(s, 1, [](lsm::Placed& p) { ++p.info.ref.id; }); }},
      {"segment-corrupt",
       "another length",
       {},
       [](Sample& s) {
         change_segment(s, 1, [](lsm::Placed& p) { ++p.info.ref.where.count; });
       }},
      {"segment-corrupt",
       "zeroed",
       {},
       {},
       [](Sample& s) {
         const Extent where = s.segments[1].info.ref.where;
         s.device.put(where.start, std::string(where.count * kBlockSize, '\0'));
       }},
      {"segment-unreadable",
       "a bad sector",
       {},
       {},
       [](Sample& s) { s.device.add_bad_read(s.segments[1].info.ref.where.start); }},
  };
  return kDamages;
}

const std::vector<Damage>& space_damages() {
  static const std::vector<Damage> kDamages{
      {"space-leak",
       "free space was forgotten",
       {},
       [](Sample& s) { s.server_items.erase(last_free(s)); }},
      {"space-leak",
       "a block between two owners",
       {},
       [](Sample& s) {
         s.server_items[format::granted_key(s.rid, s.granted.start)] =
             format::encode_count(s.granted.count - 1);
       }},
      {"space-overlap",
       "free and granted",
       {},
       [](Sample& s) {
         s.server_items[format::free_key(s.granted.start)] = format::encode_count(3);
       }},
      {"space-overlap",
       "granted twice",
       {},
       [](Sample& s) {
         s.put_member(Rid{0x78}, member_of(Rid{0x78}, 3));
         s.server_items[format::granted_key(Rid{0x78}, BlockNo{s.granted.start.value + 1})] =
             format::encode_count(1);
       }},
      {"space-overlap",
       "free and a segment",
       {},
       [](Sample& s) {
         s.server_items[format::free_key(s.segments[1].info.ref.where.start)] =
             format::encode_count(1);
       }},
  };
  return kDamages;
}

const std::vector<Damage>& more_space_damages() {
  static const std::vector<Damage> kDamages{
      {"space-overlap",
       "a job's output and a file",
       {},
       [](Sample& s) { s.put_job({s.rid, {}, {s.output, {s.report_data.start, 1}}}); }},
      {"space-overlap",
       "replaced and free",
       {},
       [](Sample& s) {
         s.server_items[format::replaced_key(Version{1}, s.replaced.start)] =
             format::encode_count(s.replaced.count + 1);
       }},
      {"space-outside",
       "free space in the server area",
       {},
       [](Sample& s) {
         s.server_items[format::free_key(s.superblock.server_area.start)] =
             format::encode_count(1);
       }},
      {"space-outside",
       "free space beyond the end",
       {},
       [](Sample& s) {
         s.server_items[format::free_key(s.superblock.space.end())] = format::encode_count(1);
       }},
      {"space-outside",
       "a count beyond all numbers",
       {},
       [](Sample& s) {
         s.server_items[format::free_key(s.replaced.start)] =
             format::encode_count(~std::uint64_t{0});
       }},
      {"space-outside",
       "a segment beyond the end is not read",
       {},
       [](Sample& s) {
         change_segment(s, 1, [&](lsm::Placed& p) {
           s.server_items.erase(format::segment_key(p.info.ref.where.start));
           p.info.ref.where.start = BlockNo{1u << 30};
         });
       }},
  };
  return kDamages;
}

BOOST_AUTO_TEST_SUITE(server_damage)

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_a_server_item_is_found) {
  for (const Damage& damage : item_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_owners_and_levels_is_found) {
  for (const Damage& damage : owner_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_segments_is_found) {
  for (const Damage& damage : segment_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(each_class_of_damage_to_the_space_is_found) {
  for (const Damage& damage : space_damages()) expect_found(damage);
  for (const Damage& damage : more_space_damages()) expect_found(damage);
}

BOOST_AUTO_TEST_CASE(a_segment_larger_than_any_is_not_read) {
  Sample sample(1u << 20);
  sample.lay_out_all();
  change_segment(sample, 2, [](lsm::Placed& p) { p.info.ref.where.count = 1u << 17; });
  sample.write();
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(has(*report, "segment-corrupt"), all_of(*report));
}

BOOST_AUTO_TEST_CASE(an_overlap_names_both_owners) {
  Sample sample;
  sample.lay_out_all();
  sample.server_items[format::free_key(sample.granted.start)] = format::encode_count(3);
  sample.write();
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_REQUIRE(report->problem_count == 1U);
  const std::uint64_t start = sample.granted.start.value;
  BOOST_TEST(report->problems.front().what ==
             fmt::format("blocks {} to {} belong to free space at {} and to a grant of rid 77",
                         start, start + 2, start));
}

BOOST_AUTO_TEST_CASE(an_extent_inside_another_is_one_overlap_and_no_leak) {
  Sample sample;
  sample.lay_out_all();
  const BlockNo inside{sample.granted.start.value + 10};
  sample.server_items[format::free_key(inside)] = format::encode_count(3);
  sample.write();
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->problem_count == 1U, all_of(*report));
  BOOST_TEST(has(*report, "space-overlap"));
}

BOOST_AUTO_TEST_CASE(the_outputs_of_one_merge_share_a_record) {
  Sample sample;
  sample.lay_out_all();
  for (const std::size_t index : {std::size_t{0}, std::size_t{1}}) {
    change_segment(sample, index, [](lsm::Placed& p) {
      p.level = 0;
      p.record = RecordNo{1};
    });
  }
  sample.write();
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->clean(), all_of(*report));
}

BOOST_AUTO_TEST_CASE(a_dead_member_may_have_lost_its_slot_to_a_newcomer) {
  Sample sample;
  sample.lay_out_all();
  format::Member dead = member_of(Rid{0x78}, 0);
  dead.dead = true;
  sample.put_member(Rid{0x78}, dead);
  sample.write();
  const Result<Report> report = sample.check();
  BOOST_REQUIRE(report.has_value());
  BOOST_TEST(report->clean(), all_of(*report));
  BOOST_TEST(report->members.size() == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::check
