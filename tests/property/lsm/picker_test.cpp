// The picker against a map, with jobs that overlap in time and end in any order.
//
// Segments are maps in memory here: jobs are carried out by the letter of their description.
// What run_job() makes of the same descriptions is in compaction_test.cpp.
#include <algorithm>
#include <optional>
#include <set>

#include "engine/lsm/compaction.hpp"
#include "tests/support/dice.hpp"
#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

using testing::Dice;
using Items = std::map<std::string, Entry>;

constexpr std::uint64_t kItemsPerBlock = 2;
const KeyRange kEverything{"", "\xff\xff"};

std::string key(std::uint64_t zone, std::uint64_t number) {
  std::string text(1, static_cast<char>('a' + zone));
  Writer(text).put_big(static_cast<std::uint16_t>(number));
  return text;
}

class Tree {
 public:
  Tree(Dice& dice, CompactionOptions options) : dice_(dice), picker_(options) {}

  // A commit: a small segment of level 0 with keys of up to three places.
  void commit() {
    Items items;
    const std::uint64_t places = 1 + dice_.below(3);
    for (std::uint64_t place = 0; place < places; ++place) {
      const std::uint64_t zone = dice_.below(3);
      const std::uint64_t near = dice_.below(300);
      const std::uint64_t count = 1 + dice_.below(dice_.once_in(8) ? 20 : 4);
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::string at = key(zone, near + dice_.below(count * 2));
        Entry entry;
        if (!dice_.once_in(3)) entry = std::to_string(++values_);
        items[at] = entry;
        model_.erase(at);
        if (entry.has_value()) model_[at] = *entry;
      }
    }
    add(std::move(items), 0, RecordNo{++records_}, kCoverageMax);
  }

  // True if there was something to do.
  bool pick() {
    const JobId id{++jobs_};
    CompactionPicker::Choice choice = picker_.pick(manifest_, id);
    if (choice.move.has_value()) {
      manifest_.add(moved(manifest_.remove(choice.move->ref), choice.move->to_level));
      ++moves_;
    }
    if (!choice.job.has_value()) return choice.move.has_value();
    RC_ASSERT(choice.job->id == id);
    check_encoding(*choice.job);
    running_.push_back(std::move(*choice.job));
    peak_ = std::max(peak_, running_.size());
    return true;
  }

  void record_one() {
    if (running_.empty()) return;
    const Job job = take_running();
    // Its outputs were made while it ran: from its inputs alone.
    const std::vector<Items> outputs = merge(job);
    for (const Placed& input : job.inputs) manifest_.remove(input.info.ref);
    for (const Items& items : outputs) {
      add(items, job.output_level, job.output_record, job.output_level == 0 ? kCoverageMax : 1);
    }
    picker_.release(job.id);
  }
  void abandon_one() {
    if (running_.empty()) return;
    picker_.release(take_running().id);
  }

  // A reader takes a list and keeps it.
  void take_snapshot() { snapshots_.push_back({manifest_.overlapping(kEverything), model_}); }
  void check_snapshots() {
    for (const auto& [list, model] : snapshots_) RC_ASSERT(view(list) == model);
    snapshots_.clear();
  }
  void check() {
    manifest_.check_invariants();
    RC_ASSERT(view(manifest_.overlapping(kEverything)) == model_);
    check_order();
  }

  void finish() {
    while (!running_.empty()) record_one();
    int steps = 0;
    while (pick()) {
      while (!running_.empty()) record_one();
      RC_ASSERT(++steps < 10'000);
    }
    RC_ASSERT(picker_.debt_blocks(manifest_) == 0u);
    RC_ASSERT(level0_runs() < picker_.options().level0_count);
    check();
  }

  const Manifest& manifest() const { return manifest_; }
  std::size_t level0_runs() const {
    std::set<RecordNo> records;
    manifest_.for_each([&records](const Placed& placed) {
      if (placed.level == 0) records.insert(placed.record);
    });
    return records.size();
  }
  CompactionPicker& picker() { return picker_; }
  std::size_t running() const { return running_.size(); }
  std::size_t peak() const { return peak_; }
  std::uint64_t moves() const { return moves_; }
  std::size_t tombstones() const {
    std::size_t count = 0;
    manifest_.for_each([&](const Placed& placed) {
      for (const auto& [at, entry] : items_.at(placed.info.ref.id)) count += entry ? 0 : 1;
    });
    return count;
  }

 private:
  struct Snapshot {
    std::vector<Placed> list;
    std::map<std::string, std::string> model;
  };

  Job take_running() {
    const std::size_t at = dice_.below(running_.size());
    Job job = std::move(running_[at]);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(at));
    return job;
  }

  void add(Items items, std::uint8_t level, RecordNo record, std::size_t ranges_max) {
    const std::uint64_t blocks = (items.size() + kItemsPerBlock - 1) / kItemsPerBlock;
    Placed placed{
        {{{BlockNo{next_block_}, blocks}, next_block_ + 7}, items.size(), {}}, level, record};
    for (const auto& [at, entry] : items) {
      std::vector<KeyRange>& coverage = placed.info.coverage;
      const bool near =
          !coverage.empty() && coverage.back().last.substr(0, 2) == at.substr(0, 2);
      if (coverage.empty() || (!near && coverage.size() < ranges_max && !dice_.once_in(4))) {
        coverage.push_back({at, at});
      }
      coverage.back().last = at;
    }
    next_block_ += blocks + dice_.below(3);
    items_[placed.info.ref.id] = std::move(items);
    manifest_.add(std::move(placed));
  }

  std::vector<Items> merge(const Job& job) {
    Items merged;
    for (const Placed& input : job.inputs) {
      for (const auto& item : items_.at(input.info.ref.id)) merged.insert(item);
    }
    std::vector<Items> outputs;
    std::string last;
    for (const auto& [at, entry] : merged) {
      const bool split = std::ranges::any_of(
          job.splits, [&](const std::string& s) { return last < s && s <= at; });
      last = at;
      if (split && !outputs.empty() && !outputs.back().empty()) outputs.emplace_back();
      const bool dropped =
          !entry.has_value() && std::ranges::any_of(job.bottom, [&at](const KeyRange& range) {
            return range.contains(at);
          });
      if (dropped) continue;
      const std::size_t full = job.segment_size_max / kBlockSize * kItemsPerBlock;
      if (outputs.empty() || outputs.back().size() == full) outputs.emplace_back();
      outputs.back()[at] = entry;
    }
    std::erase_if(outputs, [](const Items& items) { return items.empty(); });
    return outputs;
  }

  // What a reader of the list sees: the first segment that has the key decides.
  std::map<std::string, std::string> view(const std::vector<Placed>& list) const {
    Items seen;
    for (const Placed& placed : list) {
      for (const auto& item : items_.at(placed.info.ref.id)) {
        RC_ASSERT(placed.info.may_hold(item.first));
        seen.insert(item);
      }
    }
    std::map<std::string, std::string> out;
    for (const auto& [at, entry] : seen) {
      if (entry.has_value()) out[at] = *entry;
    }
    return out;
  }

  // Level 0 by descending record, then level by level: for each key that is newest first.
  // Values are numbered, so the order of one key's values shows it.
  void check_order() const {
    std::map<std::string, std::uint64_t> oldest;
    for (const Placed& placed : manifest_.overlapping(kEverything)) {
      for (const auto& [at, entry] : items_.at(placed.info.ref.id)) {
        if (!entry.has_value()) continue;
        const std::uint64_t value = std::stoull(*entry);
        const auto [it, first] = oldest.emplace(at, value);
        RC_ASSERT(first || value < it->second);
        it->second = value;
      }
    }
  }

  static void check_encoding(const Job& job) {
    std::string bytes;
    Writer out(bytes);
    encode(out, job);
    Reader in(bytes);
    RC_ASSERT(decode_job(in) == job);
    RC_ASSERT(in.finished());
  }

  Dice& dice_;
  CompactionPicker picker_;
  Manifest manifest_;
  std::map<std::uint64_t, Items> items_;  // by segment id; replaced ones stay for old lists
  std::map<std::string, std::string> model_;
  std::vector<Job> running_;
  std::vector<Snapshot> snapshots_;
  std::uint64_t next_block_ = 0, records_ = 0, jobs_ = 0, values_ = 0, moves_ = 0;
  std::size_t peak_ = 0;
};

