#include "engine/lock/lock_table.hpp"

#include <algorithm>

namespace scoutfs::lock {

bool LockTable::clear_way(LockId id, State& state, const Request& request, Output& out) {
  bool clear = true;
  for (auto& [rid, holder] : state.holders) {
    if (rid == request.from) continue;  // the new grant takes the old one's place
    if (compatible(holder.mode, request.mode)) continue;
    clear = false;
    const Mode keep = request.mode == Mode::read ? Mode::read : Mode::none;
    if (holder.asked_to_keep <= keep) continue;
    holder.asked_to_keep = keep;
    out.revokes.push_back({.to = rid, .id = id, .grant = holder.grant, .keep = keep});
  }
  return clear;
}

void LockTable::serve(LockId id, State& state, Output& out) {
  while (!paused_ && !state.queue.empty()) {
    const Request request = state.queue.front();
    if (!clear_way(id, state, request, out)) break;
    state.queue.pop_front();
    const GrantId grant = next_grant_;
    next_grant_ = next_grant_.next();
    // A request of a member that holds more already takes nothing away.
    const auto held = state.holders.find(request.from);
    const Mode mode =
        held == state.holders.end() ? request.mode : std::max(held->second.mode, request.mode);
    state.holders[request.from] = {.mode = mode, .grant = grant, .asked_to_keep = mode};
    out.grants.push_back({.to = request.from,
                          .request = request.request,
                          .id = id,
                          .mode = mode,
                          .grant = grant});
  }
  if (state.holders.empty() && state.queue.empty()) locks_.erase(id);
}

void LockTable::request(Rid from, RequestId request, LockId id, Mode mode, Output& out) {
  SCOUTFS_ASSERT(mode != Mode::none);
  State& state = locks_[id];
  state.queue.push_back({.from = from, .request = request, .mode = mode});
  serve(id, state, out);
}

void LockTable::release(Rid from, LockId id, GrantId grant, Mode keep, Output& out) {
  const auto found = locks_.find(id);
  if (found == locks_.end()) return;
  State& state = found->second;
  const auto holder = state.holders.find(from);
  if (holder == state.holders.end() || holder->second.grant != grant) return;
  if (keep >= holder->second.mode) return;
  if (keep == Mode::none) {
    state.holders.erase(holder);
  } else {
    holder->second.mode = keep;
    holder->second.asked_to_keep = std::min(holder->second.asked_to_keep, keep);
  }
  serve(id, state, out);
}

bool LockTable::declare(Rid from, LockId id, Mode mode, GrantId grant) {
  if (mode == Mode::none) return false;
  State& state = locks_[id];
  for (const auto& [rid, holder] : state.holders) {
    if (rid == from || !compatible(holder.mode, mode)) return false;
  }
  state.holders[from] = {.mode = mode, .grant = grant, .asked_to_keep = mode};
  return true;
}

void LockTable::forget(Rid member, Output& out) {
  std::vector<LockId> touched;
  for (auto& [id, state] : locks_) {
    const std::size_t before = state.holders.size() + state.queue.size();
    state.holders.erase(member);
    std::erase_if(state.queue, [member](const Request& r) { return r.from == member; });
    if (state.holders.size() + state.queue.size() != before) touched.push_back(id);
  }
  for (const LockId id : touched) serve(id, locks_[id], out);
}

void LockTable::resume(Output& out) {
  paused_ = false;
  std::vector<LockId> ids;
  ids.reserve(locks_.size());
  for (const auto& [id, state] : locks_) ids.push_back(id);
  for (const LockId id : ids) serve(id, locks_[id], out);
}

std::vector<LockId> LockTable::waited_for(Rid member) const {
  std::vector<LockId> ids;
  for (const auto& [id, state] : locks_) {
    if (state.queue.empty()) continue;
    const auto holder = state.holders.find(member);
    if (holder == state.holders.end() || state.queue.front().from == member) continue;
    if (!compatible(holder->second.mode, state.queue.front().mode)) ids.push_back(id);
  }
  return ids;
}

void LockTable::check_invariants() const {
  for (const auto& [id, state] : locks_) {
    SCOUTFS_ASSERT(!state.holders.empty() || !state.queue.empty());
    for (auto a = state.holders.begin(); a != state.holders.end(); ++a) {
      SCOUTFS_ASSERT(a->second.mode != Mode::none);
      for (auto b = std::next(a); b != state.holders.end(); ++b) {
        SCOUTFS_ASSERT(compatible(a->second.mode, b->second.mode));
      }
    }
  }
}

}  // namespace scoutfs::lock
