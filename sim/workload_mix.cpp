#include "sim/workload_mix.hpp"

#include <algorithm>

#include "sim/workloads/make_workload.hpp"

namespace scoutfs::sim {

WorkloadMix::WorkloadMix(const Plan& plan, OracleBoard& board)
    : plan_(plan),
      random_(plan.seed, Stream::workload),
      picks_(plan.seed, Stream::workload_mix) {
  for (const PlannedWorkload& planned : plan.workloads) {
    const auto index = static_cast<std::uint64_t>(planned.kind) + 1;
    const WorkloadEnv env{.plan = plan,
                          .board = board,
                          .fates = fates_,
                          .random = SimRandom(plan.seed, Stream::workload, index)};
    workloads_.push_back(make_workload(planned.kind, env, random_));
  }
  laid_out_ = std::ranges::all_of(
      workloads_, [](const auto& workload) { return !workload->set_up().has_value(); });
}

unsigned WorkloadMix::pick() {
  if (workloads_.size() == 1) return 0;
  std::uint64_t sum = 0;
  for (const PlannedWorkload& planned : plan_.workloads) sum += planned.weight;
  std::uint64_t at = picks_.below(sum);
  unsigned picked = 0;
  while (at >= plan_.workloads[picked].weight) at -= plan_.workloads[picked++].weight;
  return picked;
}

void WorkloadMix::draw(const Caller& caller, const Handles& handles,
                       DecidedOperation& decided) {
  decided.workload = pick();
  Workload& workload = *workloads_[decided.workload];
  if (workloads_.size() == 1) {
    decided.op = workload.draw(caller, handles);
    return;
  }
  Handles own;
  for (const Handle& handle : handles) {
    if (handle.workload == decided.workload) own.push_back(handle);
  }
  decided.op = workload.draw(caller, own);
}

WorkloadCall WorkloadMix::begin(const Caller& caller, const DecidedOperation& decided,
                                Operation op) {
  WorkloadCall call{.caller = caller, .op = std::move(op), .called_at = ++instant_};
  workloads_[decided.workload]->called(call);
  return call;
}

void WorkloadMix::answered(WorkloadCall& call, const DecidedOperation& decided,
                           const Outcome& outcome) {
  call.answered_at = ++instant_;
  if (call.op.kind == OpKind::sync && !outcome.error.has_value()) {
    std::uint64_t& synced = fates_.synced[call.caller.life];
    synced = std::max(synced, call.called_at);
  }
  workloads_[decided.workload]->answered(call, outcome);
}

void WorkloadMix::closed(const Caller& caller, const Handle& handle) {
  workloads_[handle.workload]->closed(caller, handle.ino);
}

bool WorkloadMix::take() {
  if (taken_ >= plan_.operations) return false;
  ++taken_;
  return true;
}

void WorkloadMix::start_over() {
  for (const auto& workload : workloads_) workload->start_over();
}

void WorkloadMix::draw_set_up(DecidedOperation& decided) {
  for (unsigned i = 0; i < workloads_.size(); ++i) {
    std::optional<Operation> op = workloads_[i]->set_up();
    if (!op.has_value()) continue;
    decided.workload = i;
    decided.op = *std::move(op);
    return;
  }
  decided.op = sync_operation();
}

void WorkloadMix::note_set_up(const Operation& op, const Outcome& outcome) {
  if (op.kind == OpKind::sync && !outcome.error.has_value()) laid_out_ = true;
}

void WorkloadMix::check(const RestTree& tree) {
  for (const auto& workload : workloads_) workload->check(tree);
}

// ---- Decided operations ----

std::size_t WorkloadMix::position_of(unsigned node, unsigned worker) const {
  const auto found = positions_.find({node, worker});
  std::size_t position = found == positions_.end() ? 0 : found->second;
  const std::vector<DecidedOperation>& all = (*plan_.decided)[node];
  while (position < all.size() && all[position].worker != worker) ++position;
  return position;
}

const DecidedOperation* WorkloadMix::next(unsigned node, unsigned worker) const {
  const std::vector<DecidedOperation>& all = (*plan_.decided)[node];
  const std::size_t position = position_of(node, worker);
  return position < all.size() ? &all[position] : nullptr;
}

void WorkloadMix::take(unsigned node, unsigned worker) {
  positions_[{node, worker}] = position_of(node, worker) + 1;
  ++taken_;
}

std::optional<Operation> WorkloadMix::bound(Operation op) const {
  if (op.kind == OpKind::sync || op.kind == OpKind::statfs) return op;
  // Only some kinds have a second one.
  for (Ino* ino : {&op.ino, &op.other}) {
    if (*ino == kRootIno || (ino == &op.other && !*ino)) continue;
    const auto found = bound_.find(*ino);
    if (found == bound_.end()) return std::nullopt;
    *ino = found->second;
  }
  return op;
}

}  // namespace scoutfs::sim
