// Picker and run_job together, on a device: jobs run at the same time while commits arrive, end
// in any order and are recorded in any order; readers keep old lists meanwhile.
#include <algorithm>
#include <optional>

#include "engine/lsm/compaction.hpp"
#include "tests/support/dice.hpp"
#include "tests/support/run.hpp"
#include "tests/support/segments.hpp"
#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

using testing::Dice;
using testing::MemoryDevice;
using testing::World;
using Items = std::map<std::string, std::string>;

constexpr Fsid kFsid{5};
const KeyRange kEverything{"", "\xff"};

// Space is never used again: old lists stay readable.
class Space : public OutputSpace {
 public:
  Result<SegmentRef> allocate(std::uint64_t blocks) override {
    const SegmentRef ref{{BlockNo{next_}, blocks}, next_ * 31};
    next_ += blocks;
    return ref;
  }

 private:
  std::uint64_t next_ = 1;
};

struct Running {
  Job job;
  std::optional<Result<std::vector<SegmentInfo>>> outputs;
};

class Tree {
 public:
  explicit Tree(Dice& dice) : dice_(dice), picker_(options(dice)) {
    device_.set_scheduler(&world_.scheduler);
  }
  ~Tree() {
    world_.run(tasks_.drain());
    world_.run(cache_.close());
  }

  void commit() {
    testing::Model items;
    const std::uint64_t count = 1 + dice_.below(30);
    const std::uint64_t near = dice_.below(200);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string key = std::string(1, dice_.once_in(3) ? 'a' : 'k') +
                              std::to_string(1000 + near + dice_.below(60));
      if (dice_.once_in(3)) {
        items[key] = std::nullopt;
        model_.erase(key);
        continue;
      }
      std::string value;
      for (std::uint64_t word = dice_.below(100); word > 0; --word)
        Writer(value).put(dice_.next());
      items[key] = value;
      model_[key] = value;
    }
    SegmentBuilder builder = testing::build(items);
    const Result<SegmentRef> ref = space_.allocate(builder.finish());
    SegmentImage image = std::move(builder).seal(kFsid, *ref);
    device_.put(ref->where.start, image.bytes);
    manifest_.add({std::move(image.info), 0, RecordNo{++records_}});
  }

  bool pick() {
    const CompactionPicker::Choice choice = picker_.pick(manifest_, JobId{++jobs_});
    if (choice.move.has_value()) {
      manifest_.add(moved(manifest_.remove(choice.move->ref), choice.move->to_level));
    }
    if (!choice.job.has_value()) return choice.move.has_value();
    running_.push_back(std::make_unique<Running>(Running{*choice.job, {}}));
    peak_ = std::max(peak_, running_.size());
    tasks_.spawn(run(running_.back().get()));
    return true;
  }

  void step() { world_.scheduler.run(dice_.below(10)); }

  // One that has ended, if there is one.
  void record_one() {
    const std::uint64_t offset = running_.empty() ? 0 : dice_.below(running_.size());
    for (std::size_t i = 0; i < running_.size(); ++i) {
      const std::size_t at = (i + offset) % running_.size();
      if (!running_[at]->outputs.has_value()) continue;
      const auto ended = std::move(running_[at]);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(at));
      RC_ASSERT(ended->outputs->has_value());
      for (const Placed& input : ended->job.inputs) manifest_.remove(input.info.ref);
      for (const SegmentInfo& info : **ended->outputs) {
        manifest_.add({info, ended->job.output_level, ended->job.output_record});
      }
      picker_.release(ended->job.id);
      return;
    }
  }

  void take_snapshot() { snapshots_.push_back({manifest_.overlapping(kEverything), model_}); }
  void check_snapshot() {
    if (snapshots_.empty()) return;
    RC_ASSERT(view(snapshots_.front().first) == snapshots_.front().second);
    snapshots_.erase(snapshots_.begin());
  }
  void check() {
    manifest_.check_invariants();
    RC_ASSERT(view(manifest_.overlapping(kEverything)) == model_);
  }
  void finish() {
    do {
      while (!running_.empty()) {
        world_.scheduler.run();
        record_one();
      }
    } while (pick());
    RC_ASSERT(picker_.debt_blocks(manifest_) == 0u);
    check();
    while (!snapshots_.empty()) check_snapshot();
  }
  std::size_t running() const { return running_.size(); }
  std::size_t peak() const { return peak_; }

 private:
  static CompactionOptions options(Dice& dice) {
    CompactionOptions options;
    options.level0_count = 2 + dice.below(4);
    options.level1_blocks = 20 + dice.below(30);
    options.fanout = 3;
    options.inputs_max = 5 + dice.below(10);
    options.segment_size_max = (6 + dice.below(10)) * kBlockSize;
    return options;
  }

  Task<void> run(Running* running) {
    Result<std::vector<SegmentInfo>> outputs =
        co_await run_job(cache_, device_, kFsid, running->job, space_);
    running->outputs = std::move(outputs);
  }

  Items view(const std::vector<Placed>& segments) {
    SegmentList list;
    list.segments = segments;
    MergeIterator it(cache_, kEverything, Fill::bypass);
    it.add(list);
    Items out;
    while (true) {
      auto item = world_.run(it.next());
      RC_ASSERT(item.has_value());
      if (!item->has_value()) return out;
      if ((*item)->entry.has_value()) out[(*item)->key] = *(*item)->entry;
    }
  }

  Dice& dice_;
  World world_;
  MemoryDevice device_{200'000};
  SegmentCache cache_{world_.scheduler, device_, kFsid, 1u << 20};
  CompactionPicker picker_;
  Manifest manifest_;
  Space space_;
  Items model_;
  std::vector<std::unique_ptr<Running>> running_;
  std::vector<std::pair<std::vector<Placed>, Items>> snapshots_;
  std::uint64_t records_ = 0, jobs_ = 0;
  std::size_t peak_ = 0;
  TaskScope tasks_{world_.scheduler};
};

RC_BOOST_PROP(merges_that_run_at_once_on_a_device_keep_every_view, (std::uint64_t seed)) {
  Dice dice(seed);
  Tree tree(dice);
  const std::uint64_t steps = 40 + dice.below(100);
  for (std::uint64_t step = 0; step < steps; ++step) {
    tree.commit();
    if (tree.running() < 4) tree.pick();
    tree.step();
    if (dice.once_in(4)) tree.record_one();
    if (dice.once_in(10)) tree.take_snapshot();
    if (dice.once_in(20)) tree.check_snapshot();
    if (dice.once_in(20)) tree.check();
  }
  tree.finish();
  RC_CLASSIFY(tree.peak() > 1, "several at once");
}

}  // namespace
}  // namespace scoutfs::lsm
