// The workers of a run whose operations are decided (edits.hpp).
#include <algorithm>

#include "sim/node_life.hpp"

namespace scoutfs::sim {

Task<void> NodeLife::repeat_one(const DecidedOperation& decided, Workload::Handles& handles) {
  Workload& workload = cluster_.workload();
  const std::optional<Operation> op = workload.bound(decided.op);
  if (!op.has_value()) co_return;
  workload.record(decided);
  const Outcome outcome = co_await judged(*op);
  if (!outcome.attributes.has_value()) co_return;
  if (decided.found) workload.bind(decided.found, outcome.attributes->ino);
  if (opens(*op)) handles.push_back({outcome.attributes->ino, decided.ordinal});
}

Task<void> NodeLife::repeat(NodeLife* self, unsigned worker) {
  // To wait for a decision's time is to get on: nothing is stuck.
  constexpr TimeNs kNotesProgress = 10 * kSecond;
  Workload& workload = self->cluster_.workload();
  Workload::Handles handles;
  while (self->wanted()) {
    const DecidedOperation* const decided = workload.next(self->node_, worker);
    if (decided == nullptr) break;
    const TimeNs now_ns = self->scheduler_.now_ns();
    if (decided->at_ns > now_ns) {
      co_await self->leave_.wait(nullptr, std::min(decided->at_ns, now_ns + kNotesProgress));
      self->cluster_.note_progress();
      continue;
    }
    workload.take(self->node_, worker);
    co_await self->repeat_one(*decided, handles);
    const auto closed =
        std::ranges::find_if(handles, [decided](const Workload::Handle& handle) {
          return handle.opened_by == decided->closes;
        });
    if (closed != handles.end()) {
      self->close_one(handles, static_cast<std::size_t>(closed - handles.begin()));
    }
    co_await Sleep(self->scheduler_, decided->think_ns);
  }
  while (!handles.empty()) self->close_one(handles, handles.size() - 1);
}

}  // namespace scoutfs::sim
