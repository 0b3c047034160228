#include "sim/shrink/shrink.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sim/plan.hpp"
#include "sim/retrace.hpp"
#include "sim/runner.hpp"
#include "sim/shrink/ddmin.hpp"
#include "sim/shrink/edits_codec.hpp"

namespace scoutfs::sim {

namespace {

using Make = std::function<Edits(std::size_t candidate)>;

template <class T>
std::vector<T> part_of(const std::vector<T>& whole, const Items& items) {
  std::vector<T> part;
  part.reserve(items.size());
  for (const std::size_t item : items) part.push_back(whole[item]);
  return part;
}

// Faults and troubles are left out as one list: first the ones, then the others.
Edits with_faults(const Edits& edits, const Items& items) {
  Edits made = edits;
  made.faults.clear();
  made.troubles.clear();
  for (const std::size_t item : items) {
    if (item < edits.faults.size()) {
      made.faults.push_back(edits.faults[item]);
    } else {
      made.troubles.push_back(edits.troubles[item - edits.faults.size()]);
    }
  }
  return made;
}

Edits with_operations(const Edits& edits, const Items& items) {
  Edits made = edits;
  made.operations = part_of(edits.operations, items);
  return made;
}

Edits without_node(const Edits& edits, unsigned node) {
  Edits made = edits;
  std::erase(made.nodes, node);
  std::erase_if(made.operations,
                [node](const DecidedOperation& decided) { return decided.node == node; });
  return made;
}

class Search {
 public:
  explicit Search(const ShrinkOptions& options) : options_(options) {}

  std::expected<Shrunk, std::string> run() {
    const std::optional<Verdict> before = verdict_of_original();
    if (!before.has_value()) return std::unexpected("there was no time to run it");
    if (before->passed) return std::unexpected("it passes: there is nothing to shrink");
    shrunk_.before = *before;
    record();
    if (!fails_alike()) {
      return std::unexpected(fmt::format(
          "it fails by oracle {}, but not when its decisions are repeated", before->oracle));
    }
    leave_out();
    shrunk_.left = std::move(best_);
    return std::move(shrunk_);
  }

 private:
  std::optional<Verdict> verdict_of_original() {
    std::optional<Verdict> told;
    BatchConfig batch = batch_of(1);
    batch.config = [this](std::uint64_t) { return options_.run; };
    run_batch(
        batch,
        [&told](std::uint64_t, const Verdict& verdict) {
          told = verdict;
          return true;
        },
        options_.go_on);
    return told;
  }

  void record() {
    const auto body = [this](const Tell& tell) {
      DecisionLines lines(tell);
      record_seed(options_.run, lines);
    };
    const std::string lines = told_by(body, options_.seconds_per_run);
    best_ = edits_of_lines(lines, make_plan(options_.run));
    shrunk_.all = best_;
  }

  bool fails_alike() {
    return try_all(1, [this](std::size_t) { return best_; });
  }

  void leave_out() {
    leave_out_decisions();
    // What fails without the delays may fail without more.
    calm_down();
    leave_out_decisions();
    shrunk_.whole = options_.go_on();
  }

  void leave_out_decisions() {
    bool better = true;
    while (better && options_.go_on()) {
      const std::size_t size = size_of(best_);
      leave_out_faults();
      leave_out_nodes();
      leave_out_operations();
      better = size_of(best_) < size;
    }
  }

  static std::size_t size_of(const Edits& edits) {
    return edits.nodes.size() + edits.operations.size() + edits.faults.size() +
           edits.troubles.size();
  }

  // ddmin() of a list of `count`, of which `make` keeps some.
  void minimise(std::size_t count, Edits (*make)(const Edits&, const Items&)) {
    const Edits whole = best_;
    ddmin(count, [&](const std::vector<Items>& candidates) {
      return first_failing(candidates.size(), [&](std::size_t candidate) {
        return make(whole, candidates[candidate]);
      });
    });
  }

  void leave_out_faults() {
    minimise(best_.faults.size() + best_.troubles.size(), with_faults);
  }
  void leave_out_operations() { minimise(best_.operations.size(), with_operations); }

  void leave_out_nodes() {
    while (best_.nodes.size() > 1) {
      const Edits whole = best_;
      const bool left_out = try_all(whole.nodes.size(), [&whole](std::size_t candidate) {
        return without_node(whole, whole.nodes[candidate]);
      });
      if (!left_out) return;
    }
  }

  // Errors by chance off; then the shortest delays: always, or from as early on as can be.
  void calm_down() {
    if (best_.disk_errors) {
      try_all(1, [this](std::size_t) {
        Edits made = best_;
        made.disk_errors = false;
        return made;
      });
    }
    calm(&Edits::calm_network_from, shrunk_.before.messages);
    calm(&Edits::calm_disk_from, shrunk_.before.disk_requests);
  }

  // `known`: so many there were in the original run; 0: that is not known.
  void calm(std::uint64_t Edits::* from, std::uint64_t known) {
    const auto fails_from = [this, from](std::uint64_t ordinal) {
      return try_all(1, [&](std::size_t) {
        Edits made = best_;
        made.*from = ordinal;
        return made;
      });
    };
    if (fails_from(0)) return;
    std::uint64_t low = 0;
    std::uint64_t high = known;
    while (high - low > 1 && options_.go_on()) {
      const std::uint64_t middle = low + (high - low) / 2;
      (fails_from(middle) ? high : low) = middle;
    }
  }

  bool try_all(std::size_t count, const Make& make) {
    return first_failing(count, make).has_value();
  }

  BatchConfig batch_of(std::size_t count) const {
    BatchConfig batch;
    batch.first = 0;
    batch.last = count - 1;
    batch.jobs = std::min(options_.jobs, static_cast<unsigned>(count));
    batch.seconds_per_run = options_.seconds_per_run;
    batch.execute = options_.execute;
    return batch;
  }

  // The first candidate that fails alike becomes the best.
  std::optional<std::size_t> first_failing(std::size_t count, const Make& make) {
    if (count == 0 || !options_.go_on()) return std::nullopt;
    BatchConfig batch = batch_of(count);
    batch.config = [&](std::uint64_t candidate) {
      RunConfig run = options_.run;
      run.edits = std::make_shared<Edits>(make(candidate));
      return run;
    };
    // The first counts, although a later one may be known earlier.
    std::vector<bool> told(count);
    std::optional<std::size_t> first;
    Verdict verdict_of_first;
    const auto on_verdict = [&](std::uint64_t candidate, const Verdict& verdict) {
      ++shrunk_.runs;
      told[candidate] = true;
      const bool alike = !verdict.passed && verdict.oracle == shrunk_.before.oracle;
      if (alike && candidate < first.value_or(count)) {
        first = candidate;
        verdict_of_first = verdict;
      }
      options_.on_progress({.best = best_, .runs = shrunk_.runs});
      if (!first.has_value()) return true;
      return std::ranges::find(told.begin(), told.begin() + static_cast<long>(*first), false) !=
             told.begin() + static_cast<long>(*first);
    };
    run_batch(batch, on_verdict, options_.go_on);
    if (!first.has_value()) return std::nullopt;
    best_ = make(*first);
    shrunk_.after = verdict_of_first;
    return first;
  }

  const ShrinkOptions& options_;
  Shrunk shrunk_;
  Edits best_;
};

}  // namespace

std::expected<Shrunk, std::string> shrink(const ShrinkOptions& options) {
  SCOUTFS_ASSERT(options.run.edits == nullptr);
  return Search(options).run();
}

}  // namespace scoutfs::sim
