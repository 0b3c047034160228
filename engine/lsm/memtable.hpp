// Memtable: the newest items, in memory.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/lsm/item.hpp"

namespace scoutfs::lsm {

class Memtable {
 public:
  using Map = absl::btree_map<std::string, Entry>;

  // Replaces what was there.
  void set(std::string key, Entry entry);
  void apply(Batch&& batch);
  // nullptr: nothing is known of the key here. Valid until the next change.
  const Entry* find(std::string_view key) const;
  const Map& map() const { return map_; }
  bool empty() const { return map_.empty(); }
  // Bytes of keys and values, and a fixed overhead an item: bounds what a segment of it takes.
  std::uint64_t size_bytes() const { return size_bytes_; }
  static constexpr std::uint64_t kItemOverhead = 32;  // bytes

 private:
  Map map_;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace scoutfs::lsm
