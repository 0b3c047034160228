// The durable tree over several lives: processes that die at any moment, with and without the
// machine's power.
//
// What was acknowledged is there, what was not is there whole or not at all, and what is there
// is a prefix of the commits in the order of the calls. A state counts as served when open()
// completed.
#include "engine/lsm/durable_tree.hpp"

#include <algorithm>
#include <optional>

#include "engine/lsm/journal.hpp"
#include "tests/support/dice.hpp"
#include "tests/support/volume.hpp"
#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

using testing::Dice;
using testing::MemoryDevice;
using testing::TreeNode;
using Items = std::map<std::string, std::string>;

void change(Items& items, const Batch& batch) {
  for (const Change& each : batch.changes) {
    if (each.entry.has_value()) {
      items[each.key] = *each.entry;
    } else {
      items.erase(each.key);
    }
  }
}

// What is known of the volume from outside.
struct Model {
  Items base;                    // served or acknowledged
  std::vector<Batch> unsettled;  // commits after it that were called but not acknowledged
  bool failed = false;           // a commit was answered with an error

  void acknowledge() {
    RC_ASSERT(!unsettled.empty());
    change(base, unsettled.front());
    unsettled.erase(unsettled.begin());
  }
  // Is `found` the base and the first of the unsettled commits?
  bool explains(const Items& found) const {
    Items state = base;
    if (state == found) return true;
    return std::ranges::any_of(unsettled, [&](const Batch& batch) {
      change(state, batch);
      return state == found;
    });
  }
};

Task<void> await_commit(Task<Result<void>> commit, Model* model) {
  const Result<void> done = co_await std::move(commit);
  if (done.has_value()) {
    model->acknowledge();
  } else {
    model->failed = true;
  }
}

Task<void> await_result(Task<Result<void>> task, std::optional<Result<void>>* out) {
  const Result<void> done = co_await std::move(task);
  *out = done;
}

class History {
 public:
  explicit History(std::uint64_t seed)
      : dice_(seed),
        superblock_(testing::small_superblock(Journal::kBlocksMin + dice_.below(50),
                                              1000 + dice_.below(1000))),
        device_(superblock_.device_blocks) {
    RC_ASSERT(testing::make_volume(device_, superblock_).has_value());
  }

  // One process, from load to death.
  void live() {
    TreeNode node(device_);
    Result<Items> found = node.load();
    RC_ASSERT(found.has_value());
    RC_ASSERT(model_.explains(*found));
    node.tree->check_invariants();
    if (dice_.once_in(8)) return;
    TaskScope tasks(node.world.scheduler);
    if (open(node, tasks)) {
      model_ = Model{std::move(*found), {}, false};
      ++opened_;
      serve(node, tasks);
    }
    wrapped_ |= node.tree->superblock().journal_block > superblock_.journal.count;
    merges_ += node.tree->counters().merges;
    node.world.scheduler.kill();
  }

  // What the death of the process does to the device.
  void die() {
    const std::uint64_t odds = 128 * dice_.below(3);
    const std::uint64_t seed = dice_.next();
    const auto keeps = [seed, odds](std::size_t i) { return mix(seed, i) % 256 < odds; };
    if (dice_.once_in(2)) {
      device_.power_cut(keeps);
    } else {
      device_.drain(keeps);
    }
  }

  void settle() {
    TreeNode node(device_);
    const Result<Items> found = node.load();
    RC_ASSERT(found.has_value());
    RC_ASSERT(model_.explains(*found));
  }

  std::uint64_t opened() const { return opened_; }
  std::uint64_t commits() const { return commits_; }
  std::uint64_t merges() const { return merges_; }
  bool wrapped() const { return wrapped_; }

 private:
  // False if the process died in it.
  bool open(TreeNode& node, TaskScope& tasks) {
    const Term term{node.tree->superblock().term.number + 1, 0};
    std::optional<Result<void>> opened;
    tasks.spawn(await_result(node.tree->open(term, Rid{dice_.next() | 1}), &opened));
    if (dice_.once_in(4)) {
      node.world.scheduler.run(dice_.below(30));
      // Dead before the answer, it did not serve.
      return false;
    }
    node.world.scheduler.run();
    RC_ASSERT(opened.has_value());
    RC_ASSERT(opened->has_value());
    return true;
  }

  Batch random_batch() {
    Batch batch;
    const std::uint64_t changes = 1 + dice_.below(dice_.once_in(10) ? 20 : 3);
    for (std::uint64_t i = 0; i < changes; ++i) {
      const std::string key = "k" + std::to_string(dice_.below(60));
      if (dice_.once_in(4)) {
        batch.erase(key);
        continue;
      }
      std::string value;
      const std::uint64_t size = dice_.below(dice_.once_in(5) ? 6000 : 300);
      while (value.size() < size) Writer(value).put(dice_.next());
      batch.put(key, value);
    }
    return batch;
  }

  void serve(TreeNode& node, TaskScope& tasks) {
    const std::uint64_t steps = dice_.below(400);
    const std::uint64_t in_flight_max = 1 + dice_.below(20);
    for (std::uint64_t step = 0; step < steps; ++step) {
      if (model_.unsettled.size() < in_flight_max) {
        Batch batch = random_batch();
        model_.unsettled.push_back(batch);
        tasks.spawn(await_commit(node.tree->commit(std::move(batch)), &model_));
        ++commits_;
      }
      node.world.scheduler.run(dice_.below(6));
      RC_ASSERT(!model_.failed);
      if (dice_.once_in(50)) node.tree->check_invariants();
    }
    if (!dice_.once_in(4)) return;
    std::optional<Result<void>> closed;
    tasks.spawn(await_result(node.tree->close(), &closed));
    node.world.scheduler.run(dice_.once_in(2) ? dice_.below(50) : ~std::uint64_t{0});
    if (closed.has_value()) RC_ASSERT(closed->has_value());
    RC_ASSERT(!model_.failed);
  }

  Dice dice_;
  format::Superblock superblock_;
  MemoryDevice device_;
  Model model_;
  std::uint64_t opened_ = 0, commits_ = 0, merges_ = 0;
  bool wrapped_ = false;
};

RC_BOOST_PROP(what_was_acknowledged_survives_every_death_in_order, (std::uint64_t seed)) {
  History history(seed);
  for (int life = 0; life < 14; ++life) {
    history.live();
    history.die();
  }
  history.settle();
  RC_CLASSIFY(history.wrapped(), "wrapped");
  RC_CLASSIFY(history.merges() > 0, "merged");
  RC_CLASSIFY(history.opened() > 7, "many lives");
}

BOOST_AUTO_TEST_CASE(a_long_history_wraps_the_ring_and_merges_segments) {
  History history(3);
  while (history.commits() < 10'000) {
    history.live();
    history.die();
  }
  history.settle();
  BOOST_TEST(history.wrapped());
  BOOST_TEST(history.opened() > 20u);
  BOOST_TEST(history.merges() > 5u);
}

}  // namespace
}  // namespace scoutfs::lsm
