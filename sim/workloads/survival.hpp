// Survival: which operations of a workload a crash may have taken back.
//
// A life's changes become durable in the order of its transactions. So of what one worker of
// one life did, one thing after the other, a crash takes back the newest part: whatever it did
// behind something that is gone is gone as well. What was synced, and all that a life did that
// has not died, stays.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "sim/workload.hpp"

namespace scoutfs::sim {

class Survival {
 public:
  // One change that was answered with success, and whether it is still to be seen.
  void add(const WorkloadCall& call, bool seen) {
    changes_[call.caller].emplace_back(&call, seen);
  }
  // A change that is gone and may not be, or is there and may not be; nullptr: there is none.
  // The calls must be as they were when they were added.
  const WorkloadCall* first_wrong(const Fates& fates) {
    for (auto& [caller, changes] : changes_) {
      std::ranges::sort(changes, [](const auto& a, const auto& b) {
        return a.first->called_at < b.first->called_at;
      });
      bool gone = false;
      for (const auto& [call, seen] : changes) {
        if (seen ? gone : fates.keeps(*call)) return call;
        gone = gone || !seen;
      }
    }
    return nullptr;
  }

 private:
  std::map<Caller, std::vector<std::pair<const WorkloadCall*, bool>>> changes_;
};

}  // namespace scoutfs::sim
