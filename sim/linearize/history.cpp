#include "sim/linearize/history.hpp"

#include "sim/linearize/linearize.hpp"

namespace scoutfs::sim {

namespace {

// The data is long, and says nothing of a call whose answer need not be explained.
Operation without_data(const Operation& op) {
  Operation light;
  light.kind = op.kind;
  light.ino = op.ino;
  light.other = op.other;
  light.name = op.name;
  light.name2 = op.name2;
  return light;
}

}  // namespace

std::uint64_t History::called(unsigned node, const Operation& op) {
  if (calls_ % options_.window == 0) {
    cut();
    recording_ = random_.chance(1, options_.one_in);
    if (recording_) begin_window();
  }
  const std::uint64_t number = ++calls_;
  HistoryCall call{.node = node,
                   .op = without_data(op),
                   .called_at = ++instant_,
                   .answered_at = {},
                   .outcome = {}};
  if (recording_) {
    HistoryCall& kept = window_[number] = call;
    kept.op = op;
  }
  open_.emplace(number, std::move(call));
  return number;
}

void History::answered(std::uint64_t number, const Outcome& outcome) {
  open_.erase(number);
  const auto found = window_.find(number);
  if (found == window_.end()) return;
  HistoryCall& call = found->second;
  call.answered_at = ++instant_;
  call.outcome = outcome;
  const bool falsify = options_.falsifies && call.op.kind == OpKind::getattr &&
                       outcome.attributes.has_value() && ++falsified_ % 2 == 0;
  if (falsify) ++call.outcome.attributes->inode.size;
}

void History::died(unsigned node) {
  cut();
  std::erase_if(open_, [node](const auto& entry) { return entry.second.node == node; });
}

void History::begin_window() {
  window_ = open_;
  for (auto& [number, call] : window_) call.in_the_window = false;
}

void History::cut() {
  if (!recording_) return;
  std::vector<HistoryCall> calls;
  for (auto& [number, call] : window_) calls.push_back(std::move(call));
  window_.clear();
  const LinearizeResult result = linearize(calls);
  for (std::uint64_t i = 0; i < result.objects; ++i) board_.ran("linearizable");
  undecided_ += result.undecided;
  if (!result.problem.empty()) board_.fail("linearizable", result.problem);
  begin_window();
}

}  // namespace scoutfs::sim
