#include "sim/exhaust/space.hpp"

#include <fmt/core.h>

#include "engine/base/assert.hpp"

namespace scoutfs::sim {

std::string_view to_string(CommitPoint point) {
  switch (point) {
    case CommitPoint::writes_begin:
      return "writes-begin";
    case CommitPoint::written:
      return "written";
    case CommitPoint::commit_sent:
      return "commit-sent";
    case CommitPoint::commit_arrived:
      return "commit-arrived";
    case CommitPoint::record_begins:
      return "record-begins";
    case CommitPoint::recorded:
      return "recorded";
    case CommitPoint::answer_sent:
      return "answer-sent";
    case CommitPoint::answer_arrived:
      return "answer-arrived";
  }
  return "unknown";
}

namespace {

std::string_view to_string(const Crash& crash) {
  switch (crash.victims) {
    case Victims::actor:
      return "the actor dies";
    case Victims::other:
      return "the other node dies";
    case Victims::both:
      return "both die";
    case Victims::power_cut:
      return crash.torn ? "the power fails, sectors are mixed" : "the power fails";
  }
  return "unknown";
}

}  // namespace

std::string describe(const Crash& crash) {
  switch (crash.time) {
    case CrashTime::never:
      return "no crash";
    case CrashTime::answered:
      return fmt::format("after the answer {}", to_string(crash));
    case CrashTime::synced:
      return fmt::format("after a sync {}", to_string(crash));
    case CrashTime::in_commit:
      return fmt::format("at {} of the commit {}", to_string(crash.point), to_string(crash));
    case CrashTime::at_milestone:
      break;
  }
  return fmt::format("a new leader, and who reaches {} dies", to_string(crash.milestone));
}

std::vector<Crash> all_crashes() {
  std::vector<Crash> all{Crash{}};
  for (const CrashTime time : {CrashTime::answered, CrashTime::synced}) {
    for (const Victims victims : {Victims::actor, Victims::other, Victims::both}) {
      all.push_back({.time = time, .victims = victims});
    }
    for (const bool torn : {false, true}) {
      all.push_back({.time = time, .victims = Victims::power_cut, .torn = torn});
    }
  }
  for (std::size_t i = 0; i < kCommitPoints; ++i) {
    for (const Victims victims : {Victims::actor, Victims::other, Victims::power_cut}) {
      all.push_back({.time = CrashTime::in_commit,
                     .victims = victims,
                     .torn = true,
                     .point = static_cast<CommitPoint>(i)});
    }
  }
  for (std::size_t i = 0; i < kMilestones; ++i) {
    all.push_back({.time = CrashTime::at_milestone, .milestone = static_cast<Milestone>(i)});
  }
  return all;
}

std::string describe(const Placement& placement) {
  std::string text;
  for (const bool by_leader : placement.by_leader) {
    if (!text.empty()) text += placement.together ? " and at once " : ", then ";
    text += by_leader ? "leader" : "member";
  }
  return text;
}

std::vector<Placement> placements(unsigned operations) {
  if (operations == 1) return {{.by_leader = {true}}, {.by_leader = {false}}};
  std::vector<Placement> all;
  for (const bool first : {true, false}) {
    for (const bool second : {true, false}) all.push_back({.by_leader = {first, second}});
  }
  all.push_back({.by_leader = {true, false}, .together = true});
  return all;
}

std::string describe(const ExhaustCase& one) {
  std::string text;
  for (const TinyOperation& operation : one.operations) {
    text += fmt::format("{}{}", text.empty() ? "" : "; ", operation.text);
  }
  return fmt::format("{} (by {}); {}", text, describe(one.placement), describe(one.crash));
}

ExhaustSpace::ExhaustSpace(unsigned operations)
    : depth_(operations),
      all_(tiny_operations()),
      placements_(placements(operations)),
      crashes_(all_crashes()) {
  SCOUTFS_ASSERT(operations == 1 || operations == 2);
}

std::uint64_t ExhaustSpace::size() const {
  std::uint64_t size = placements_.size() * crashes_.size();
  for (unsigned i = 0; i < depth_; ++i) size *= all_.size();
  return size;
}

ExhaustCase ExhaustSpace::at(std::uint64_t number) const {
  SCOUTFS_ASSERT(number >= 1);
  SCOUTFS_ASSERT(number <= size());
  std::uint64_t rest = number - 1;
  ExhaustCase one;
  one.number = number;
  one.crash = crashes_[rest % crashes_.size()];
  rest /= crashes_.size();
  one.placement = placements_[rest % placements_.size()];
  rest /= placements_.size();
  for (unsigned i = 0; i < depth_; ++i) {
    one.operations.insert(one.operations.begin(), all_[rest % all_.size()]);
    rest /= all_.size();
  }
  return one;
}

namespace {
// The sizes of the sets, as their comments say; not those of the lists.
constexpr std::uint64_t kPlacedOne = 2, kPlacedTwo = 2 * 2 + 1;
constexpr std::uint64_t kCrashes = 1 + 2 * 5 + 3 * 8 + 7;
}  // namespace

std::uint64_t ExhaustSpace::closed_form() const {
  const std::uint64_t operations = TinySizes{}.operations();
  return depth_ == 1 ? operations * kPlacedOne * kCrashes
                     : operations * operations * kPlacedTwo * kCrashes;
}

std::string ExhaustSpace::formula() const {
  return fmt::format("({}){} * {} placements * {} crash points", TinySizes{}.formula(),
                     depth_ == 1 ? "" : "^2", depth_ == 1 ? kPlacedOne : kPlacedTwo, kCrashes);
}

}  // namespace scoutfs::sim
