#include "engine/check/server_state.hpp"

#include <algorithm>
#include <tuple>

#include "engine/check/print.hpp"
#include "engine/lsm/manifest.hpp"

namespace scoutfs::check {

void ServerState::add(std::string_view key, std::string_view value) {
  const Result<format::ParsedServerKey> parsed = format::parse_server_key(key);
  if (parsed.has_value() && decode(*parsed, value)) return;
  problems_.add("server-item", "cannot be read: {}", print_server_item(key, value));
}

bool ServerState::decode(const format::ParsedServerKey& key, std::string_view value) {
  switch (key.type) {
    case format::ServerItem::counters: {
      const Result<format::Counters> counters = format::decode_counters(value);
      if (!counters.has_value()) return false;
      has_counters_ = true;
      counters_ = *counters;
      return true;
    }
    case format::ServerItem::segment:
      return decode_segment(key.start, value);
    case format::ServerItem::free:
      return add_extent(key.start, value, Owner::free, 0);
    case format::ServerItem::granted:
      grant_owners_.insert(key.rid);
      return add_extent(key.start, value, Owner::granted, key.rid.value);
    case format::ServerItem::member: {
      Result<format::Member> member = format::decode_member(value);
      if (!member.has_value()) return false;
      members_.emplace(key.rid, *std::move(member));
      return true;
    }
    case format::ServerItem::job: {
      Result<format::JobRecord> job = format::decode_job_record(value);
      if (!job.has_value()) return false;
      for (const Extent& output : job->outputs) space_.add(output, Owner::job, key.job.value);
      jobs_.emplace(key.job, *std::move(job));
      return true;
    }
    case format::ServerItem::replaced:
      replaced_version_ = std::max(replaced_version_, key.version);
      return add_extent(key.start, value, Owner::replaced, key.version.value);
  }
  return false;
}

bool ServerState::decode_segment(BlockNo start, std::string_view value) {
  Reader in(value);
  lsm::Placed placed = lsm::decode_placed(in);
  if (!in.finished()) return false;
  if (placed.info.ref.where.start != start) return false;
  if (!space_.add(placed.info.ref.where, Owner::segment, start.value)) return true;
  segments_.push_back(std::move(placed));
  return true;
}

bool ServerState::add_extent(BlockNo start, std::string_view value, Owner owner,
                             std::uint64_t id) {
  const Result<std::uint64_t> count = format::decode_count(value);
  if (!count.has_value()) return false;
  space_.add({start, *count}, owner, id);
  return true;
}

void ServerState::finish() {
  if (!has_counters_) problems_.add("counters", "the server tree has no counters");
  check_members();
  check_jobs();
  for (const Rid rid : grant_owners_) {
    if (members_.contains(rid)) continue;
    problems_.add("grant-owner", "rid {:x} has granted space and is no member", rid.value);
  }
  if (replaced_version_ > counters_.version) {
    problems_.add("counter-version", "a segment was replaced at version {}, the newest is {}",
                  replaced_version_.value, counters_.version.value);
  }
  check_segments();
}

void ServerState::check_members() {
  std::map<std::uint16_t, Rid> slots;
  for (const auto& [rid, member] : members_) {
    if (member.who.rid != rid || !rid) {
      problems_.add("member", "the record of rid {:x} is of rid {:x}", rid.value,
                    member.who.rid.value);
    }
    if (member.recorded_at > counters_.version) {
      problems_.add("counter-version", "rid {:x} recorded at version {}, the newest is {}",
                    rid.value, member.recorded_at.value, counters_.version.value);
    }
    if (member.slot == format::kNoSlot || member.dead) continue;
    const auto [other, is_new] = slots.emplace(member.slot, rid);
    if (is_new) continue;
    problems_.add("member", "rids {:x} and {:x} both live in slot {}", other->second.value,
                  rid.value, member.slot);
  }
}

void ServerState::check_jobs() {
  std::set<BlockNo> starts;
  for (const lsm::Placed& placed : segments_) starts.insert(placed.info.ref.where.start);
  for (const auto& [id, job] : jobs_) {
    if (!members_.contains(job.rid)) {
      problems_.add("job-owner", "job {} is of rid {:x}, which is no member", id.value,
                    job.rid.value);
    }
    if (id >= counters_.next_job) {
      problems_.add("counter-job", "job {} exists, the next is {}", id.value,
                    counters_.next_job.value);
    }
    for (const BlockNo input : job.inputs) {
      if (starts.contains(input)) continue;
      problems_.add("job-input", "job {} reads a segment at {} that does not exist", id.value,
                    input.value);
    }
  }
}

void ServerState::check_segments() {
  std::ranges::sort(segments_, [](const lsm::Placed& a, const lsm::Placed& b) {
    if (a.level != b.level) return a.level < b.level;
    if (a.level == 0 && a.record != b.record) return a.record > b.record;
    if (a.info.first() != b.info.first()) return a.info.first() < b.info.first();
    return a.info.ref < b.info.ref;
  });
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const lsm::Placed& placed = segments_[i];
    const std::uint64_t start = placed.info.ref.where.start.value;
    if (placed.record >= counters_.next_record) {
      problems_.add("counter-record", "the segment at {} has record {}, the next is {}", start,
                    placed.record.value, counters_.next_record.value);
    }
    if (placed.level > lsm::kLevelMax) {
      problems_.add("level", "the segment at {} is at level {}", start, placed.level);
    }
    if (placed.level > 0 && placed.info.coverage.size() != 1) {
      problems_.add("level", "the segment at {} is at level {} and covers {} ranges", start,
                    placed.level, placed.info.coverage.size());
    }
    if (i == 0 || segments_[i - 1].level != placed.level) continue;
    const lsm::Placed& before = segments_[i - 1];
    // At level 0 only the outputs of one merge, which are disjoint, have the same record.
    if (placed.level == 0 && before.record != placed.record) continue;
    if (before.info.last() < placed.info.first()) continue;
    problems_.add("level-overlap", "the segments at {} and {} of level {} overlap",
                  before.info.ref.where.start.value, start, placed.level);
  }
}

}  // namespace scoutfs::check
