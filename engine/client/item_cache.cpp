#include "engine/client/item_cache.hpp"

#include <algorithm>

namespace scoutfs::client {

namespace {
const lsm::Entry kAbsent = std::nullopt;

std::uint64_t entry_size(const lsm::Entry& entry) {
  return entry.has_value() ? entry->size() : 0;
}
}  // namespace

bool ItemCache::knows(const KeyRange& range) const {
  const auto behind = std::upper_bound(
      known_.begin(), known_.end(), range.first,
      [](const std::string& first, const KeyRange& known) { return first < known.first; });
  if (behind == known_.begin()) return false;
  return std::prev(behind)->last >= range.last;
}

const lsm::Entry* ItemCache::find(std::string_view key) const {
  const auto found = map_.find(key);
  if (found != map_.end()) return &found->second;
  const auto behind = std::upper_bound(
      known_.begin(), known_.end(), key,
      [](std::string_view wanted, const KeyRange& known) { return wanted < known.first; });
  if (behind == known_.begin() || std::prev(behind)->last < key) return nullptr;
  return &kAbsent;
}

void ItemCache::set(std::string key, lsm::Entry entry) {
  const auto [found, added] = map_.try_emplace(std::move(key));
  if (added) {
    size_bytes_ += found->first.size() + kOverhead;
  } else {
    size_bytes_ -= entry_size(found->second);
  }
  size_bytes_ += entry_size(entry);
  found->second = std::move(entry);
}

void ItemCache::add_known(KeyRange range) {
  // Merges with every range it touches.
  for (auto it = known_.begin(); it != known_.end();) {
    if (!it->overlaps(range)) {
      ++it;
      continue;
    }
    range.first = std::min(range.first, it->first);
    range.last = std::max(range.last, it->last);
    it = known_.erase(it);
  }
  const auto place =
      std::lower_bound(known_.begin(), known_.end(), range,
                       [](const KeyRange& a, const KeyRange& b) { return a.first < b.first; });
  known_.insert(place, std::move(range));
  if (known_.size() > kRangesMax) known_.erase(known_.begin());
}

void ItemCache::clear() {
  map_.clear();
  known_.clear();
  size_bytes_ = 0;
}

}  // namespace scoutfs::client
