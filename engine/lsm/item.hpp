// Items, key ranges and batches: the vocabulary of the LSM.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/codec.hpp"
#include "engine/base/result.hpp"

namespace scoutfs::lsm {

inline constexpr std::size_t kKeySizeMax = 512;           // bytes
inline constexpr std::size_t kValueSizeMax = 64u << 10;   // bytes

// Keys are compared as unsigned bytes.
struct Item {
  std::string key;
  std::string value;
  bool operator==(const Item&) const = default;
};

// nullopt is a tombstone: the key is deleted.
using Entry = std::optional<std::string>;

// All keys k with first <= k <= last. Both ends are included.
struct KeyRange {
  std::string first;
  std::string last;
  bool operator==(const KeyRange&) const = default;
  bool contains(std::string_view key) const { return first <= key && key <= last; }
  bool overlaps(const KeyRange& other) const { return first <= other.last && other.first <= last; }
};

// Changes that become visible together. A later change of a key wins over an earlier one.
struct Change {
  std::string key;
  Entry entry;
  bool operator==(const Change&) const = default;
};
struct Batch {
  std::vector<Change> changes;
  void put(std::string key, std::string value) {
    changes.push_back({std::move(key), std::move(value)});
  }
  void erase(std::string key) { changes.push_back({std::move(key), std::nullopt}); }
  bool empty() const { return changes.empty(); }
  void append(Batch&& other) {
    for (Change& change : other.changes) changes.push_back(std::move(change));
  }
};

}  // namespace scoutfs::lsm
