#include "node/status_json.hpp"

#include <fmt/core.h>

namespace scoutfs::node {

std::string hex(std::uint64_t id) {
  return fmt::format("{:016x}", id);
}

std::string uuid_text(const std::array<char, 16>& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(uuid[i]));
  }
  return text;
}

nlohmann::json to_json(const MountStatus& status) {
  nlohmann::json members = nlohmann::json::array();
  for (const MountStatus::Member& member : status.members) {
    members.push_back({{"rid", hex(member.rid.value)},
                       {"slot", member.slot},
                       {"name", member.name},
                       {"address", member.address},
                       {"connected", member.connected},
                       {"lost", member.lost},
                       {"standing", member.standing},
                       {"locks_waited_for", member.waited_for},
                       {"oldest_open_seq", member.oldest_open_seq.value}});
  }
  nlohmann::json out{{"rid", hex(status.rid.value)},
                     {"slot", status.slot},
                     {"leader", status.leader},
                     {"connected", status.connected},
                     {"leader_slot", nullptr},
                     {"leader_address", status.leader_address},
                     {"leader_rid", nullptr},
                     {"leader_pid", nullptr},
                     {"voters", status.voters},
                     {"term", {{"number", status.term.number}, {"slot", status.term.slot}}},
                     {"open_seq", status.open_seq.value},
                     {"last_recorded_seq", status.last_recorded_seq.value},
                     {"dirty_bytes", status.dirty_bytes},
                     {"unrecorded_transactions", status.unrecorded_transactions},
                     {"locks", status.locks},
                     {"waits_for", status.waits_for},
                     {"fence_level", to_string(status.fence_level)},
                     {"lease_valid", status.lease_valid},
                     {"fenced", status.fenced},
                     {"members", std::move(members)},
                     {"segments", status.segments},
                     {"level0_segments", status.level0_segments},
                     {"compaction_debt_blocks", status.compaction_debt_blocks},
                     {"free_blocks", status.free_blocks},
                     {"replaced_blocks", status.replaced_blocks}};
  if (status.leader_slot.has_value()) out["leader_slot"] = *status.leader_slot;
  if (status.leader_process != 0) out["leader_pid"] = status.leader_process;
  if (status.leader_rid) out["leader_rid"] = hex(status.leader_rid.value);
  return out;
}

nlohmann::json to_json(const CacheCounts& counts) {
  return {{"epochs", counts.epochs},
          {"drops", counts.drops},
          {"repeats", counts.repeats},
          {"late_readers", counts.late_readers},
          {"lapses", counts.lapses}};
}

}  // namespace scoutfs::node
