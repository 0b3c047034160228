// Items, key ranges and batches: the vocabulary of the LSM.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/codec.hpp"
#include "engine/base/result.hpp"
#include "engine/format/key_range.hpp"

namespace scoutfs::lsm {

// Keys are compared as unsigned bytes.
struct Item {
  std::string key;
  std::string value;
  bool operator==(const Item&) const = default;
};

// nullopt is a tombstone: the key is deleted.
using Entry = std::optional<std::string>;

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
