#include "engine/check/directories.hpp"

#include <algorithm>

namespace scoutfs::check {

std::optional<std::size_t> Directories::find(Ino ino) const {
  const auto it = std::ranges::lower_bound(links_, ino, {}, &Link::ino);
  if (it == links_.end() || it->ino != ino) return std::nullopt;
  return static_cast<std::size_t>(it - links_.begin());
}

// From each directory upwards until something that is judged, so that each is walked once. One
// line for each lost subtree and cycle, at its top.
void Directories::finish(Problems& problems) {
  std::vector<State> states(links_.size(), State::unknown);
  std::vector<std::size_t> path;
  for (std::size_t start = 0; start < links_.size(); ++start) {
    std::size_t at = start;
    while (states[at] == State::unknown) {
      states[at] = State::on_path;
      path.push_back(at);
      const Link& link = links_[at];
      if (link.ino == kRootIno) break;
      const std::optional<std::size_t> parent = find(link.parent);
      if (!parent.has_value()) {
        problems.add("directory-unreachable",
                     "directory {} hangs below inode {}, which is no linked directory",
                     link.ino.value, link.parent.value);
        break;
      }
      at = *parent;
      if (states[at] == State::on_path) {
        problems.add("directory-cycle", "directory {} is its own ancestor",
                     links_[at].ino.value);
      }
    }
    for (const std::size_t walked : path) states[walked] = State::judged;
    path.clear();
  }
}

}  // namespace scoutfs::check
