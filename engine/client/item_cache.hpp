// ItemCache: clean items of one lock: what the recorded state holds, as far as this node has
// read it.
//
// Beside the items it keeps ranges of keys of which everything is known: a key in such a range
// that has no item is absent. Dirty items lie over it in the memtables of the transactions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/lsm/memtable.hpp"

namespace scoutfs::client {

class ItemCache {
 public:
  using Map = lsm::Memtable::Map;

  // nullptr: not known. A tombstone: known to be absent.
  const lsm::Entry* find(std::string_view key) const;
  void set(std::string key, lsm::Entry entry);
  // Everything of the range is in the cache now.
  void add_known(KeyRange range);
  bool knows(const KeyRange& range) const;
  const Map& map() const { return map_; }

  std::uint64_t size_bytes() const { return size_bytes_; }
  void clear();

 private:
  static constexpr std::size_t kRangesMax = 64;
  static constexpr std::uint64_t kOverhead = 64;  // bytes an item

  Map map_;
  std::vector<KeyRange> known_;  // ascending, disjoint
  std::uint64_t size_bytes_ = 0;
};

}  // namespace scoutfs::client
