// ServerState: what the leader knows, in memory, and the batch of server items that makes each
// change durable.
//
// Every change is made here at once and noted as item changes; the caller takes the batch in
// the same step and commits it, so that the order of the journal is the order of the changes.
// Nothing here suspends. What comes from members is checked before anything changes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/extent_set.hpp"
#include "engine/format/server_items.hpp"
#include "engine/format/volume.hpp"
#include "engine/lsm/manifest.hpp"
#include "engine/session/messages.hpp"

namespace scoutfs::server {

class ServerState {
 public:
  explicit ServerState(const format::Superblock& superblock);

  // One item of the server tree at start. Errors: corrupt.
  Result<void> load(std::string_view key, std::string_view value);
  // After the last. Errors: corrupt (space does not add up).
  Result<void> finish_load();

  // The changes since the last call, in order.
  lsm::Batch take_batch();

  const format::Counters& counters() const { return counters_; }
  Seq next_seq() const { return next_seq_; }
  const lsm::Manifest& manifest() const { return manifest_; }
  const std::map<Rid, format::Member>& members() const { return members_; }
  const std::map<JobId, format::JobRecord>& jobs() const { return jobs_; }
  std::uint64_t free_blocks() const { return free_.blocks(); }
  std::uint64_t longest_free() const { return free_.longest().count; }  // blocks in one piece
  std::uint64_t total_blocks() const { return space_.count; }
  std::vector<Extent> granted(Rid rid) const;
  std::uint64_t granted_blocks() const;

  // Members.
  void add_member(format::Member member);
  void set_dead(Rid rid);
  void set_slot(Rid rid, std::uint16_t slot);
  // Everything of a member that is dead and fenced, or that leaves: its unabsorbed space
  // becomes free, its jobs are abandoned, its record goes. Returns the jobs.
  std::vector<JobId> reclaim(Rid rid);

  // Numbers. The first of `count` new ones; the high-water mark moves as far as it must.
  Ino issue_inos(std::uint64_t count);
  Seq issue_seq(Seq above);

  // Up to `blocks` free blocks in extents of at least `contiguous`, as few as possible, while
  // `keep_free` blocks stay free. Recorded as granted to `rid`.
  std::vector<Extent> grant(Rid rid, std::uint64_t blocks, std::uint64_t contiguous,
                            std::uint64_t keep_free);
  // Errors: invalid (not granted to it).
  Result<void> give_back(Rid rid, const std::vector<Extent>& extents);

  // Records a transaction. Errors: invalid: it is not the next of the member, or names space
  // that is not the member's, or frees what is not in use.
  Result<session::CommitAnswer> record(Rid rid, const session::Commit& commit);

  // Compaction.
  JobId next_job() const { return counters_.next_job; }
  // Space for outputs as large as the inputs. nullopt: there is none.
  std::optional<std::vector<Extent>> start_job(Rid rid, const lsm::Job& job);
  // Errors: invalid: no such job of this member, or outputs outside its space.
  Result<void> finish_job(Rid rid, const lsm::Job& job,
                          const std::vector<lsm::SegmentInfo>& outputs);
  void abandon_job(JobId job);
  void move(lsm::SegmentRef ref, std::uint8_t to_level);

  // Space of replaced segments that no list at or above `oldest` names becomes free.
  // Returns whether anything did.
  bool free_replaced(Version oldest);
  // The newest version at which something was replaced and not yet freed; none: 0.
  Version newest_replaced() const;
  std::uint64_t replaced_blocks() const;

  void check_invariants() const;

 private:
  void put_counters();
  void put_member(const format::Member& member);
  void watch(ExtentSet& set, Rid rid);
  ExtentSet& granted_of(Rid rid);
  Version next_version();
  void place(lsm::Placed placed);
  lsm::Placed displace(lsm::SegmentRef ref);
  Result<void> check_commit(Rid rid, const session::Commit& commit) const;

  // A grant names at most so many extents; fragmented space takes several requests.
  static constexpr std::size_t kGrantExtentsMax = 256;

  Extent space_;
  Seq next_seq_;  // the next to be issued; counters_.next_seq is the recorded mark above it
  lsm::Batch batch_;
  format::Counters counters_;
  lsm::Manifest manifest_;
  std::map<Rid, format::Member> members_;
  std::map<JobId, format::JobRecord> jobs_;
  ExtentSet free_;
  std::map<Rid, ExtentSet> granted_;
  std::map<std::pair<Version, BlockNo>, std::uint64_t> replaced_;
};

}  // namespace scoutfs::server
