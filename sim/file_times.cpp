#include "sim/file_times.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace scoutfs::sim {

void FileTimes::at_effect(const Operation& op, ModelId id, unsigned node, std::int64_t wall_ns,
                          const Clock* clock) {
  if (op.kind != OpKind::read || id == 0) return;
  const FirstRead first{.wall_ns = wall_ns, .clock = clock};
  atimes_[id].reads.try_emplace(node, first);
}

bool FileTimes::accessed_at(ModelId id, std::int64_t ns) const {
  const auto found = atimes_.find(id);
  if (found == atimes_.end()) return true;  // the root, or a creation without a clock
  if (found->second.created.holds(ns)) return true;
  return std::ranges::any_of(found->second.reads, [ns](const auto& read) {
    const FirstRead& first = read.second;
    return first.wall_ns <= ns && ns <= static_cast<std::int64_t>(first.clock->wall_ns());
  });
}

std::string FileTimes::difference(Model& model, const Expected& expected,
                                  const format::Inode& inode) {
  const ModelId id = expected.id;
  if (forgotten_.contains(id)) return {};
  if (inode.data_version != expected.data_version) {
    return fmt::format("data_version is {} instead of {}", inode.data_version,
                       expected.data_version);
  }
  struct Shown {
    const char* name;
    std::int64_t ns;
    Instant known;
    Instant ModelInode::* of;
  };
  for (const Shown& shown :
       {Shown{"mtime", in_ns(inode.mtime), expected.mtime, &ModelInode::mtime},
        Shown{"ctime", in_ns(inode.ctime), expected.ctime, &ModelInode::ctime}}) {
    if (!shown.known.holds(shown.ns)) {
      return fmt::format("{} is {} ns, not between {} and {}", shown.name, shown.ns,
                         shown.known.first_ns, shown.known.last_ns);
    }
    model.learn(id, shown.of, shown.known, shown.ns);
  }
  const std::int64_t atime_ns = in_ns(inode.atime);
  if (accessed_at(id, atime_ns)) return {};
  return fmt::format("atime is {} ns: neither its creation's nor that of a read", atime_ns);
}

}  // namespace scoutfs::sim