CompactionOptions small_options(Dice& dice) {
  CompactionOptions options;
  options.level0_count = 2 + dice.below(4);
  options.level1_blocks = 16 + dice.below(30);
  options.fanout = 2 + dice.below(4);
  options.inputs_max = 4 + dice.below(12);
  options.segment_size_max = kBlockSize * (4 + dice.below(12));
  return options;
}

RC_BOOST_PROP(jobs_that_overlap_in_time_and_end_in_any_order_keep_every_view,
              (std::uint64_t seed)) {
  Dice dice(seed);
  Tree tree(dice, small_options(dice));
  const std::uint64_t jobs_max = 1 + dice.below(5);
  const std::uint64_t steps = 50 + dice.below(250);
  for (std::uint64_t step = 0; step < steps; ++step) {
    switch (dice.below(8)) {
      case 0:
      case 1:
      case 2:
        tree.commit();
        break;
      case 3:
      case 4:
        if (tree.running() < jobs_max) tree.pick();
        break;
      case 5:
        tree.record_one();
        break;
      case 6:
        if (dice.once_in(4)) tree.abandon_one();
        break;
      default:
        tree.take_snapshot();
        break;
    }
    if (dice.once_in(8)) tree.check();
    if (dice.once_in(20)) tree.check_snapshots();
  }
  tree.check_snapshots();
  tree.finish();
}

BOOST_AUTO_TEST_CASE(a_long_run_moves_merges_at_once_and_drops_tombstones) {
  Dice dice(1);
  CompactionOptions options;
  options.level1_blocks = 32;
  options.fanout = 4;
  options.segment_size_max = 8 * kBlockSize;
  Tree tree(dice, options);
  std::size_t level0_max = 0;
  for (int step = 0; step < 3000; ++step) {
    tree.commit();
    while (tree.running() < 4 && tree.pick()) {
    }
    const bool full = tree.picker().level0_full(tree.manifest());
    while (tree.running() > (full ? 0 : 2)) tree.record_one();
    level0_max = std::max(level0_max, tree.level0_runs());
  }
  tree.finish();
  BOOST_TEST(tree.peak() == 4u);
  BOOST_TEST(level0_max < 2 * options.level0_stop);
  BOOST_TEST(tree.moves() > 0u);
  BOOST_TEST(tree.manifest().deepest() >= 2);
  // A third of all changes are deletions.
  BOOST_TEST(tree.tombstones() < 300u);
  // Nothing but full segments would be 1x, at most 16 + 4x are left by tidying.
  for (std::uint8_t level = 1; level <= kLevelMax; ++level) {
    BOOST_TEST(tree.manifest().count(level) <= 16 + 4 * tree.manifest().blocks(level) / 8);
  }
}

}  // namespace
}  // namespace scoutfs::lsm
