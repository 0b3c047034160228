// The workers of a run whose operations are decided (edits.hpp).
#include <algorithm>

#include "sim/node_life.hpp"

namespace scoutfs::sim {

Task<void> NodeLife::repeat_one(const DecidedOperation& decided, Handles& handles) {
  WorkloadMix& workloads = cluster_.workloads();
  const std::optional<Operation> op = workloads.bound(decided.op);
  if (!op.has_value()) co_return;
  workloads.record(decided);
  WorkloadCall call = workloads.begin(caller(decided.worker), decided, *op);
  const Outcome outcome = co_await judged(*op);
  workloads.answered(call, decided, outcome);
  if (!outcome.attributes.has_value()) co_return;
  if (decided.found) workloads.bind(decided.found, outcome.attributes->ino);
  if (opens(*op)) {
    handles.push_back({.ino = outcome.attributes->ino,
                       .opened_by = decided.ordinal,
                       .workload = decided.workload});
  }
}

Task<void> NodeLife::repeat(NodeLife* self, unsigned worker) {
  // To wait for a decision's time is to get on: nothing is stuck.
  constexpr TimeNs kNotesProgress = 10 * kSecond;
  WorkloadMix& workloads = self->cluster_.workloads();
  Handles handles;
  while (self->wanted()) {
    const DecidedOperation* const decided = workloads.next(self->node_, worker);
    if (decided == nullptr) break;
    const TimeNs now_ns = self->scheduler_.now_ns();
    if (decided->at_ns > now_ns) {
      co_await self->leave_.wait(nullptr, std::min(decided->at_ns, now_ns + kNotesProgress));
      self->cluster_.note_progress();
      continue;
    }
    workloads.take(self->node_, worker);
    co_await self->repeat_one(*decided, handles);
    const auto closed = std::ranges::find_if(handles, [decided](const Handle& handle) {
      return handle.opened_by == decided->closes;
    });
    if (closed != handles.end()) {
      self->close_one(worker, handles, static_cast<std::size_t>(closed - handles.begin()));
    }
    co_await Sleep(self->scheduler_, decided->think_ns);
  }
  while (!handles.empty()) self->close_one(worker, handles, handles.size() - 1);
}

}  // namespace scoutfs::sim
