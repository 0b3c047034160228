// TreeCheck: the items of the main tree, in key order, checked against one another.
//
// What can be compared within one inode is; what cannot goes to References (names, index),
// Directories (connectivity) and SpaceMap (blocks). Orphan items come before the inodes and are
// kept.
#pragma once

#include <vector>

#include "engine/check/inode_items.hpp"
#include "engine/format/server_items.hpp"

namespace scoutfs::check {

class TreeCheck {
 public:
  TreeCheck(SpaceMap& space, DataVerifier* data, Problems& problems, Report& report)
      : problems_(problems),
        report_(report),
        inode_(space, data, references_, directories_, problems, report) {}

  void add(std::string_view key, std::string_view value);
  // After the last item.
  void finish(const format::Counters& counters);

  // Whether ExactReferences must look at the items again.
  const References& references() const { return references_; }

 private:
  bool add_parsed(const format::ParsedKey& key, std::string_view value);
  void begin_inode(Ino ino);
  void end_inode();
  void pass_orphans(Ino until);

  Problems& problems_;
  Report& report_;
  References references_;
  Directories directories_;
  InodeItems inode_;
  Ino ino_;  // whose items are at hand; none before the first
  bool root_seen_ = false;
  std::vector<Ino> orphans_;
  std::size_t orphan_at_ = 0;  // the first that is not below ino_
  Ino last_ino_;
  Seq last_seq_;
};

// One item of the second pass, in any order.
void add_exact(ExactReferences& references, std::string_view key, std::string_view value);

}  // namespace scoutfs::check
