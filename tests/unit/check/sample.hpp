// Sample: a volume that has one of everything, and checks of it.
#pragma once

#include <functional>
#include <string>

#include "engine/check/check.hpp"
#include "tests/support/volume_builder.hpp"
#include "tests/test.hpp"

namespace scoutfs::check {

inline std::string pattern(std::uint64_t blocks, char with) {
  std::string bytes(blocks * kBlockSize, with);
  for (std::size_t i = 0; i < bytes.size(); i += 97) bytes[i] = static_cast<char>(i);
  return bytes;
}

struct Sample : testing::VolumeBuilder {
  Ino docs, deep, note, report, link, pipe, archived, preallocated, attributed, unlinked,
      shrinking;
  Extent report_data;
  Extent granted, output, replaced;
  Rid rid{0x77};

  explicit Sample(std::uint64_t device_blocks = 16'384) : VolumeBuilder(device_blocks) {
    docs = tree.add(kRootIno, "docs", format::kTypeDirectory | 0755);
    deep = tree.add(docs, "deep", format::kTypeDirectory | 0700);
    note = tree.add(deep, "note", format::kTypeRegular | 0644);
    report = tree.add(docs, "report", format::kTypeRegular | 0644);
    tree.link(kRootIno, "hard", report);
    tree.link(deep, "again", report);
    link = tree.add_symlink(kRootIno, "link", "docs/report");
    pipe = tree.add(docs, "pipe", format::kTypeFifo | 0600);
    archived = tree.add(docs, "archived", format::kTypeRegular | 0644);
    preallocated = tree.add(docs, "preallocated", format::kTypeRegular | 0644);
    attributed = tree.add(docs, "attributed", format::kTypeRegular | 0644);
    unlinked = tree.add_orphan(format::kTypeRegular | 0644);
    shrinking = tree.add(docs, "shrinking", format::kTypeRegular | 0644);

    write_file(note, 0, pattern(1, 'n'));
    report_data = write_file(report, 0, pattern(5, 'r'));
    write_file(report, 70, pattern(3, 's'));
    write_file(report, 62, pattern(4, 't'));
    tree.edit(report, [](format::Inode& inode) { inode.size -= 100; });
    tree.add_extent(archived, 0, {BlockNo{}, 1000, format::kExtentOffline});
    write_file(archived, 1000, pattern(2, 'a'));
    const Extent kept = allocate(20);
    tree.add_extent(preallocated, 4, {kept.start, kept.count, format::kExtentUnwritten});
    tree.add_xattr(attributed, "user.short", "value");
    tree.add_xattr(attributed, "user.empty", "");
    tree.add_xattr(attributed, "user.long", std::string(format::kXattrPart * 2 + 5, 'v'));
    write_file(unlinked, 0, pattern(2, 'u'));
    write_file(shrinking, 0, pattern(2, 'w'));
    tree.edit(shrinking, [](format::Inode& inode) {
      inode.size = 10;
      inode.flags = format::kInodeTruncating;
    });
  }

  // Two segments of level 1 and one of level 0 that replaces and deletes items of theirs.
  void lay_out_levels() {
    testing::Model parts[3];
    const std::size_t third = tree.items.size() / 3 + 1;
    std::size_t number = 0;
    for (const auto& [key, value] : tree.items) parts[number++ / third].emplace(key, value);
    const std::string stale = parts[1].begin()->first;
    parts[2][stale] = parts[1][stale];
    parts[1][stale] = "stale";
    const std::string deleted = format::dirent_key(docs, "deleted");
    parts[2][deleted] = std::nullopt;
    (parts[0].rbegin()->first < deleted ? parts[1] : parts[0])[deleted] = "old";
    add_segment(1, parts[0]);
    add_segment(1, parts[1]);
    add_segment(0, parts[2]);
  }

  void lay_out_all() {
    lay_out_levels();
    granted = allocate(32);
    output = allocate(16);
    replaced = allocate(8);
    lay_out();
    counters.next_job = JobId{2};
    put_counters();
    server_items[format::granted_key(rid, granted.start)] = format::encode_count(granted.count);
    server_items[format::replaced_key(Version{1}, replaced.start)] =
        format::encode_count(replaced.count);
    put_job({rid, {segments[0].info.ref.where.start}, {output}});
    format::Member member;
    member.who = {rid, Epoch{1}};
    member.slot = 0;
    member.name = "host";
    member.recorded = TxnNo{12};
    member.recorded_at = Version{3};
    put_member(rid, member);
  }
  void put_job(const format::JobRecord& job) {
    server_items[format::job_key(JobId{1})] = encode(job);
  }
  void put_member(Rid of, const format::Member& member) {
    server_items[format::member_key(of)] = encode(member);
  }

  void build() {
    lay_out_all();
    write();
  }

  Result<Report> check(Options options = {}) {
    return world.run(check_volume(world.scheduler, device, std::move(options)));
  }
};

inline bool has(const Report& report, std::string_view kind) {
  for (const Problem& problem : report.problems) {
    if (problem.kind == kind) return true;
  }
  return false;
}

inline std::string all_of(const Report& report) {
  std::string out;
  for (const Problem& problem : report.problems) {
    out += problem.kind + ": " + problem.what + "\n";
  }
  return out;
}

// One way to damage a sample, and what it must be called.
struct Damage {
  const char* kind;
  const char* what;
  std::function<void(Sample&)> tree = {};    // before the items are laid out
  std::function<void(Sample&)> server = {};  // before the server tree is written
  std::function<void(Sample&)> device = {};  // at the end
};

inline void expect_found(const Damage& damage) {
  BOOST_TEST_CONTEXT(damage.kind << ": " << damage.what) {
    Sample sample;
    if (damage.tree) damage.tree(sample);
    sample.lay_out_all();
    if (damage.server) damage.server(sample);
    sample.write();
    if (damage.device) damage.device(sample);
    const Result<Report> report = sample.check();
    BOOST_REQUIRE(report.has_value());
    BOOST_TEST(has(*report, damage.kind), "found instead:\n" << all_of(*report));
    BOOST_TEST(report->problem_count == report->problems.size());
  }
}

}  // namespace scoutfs::check
