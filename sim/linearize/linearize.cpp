#include "sim/linearize/linearize.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "sim/linearize/objects.hpp"

namespace scoutfs::sim {

namespace {

constexpr std::size_t kCallsMax = 64;  // of one object
constexpr std::uint64_t kStepsMax = 50'000;

// Errors that say nothing about the object: whether it took effect nobody knows.
bool says_nothing(const std::optional<Errc>& error) {
  return error == Errc::io_error || error == Errc::disconnected || error == Errc::timed_out ||
         error == Errc::fenced || error == Errc::stopping || error == Errc::interrupted;
}

bool must_be_explained(const HistoryCall& call) {
  return call.counts() && !says_nothing(call.outcome.error);
}

// Orders of the calls of one object.
class Search {
 public:
  explicit Search(std::vector<const HistoryCall*> calls) : calls_(std::move(calls)) {
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      if (must_be_explained(*calls_[i])) required_ |= bit(i);
    }
  }

  enum class Answer : std::uint8_t { order, none, too_long };
  Answer run(const ObjectState& start) {
    if (calls_.size() > kCallsMax) return Answer::too_long;
    if (explains(start, 0)) return Answer::order;
    return steps_ > kStepsMax ? Answer::too_long : Answer::none;
  }
  // The longest part of an order that was found.
  std::size_t explained() const { return explained_; }

 private:
  static std::uint64_t bit(std::size_t i) { return std::uint64_t{1} << i; }

  // Nothing that must come before it is missing, and it does not come too late.
  bool may_be_next(std::size_t next, std::uint64_t taken) const {
    const HistoryCall& call = *calls_[next];
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const HistoryCall& other = *calls_[i];
      const bool is_taken = (taken & bit(i)) != 0;
      if (!is_taken && (required_ & bit(i)) != 0 && *other.answered_at < call.called_at) {
        return false;
      }
      if (is_taken && call.answered_at.has_value() && *call.answered_at < other.called_at) {
        return false;
      }
    }
    return true;
  }

  bool explains(const ObjectState& state, std::uint64_t taken) {
    if ((taken & required_) == required_) return true;
    if (++steps_ > kStepsMax) return false;
    if (!seen_.emplace(taken, state.key()).second) return false;
    explained_ =
        std::max(explained_, static_cast<std::size_t>(std::popcount(taken & required_)));
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      if ((taken & bit(i)) != 0 || !may_be_next(i, taken)) continue;
      const std::unique_ptr<ObjectState> then = state.clone();
      if ((required_ & bit(i)) == 0) {
        then->blur(*calls_[i]);
      } else if (!then->apply(*calls_[i])) {
        continue;
      }
      if (explains(*then, taken | bit(i))) return true;
      if (steps_ > kStepsMax) return false;
    }
    return false;
  }

  std::vector<const HistoryCall*> calls_;
  std::uint64_t required_ = 0;
  std::uint64_t steps_ = 0;
  std::size_t explained_ = 0;
  std::set<std::pair<std::uint64_t, std::string>> seen_;
};

bool changes_something(const Operation& op) {
  return op.kind != OpKind::lookup && op.kind != OpKind::readdir && op.kind != OpKind::read &&
         op.kind != OpKind::getattr;
}

std::string describe(const std::vector<const HistoryCall*>& calls) {
  std::string text;
  for (const HistoryCall* call : calls) {
    const std::string answer = !must_be_explained(*call) ? "unknown"
                               : call->outcome.error.has_value()
                                   ? std::string(to_string(*call->outcome.error))
                                   : "success";
    text += fmt::format("; node{} {} [{}, {}] {}", call->node, describe(call->op),
                        call->called_at, call->answered_at.value_or(0), answer);
  }
  return text;
}

void decide(const ObjectState& start, const std::string& what,
            const std::vector<const HistoryCall*>& calls, LinearizeResult& result) {
  Search search(calls);
  const Search::Answer answer = search.run(start);
  if (answer == Search::Answer::too_long) {
    ++result.undecided;
    return;
  }
  ++result.objects;
  if (answer == Search::Answer::order || !result.problem.empty()) return;
  result.problem = fmt::format("no order explains the answers about {}, but for {} of them{}",
                               what, search.explained(), describe(calls));
}

}  // namespace

LinearizeResult linearize(const std::vector<HistoryCall>& calls) {
  std::map<Ino, std::vector<const HistoryCall*>> directories, files;
  for (const HistoryCall& call : calls) {
    if (!must_be_explained(call) && !changes_something(call.op)) continue;
    for (const Ino ino : DirectoryState::touched_by(call.op)) directories[ino].push_back(&call);
    for (const Ino ino : FileState::touched_by(call)) files[ino].push_back(&call);
  }
  LinearizeResult result;
  for (const auto& [ino, on_it] : directories) {
    decide(DirectoryState(ino), fmt::format("directory {}", ino.value), on_it, result);
  }
  for (const auto& [ino, on_it] : files) {
    decide(FileState(ino), fmt::format("file {}", ino.value), on_it, result);
  }
  return result;
}

}  // namespace scoutfs::sim
