// The writer task of DurableTree: whatever commits wait when the last append has completed
// become one record. So a single commit is written at once, and the more there are, the fewer
// writes each takes.
#include <algorithm>

#include "engine/lsm/durable_tree_state.hpp"

namespace scoutfs::lsm {

Task<void> DurableTree::State::write_groups() {
  while (!failed.has_value()) {
    if (queue.empty()) {
      if (phase == Phase::closing) break;
      co_await writer_wakes.wait();
      continue;
    }
    const Result<void> room = co_await make_room();
    if (!room.has_value()) {
      fail_with(room.error());
      break;
    }
    Batch group;
    const std::vector<Pending> members = take_group(group);
    Result<void> written;
    if (!group.empty()) {
      std::string payload;
      Writer out(payload);
      encode(out, group);
      const std::uint64_t before = journal.next().block;
      written = co_await journal.append(author, std::move(payload));
      counters.groups += 1;
      counters.journal_blocks += journal.next().block - before;
    }
    if (written.has_value()) {
      active.apply(std::move(group));
      counters.commits += members.size();
    } else {
      fail_with(written.error());
    }
    for (const Pending& member : members) member.done.set(written);
    if (checkpoint_due()) {
      checkpoint_wanted = true;
      checkpointer_wakes.wake_all();
    }
  }
  writer_done = true;
  checkpointer_wakes.wake_all();
}

// The largest group fits the ring, and what would be checkpointed after this one the server
// area: a record is written only if a checkpoint can take it over.
bool DurableTree::State::has_room() const {
  if (journal.free_blocks() < journal.group_blocks_max()) return false;
  std::uint64_t size =
      active.size_bytes() + std::min<std::uint64_t>(queued_bytes, journal.payload_max());
  if (!frozen_placed) size += frozen.size_bytes();
  return blocks_needed(size) <= area.usable_blocks();
}

// Errors: no_space, when a whole cycle of checkpoint and merges made none; what made the tree
// fail.
Task<Result<void>> DurableTree::State::make_room() {
  // A cycle that runs already may have begun before what now fills the space.
  constexpr int kCycles = 2;
  for (int cycle = 0; !has_room(); ++cycle) {
    if (failed.has_value()) co_return std::unexpected(*failed);
    if (cycle == kCycles) co_return fail(Errc::no_space);
    const std::uint64_t before = cycles;
    checkpoint_wanted = true;
    checkpointer_wakes.wake_all();
    while (cycles == before && !failed.has_value()) co_await cycle_done.wait();
  }
  if (failed.has_value()) co_return std::unexpected(*failed);
  co_return Result<void>{};
}

// As many of the waiting commits as fit one record, in order; their changes go to `group`.
std::vector<DurableTree::State::Pending> DurableTree::State::take_group(Batch& group) {
  std::vector<Pending> members;
  std::uint64_t size = 0;
  while (!queue.empty()) {
    const std::uint64_t added = encoded_size_max(queue.front().batch);
    if (!members.empty() && size + added > journal.payload_max()) break;
    size += added;
    queued_bytes -= added;
    group.append(std::move(queue.front().batch));
    members.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  return members;
}

// Half of the ring is left then, four of the largest groups: commits go on beside the
// checkpoint.
bool DurableTree::State::checkpoint_due() const {
  if (failed.has_value()) return false;
  return journal.free_blocks() <= durable.journal.count / 2 ||
         active.size_bytes() >= memtable_size_max;
}

}  // namespace scoutfs::lsm
