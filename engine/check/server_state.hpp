// ServerState: the server tree's items, decoded and compared with one another.
#pragma once

#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "engine/check/space.hpp"
#include "engine/format/server_items.hpp"
#include "engine/lsm/segment.hpp"

namespace scoutfs::check {

class ServerState {
 public:
  ServerState(SpaceMap& space, Problems& problems) : space_(space), problems_(problems) {}

  // One item, in key order.
  void add(std::string_view key, std::string_view value);
  // After the last one: counters, owners of grants and jobs, members, levels.
  void finish();

  const format::Counters& counters() const { return counters_; }
  const std::map<Rid, format::Member>& members() const { return members_; }
  // Segments that lie within the space, in search order: level 0 by descending record, then the
  // deeper levels by first key.
  const std::vector<lsm::Placed>& segments() const { return segments_; }

 private:
  bool decode(const format::ParsedServerKey& key, std::string_view value);
  bool decode_segment(BlockNo start, std::string_view value);
  bool add_extent(BlockNo start, std::string_view value, Owner owner, std::uint64_t id);
  void check_members();
  void check_jobs();
  void check_segments();

  SpaceMap& space_;
  Problems& problems_;
  bool has_counters_ = false;
  format::Counters counters_;
  std::map<Rid, format::Member> members_;
  std::map<JobId, format::JobRecord> jobs_;
  std::set<Rid> grant_owners_;
  Version replaced_version_;  // the newest
  std::vector<lsm::Placed> segments_;
};

}  // namespace scoutfs::check
