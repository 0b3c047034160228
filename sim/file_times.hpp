// FileTimes: judges what attributes tell of changes: the times and data_version.
//
// data_version counts the operations that changed contents or size.
//
// mtime and ctime are those of the operation that changed the file last: between its call and
// the instant it took effect, by the wall clock of the node that ran it; and once an answer has
// shown one, every later answer shows the same. atime follows relatime: that of the creation,
// or the wall time of a node, after it had read from the file.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "engine/async/clock.hpp"
#include "sim/model.hpp"

namespace scoutfs::sim {

class FileTimes {
 public:
  void created(ModelId id, Instant when) { atimes_[id].created = when; }
  // The operation takes effect, at that wall time of the node.
  void at_effect(const Operation& op, ModelId id, unsigned node, std::int64_t wall_ns,
                 const Clock* clock);
  // Nothing is known of its times any more: an operation on it failed half-way.
  void forget(ModelId id) { forgotten_.insert(id); }

  // What is wrong with what was answered; empty: nothing. Teaches the model the times.
  std::string difference(Model& model, const Expected& expected, const format::Inode& inode);

 private:
  struct FirstRead {
    std::int64_t wall_ns = 0;
    const Clock* clock = nullptr;  // of the node
  };
  struct Accesses {
    Instant created;
    std::map<unsigned, FirstRead> reads;  // by node
  };

  bool accessed_at(ModelId id, std::int64_t ns) const;

  std::map<ModelId, Accesses> atimes_;
  std::set<ModelId> forgotten_;
};

}  // namespace scoutfs::sim
