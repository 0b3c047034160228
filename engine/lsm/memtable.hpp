// Memtable: the newest items, in memory.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/types/compare.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/lsm/item.hpp"

namespace scoutfs::lsm {

// Unsigned byte order, in one comparison instead of two.
struct KeyOrder {
  using is_transparent = void;
  absl::weak_ordering operator()(std::string_view a, std::string_view b) const {
    const int order = a.compare(b);
    if (order < 0) return absl::weak_ordering::less;
    if (order > 0) return absl::weak_ordering::greater;
    return absl::weak_ordering::equivalent;
  }
};

class Memtable {
 public:
  using Map = absl::btree_map<std::string, Entry, KeyOrder>;

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
