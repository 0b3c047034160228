// Key ranges of compaction jobs: what a job covers, where tombstones end, and what is reserved.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/lsm/compaction.hpp"
#include "engine/lsm/manifest_state.hpp"

namespace scoutfs::lsm {

// A key above `key` with none of at most kKeySizeMax bytes between them.
std::string key_after(const std::string& key);
// A key below `key`, if there is one, and near it: what lies between is not used. "" has none.
std::optional<std::string> key_before(const std::string& key);

// The ranges in which a segment may hold keys at its level: its coverage at level 0, else one.
std::vector<KeyRange> ranges_of(const Placed& placed);
// From the first to the last key of all; requires that there is one.
KeyRange hull_of(const std::vector<KeyRange>& ranges);
// Ascending and disjoint; ranges that overlap become one.
std::vector<KeyRange> united(std::vector<KeyRange> ranges);
// The ascending, disjoint `ranges` in as few as possible, none of which crosses a split.
std::vector<KeyRange> pieces(const std::vector<KeyRange>& ranges,
                             const std::vector<std::string>& splits);

// Parts of the ascending, disjoint `ranges` in which nothing older than a job's data lies
// outside of the job: neither below its output level nor, for a job within level 0, there
// before `newest`.
std::vector<KeyRange> bottom_of(const Manifest& manifest, const std::vector<KeyRange>& ranges,
                                const Job& job);

// What the jobs that run hold.
class Reservations {
 public:
  void add(const Job& job);
  void remove(JobId job);
  // No job holds keys of `range` at the level.
  bool open(std::uint8_t level, const KeyRange& range) const;
  // No job reads the segment, and none holds keys that it may hold at its level.
  bool open(const Placed& placed) const;

 private:
  struct Held {
    std::uint8_t level = 0;
    KeyRange range;
  };
  struct Entry {
    std::vector<std::uint64_t> inputs;  // start blocks
    std::vector<Held> ranges;
  };
  absl::btree_map<JobId, Entry> jobs_;
  absl::btree_set<std::uint64_t> inputs_;
};

}  // namespace scoutfs::lsm
