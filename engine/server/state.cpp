#include "engine/server/state.hpp"

#include <algorithm>

#include "engine/lsm/compaction.hpp"

namespace scoutfs::server {

using format::Member;

namespace {
// How far the seq high-water mark moves at a time: as many seqs may be lost with a leader.
constexpr std::uint64_t kSeqStep = 4096;
}  // namespace

ServerState::ServerState(const format::Superblock& superblock) : space_(superblock.space) {}

// ---- Loading ----

Result<void> ServerState::load(std::string_view key, std::string_view value) {
  SCOUTFS_TRY(const format::ParsedServerKey parsed, format::parse_server_key(key));
  switch (parsed.type) {
    case format::ServerItem::counters: {
      SCOUTFS_TRY(counters_, format::decode_counters(value));
      return {};
    }
    case format::ServerItem::segment: {
      Reader in(value);
      lsm::Placed placed = lsm::decode_placed(in);
      if (!in.finished() || placed.info.ref.where.start != parsed.start)
        return fail(Errc::corrupt);
      manifest_.add(std::move(placed));
      return {};
    }
    case format::ServerItem::free: {
      SCOUTFS_TRY(const std::uint64_t count, format::decode_count(value));
      if (!free_.add({parsed.start, count})) return fail(Errc::corrupt);
      return {};
    }
    case format::ServerItem::granted: {
      SCOUTFS_TRY(const std::uint64_t count, format::decode_count(value));
      if (!granted_[parsed.rid].add({parsed.start, count})) return fail(Errc::corrupt);
      return {};
    }
    case format::ServerItem::member: {
      SCOUTFS_TRY(Member member, format::decode_member(value));
      if (member.who.rid != parsed.rid) return fail(Errc::corrupt);
      members_.emplace(parsed.rid, std::move(member));
      return {};
    }
    case format::ServerItem::job: {
      SCOUTFS_TRY(format::JobRecord job, format::decode_job_record(value));
      jobs_.emplace(parsed.job, std::move(job));
      return {};
    }
    case format::ServerItem::replaced: {
      SCOUTFS_TRY(const std::uint64_t count, format::decode_count(value));
      replaced_.emplace(std::pair(parsed.version, parsed.start), count);
      return {};
    }
  }
  return fail(Errc::corrupt);
}

Result<void> ServerState::finish_load() {
  if (!counters_.next_seq) return fail(Errc::corrupt);
  // What the last leader may have issued lies below its mark.
  next_seq_ = counters_.next_seq;
  for (auto& [rid, set] : granted_) {
    if (!members_.contains(rid)) return fail(Errc::corrupt);
    for (const Extent& extent : set.extents()) {
      if (free_.overlaps(extent)) return fail(Errc::corrupt);
    }
    watch(set, rid);
  }
  for (const auto& [id, job] : jobs_) {
    if (!members_.contains(job.rid)) return fail(Errc::corrupt);
  }
  free_.set_on_change([this](BlockNo start, std::uint64_t count) {
    if (count == 0) return batch_.erase(format::free_key(start));
    batch_.put(format::free_key(start), format::encode_count(count));
  });
  return {};
}

void ServerState::watch(ExtentSet& set, Rid rid) {
  set.set_on_change([this, rid](BlockNo start, std::uint64_t count) {
    if (count == 0) return batch_.erase(format::granted_key(rid, start));
    batch_.put(format::granted_key(rid, start), format::encode_count(count));
  });
}

lsm::Batch ServerState::take_batch() {
  return std::exchange(batch_, {});
}

void ServerState::put_counters() {
  batch_.put(format::counters_key(), format::encode(counters_));
}

void ServerState::put_member(const Member& member) {
  batch_.put(format::member_key(member.who.rid), format::encode(member));
}

Version ServerState::next_version() {
  counters_.version = counters_.version.next();
  put_counters();
  return counters_.version;
}

// ---- Members ----

ExtentSet& ServerState::granted_of(Rid rid) {
  const auto [found, added] = granted_.try_emplace(rid);
  if (added) watch(found->second, rid);
  return found->second;
}

std::vector<Extent> ServerState::granted(Rid rid) const {
  const auto found = granted_.find(rid);
  return found == granted_.end() ? std::vector<Extent>{} : found->second.extents();
}

std::uint64_t ServerState::granted_blocks() const {
  std::uint64_t blocks = 0;
  for (const auto& [rid, set] : granted_) blocks += set.blocks();
  return blocks;
}

void ServerState::add_member(Member member) {
  put_member(member);
  members_.insert_or_assign(member.who.rid, std::move(member));
}

void ServerState::set_dead(Rid rid) {
  Member& member = members_.at(rid);
  member.dead = true;
  put_member(member);
}

void ServerState::set_slot(Rid rid, std::uint16_t slot) {
  Member& member = members_.at(rid);
  member.slot = slot;
  put_member(member);
}

std::vector<JobId> ServerState::reclaim(Rid rid) {
  std::vector<JobId> abandoned;
  for (const auto& [id, job] : jobs_) {
    if (job.rid == rid) abandoned.push_back(id);
  }
  for (const JobId id : abandoned) abandon_job(id);
  if (const auto found = granted_.find(rid); found != granted_.end()) {
    for (const Extent& extent : found->second.extents()) {
      const bool removed = found->second.remove(extent);
      SCOUTFS_ASSERT(removed);
      const bool added = free_.add(extent);
      SCOUTFS_ASSERT(added);
    }
    granted_.erase(found);
  }
  members_.erase(rid);
  batch_.erase(format::member_key(rid));
  return abandoned;
}

// ---- Numbers and space ----

Ino ServerState::issue_inos(std::uint64_t count) {
  const Ino first = counters_.next_ino;
  counters_.next_ino = Ino{first.value + count};
  put_counters();
  return first;
}

Seq ServerState::issue_seq(Seq above) {
  SCOUTFS_ASSERT(next_seq_);
  const Seq seq = std::max(next_seq_, above.next());
  next_seq_ = seq.next();
  if (next_seq_ > counters_.next_seq) {
    counters_.next_seq = Seq{next_seq_.value + kSeqStep};
    put_counters();
  }
  return seq;
}

std::vector<Extent> ServerState::grant(Rid rid, std::uint64_t blocks, std::uint64_t contiguous,
                                       std::uint64_t keep_free) {
  std::vector<Extent> extents;
  while (blocks > 0 && free_.blocks() > keep_free) {
    const std::uint64_t want = std::min(blocks, free_.blocks() - keep_free);
    if (want < contiguous) break;
    const std::optional<Extent> extent = free_.take(want, BlockNo{}, contiguous);
    if (!extent.has_value()) break;
    const bool added = granted_of(rid).add(*extent);
    SCOUTFS_ASSERT(added);
    extents.push_back(*extent);
    blocks -= extent->count;
    if (extents.size() == kGrantExtentsMax) break;
  }
  return extents;
}

Result<void> ServerState::give_back(Rid rid, const std::vector<Extent>& extents) {
  ExtentSet once;
  for (const Extent& extent : extents) {
    if (!once.add(extent) || !granted_of(rid).contains(extent)) return fail(Errc::invalid);
  }
  for (const Extent& extent : extents) {
    const bool removed = granted_of(rid).remove(extent);
    SCOUTFS_ASSERT(removed);
    const bool added = free_.add(extent);
    SCOUTFS_ASSERT(added);
  }
  return {};
}

// ---- Segments ----

void ServerState::place(lsm::Placed placed) {
  std::string value;
  Writer out(value);
  encode(out, placed);
  batch_.put(format::segment_key(placed.info.ref.where.start), std::move(value));
  manifest_.add(std::move(placed));
}

lsm::Placed ServerState::displace(lsm::SegmentRef ref) {
  batch_.erase(format::segment_key(ref.where.start));
  return manifest_.remove(ref);
}

Result<void> ServerState::check_commit(Rid rid, const session::Commit& commit) const {
  const Member& member = members_.at(rid);
  if (commit.txn != member.recorded.next()) return fail(Errc::invalid);
  const auto granted = granted_.find(rid);
  ExtentSet absorbed;
  std::vector<Extent> named = commit.used;
  for (const lsm::SegmentInfo& info : commit.segments) {
    if (info.coverage.empty() || info.item_count == 0) return fail(Errc::invalid);
    named.push_back(info.ref.where);
  }
  for (const Extent& extent : named) {
    if (granted == granted_.end() || !granted->second.contains(extent))
      return fail(Errc::invalid);
    if (!absorbed.add(extent)) return fail(Errc::invalid);
  }
  ExtentSet freed;
  for (const Extent& extent : commit.freed) {
    const bool inside = extent.start >= space_.start && extent.count <= space_.count &&
                        extent.end() <= space_.end();
    if (!inside || !freed.add(extent) || free_.overlaps(extent)) return fail(Errc::invalid);
    for (const auto& [other, set] : granted_) {
      if (set.overlaps(extent)) return fail(Errc::invalid);
    }
  }
  return {};
}

Result<session::CommitAnswer> ServerState::record(Rid rid, const session::Commit& commit) {
  SCOUTFS_CHECK(check_commit(rid, commit));
  session::CommitAnswer answer;
  answer.version = next_version();
  for (const lsm::SegmentInfo& info : commit.segments) {
    const RecordNo record = counters_.next_record;
    counters_.next_record = record.next();
    const bool removed = granted_of(rid).remove(info.ref.where);
    SCOUTFS_ASSERT(removed);
    place({.info = info, .level = 0, .record = record});
    answer.records.push_back(record);
  }
  for (const Extent& extent : commit.used) {
    const bool removed = granted_of(rid).remove(extent);
    SCOUTFS_ASSERT(removed);
  }
  for (const Extent& extent : commit.freed) {
    const bool added = free_.add(extent);
    SCOUTFS_ASSERT(added);
  }
  put_counters();
  Member& member = members_.at(rid);
  member.recorded = commit.txn;
  member.recorded_at = answer.version;
  put_member(member);
  return answer;
}

// ---- Compaction ----

std::optional<std::vector<Extent>> ServerState::start_job(Rid rid, const lsm::Job& job) {
  format::JobRecord record{.rid = rid, .inputs = {}, .outputs = {}};
  std::uint64_t blocks = 0;
  for (const lsm::Placed& input : job.inputs) {
    record.inputs.push_back(input.info.ref.where.start);
    blocks += input.info.ref.where.count;
  }
  // Merged blocks may pack a little worse than the inputs did, and each output has its own
  // index.
  const std::uint64_t segment_blocks = job.segment_size_max / kBlockSize;
  std::uint64_t left = blocks + blocks / 8 + 2 * (blocks / segment_blocks + 1) + 2;
  while (left > 0) {
    const std::uint64_t want = std::min(left, segment_blocks);
    const std::optional<Extent> extent = free_.take(want, BlockNo{}, want);
    if (!extent.has_value()) {
      for (const Extent& output : record.outputs) {
        const bool added = free_.add(output);
        SCOUTFS_ASSERT(added);
      }
      return std::nullopt;
    }
    record.outputs.push_back(*extent);
    left -= extent->count;
  }
  std::vector<Extent> outputs = record.outputs;
  batch_.put(format::job_key(job.id), format::encode(record));
  jobs_.emplace(job.id, std::move(record));
  counters_.next_job = std::max(counters_.next_job, job.id.next());
  put_counters();
  return outputs;
}

Result<void> ServerState::finish_job(Rid rid, const lsm::Job& job,
                                     const std::vector<lsm::SegmentInfo>& outputs) {
  const auto found = jobs_.find(job.id);
  if (found == jobs_.end() || found->second.rid != rid) return fail(Errc::invalid);
  ExtentSet space;
  for (const Extent& extent : found->second.outputs) {
    const bool added = space.add(extent);
    SCOUTFS_ASSERT(added);
  }
  for (const lsm::SegmentInfo& info : outputs) {
    if (info.coverage.empty() || info.item_count == 0) return fail(Errc::invalid);
    if (!space.remove(info.ref.where)) return fail(Errc::invalid);
  }
  for (std::size_t i = 1; i < outputs.size(); ++i) {
    if (outputs[i - 1].last() >= outputs[i].first()) return fail(Errc::invalid);
  }
  const Version version = next_version();
  for (const lsm::Placed& input : job.inputs) {
    const lsm::Placed old = displace(input.info.ref);
    const Extent where = old.info.ref.where;
    batch_.put(format::replaced_key(version, where.start), format::encode_count(where.count));
    replaced_.emplace(std::pair(version, where.start), where.count);
  }
  for (const lsm::SegmentInfo& info : outputs) {
    place({.info = info, .level = job.output_level, .record = job.output_record});
  }
  for (const Extent& extent : space.extents()) {
    const bool added = free_.add(extent);
    SCOUTFS_ASSERT(added);
  }
  jobs_.erase(found);
  batch_.erase(format::job_key(job.id));
  return {};
}

void ServerState::abandon_job(JobId job) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return;
  for (const Extent& extent : found->second.outputs) {
    const bool added = free_.add(extent);
    SCOUTFS_ASSERT(added);
  }
  jobs_.erase(found);
  batch_.erase(format::job_key(job));
}

void ServerState::move(lsm::SegmentRef ref, std::uint8_t to_level) {
  next_version();
  place(lsm::moved(displace(ref), to_level));
}

bool ServerState::free_replaced(Version oldest) {
  bool any = false;
  while (!replaced_.empty() && replaced_.begin()->first.first <= oldest) {
    const auto [key, count] = *replaced_.begin();
    const bool added = free_.add({key.second, count});
    SCOUTFS_ASSERT(added);
    batch_.erase(format::replaced_key(key.first, key.second));
    replaced_.erase(replaced_.begin());
    any = true;
  }
  return any;
}

Version ServerState::newest_replaced() const {
  return replaced_.empty() ? Version{} : replaced_.rbegin()->first.first;
}

std::uint64_t ServerState::replaced_blocks() const {
  std::uint64_t blocks = 0;
  for (const auto& [key, count] : replaced_) blocks += count;
  return blocks;
}

void ServerState::check_invariants() const {
  free_.check_invariants();
  manifest_.check_invariants();
  for (const auto& [rid, set] : granted_) {
    SCOUTFS_ASSERT(members_.contains(rid));
    set.check_invariants();
  }
}

}  // namespace scoutfs::server
