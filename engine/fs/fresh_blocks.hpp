// Data blocks that may be written again: those that the open transaction allocated or first
// wrote.
//
// Nothing recorded refers to their contents, so writing them in place breaks no promise. When
// another transaction opens, the set is empty.
#pragma once

#include <algorithm>
#include <cstdint>

#include <absl/container/btree_map.h>
#include "engine/base/ids.hpp"

namespace scoutfs::fs {

class FreshBlocks {
 public:
  void add(TxnNo txn, Extent extent) {
    turn_to(txn);
    std::uint64_t start = extent.start.value;
    auto next = runs_.lower_bound(start);
    if (next != runs_.begin()) {
      const auto previous = std::prev(next);
      if (previous->second == start) {
        start = previous->first;
        next = runs_.erase(previous);
      }
    }
    runs_.insert_or_assign(next, start, extent.end().value);
  }
  // How many blocks from `start` on are fresh, at most `count`.
  std::uint64_t run(TxnNo txn, BlockNo start, std::uint64_t count) {
    turn_to(txn);
    const auto next = runs_.upper_bound(start.value);
    if (next == runs_.begin()) return 0;
    const std::uint64_t end = std::prev(next)->second;
    return end <= start.value ? 0 : std::min(count, end - start.value);
  }
  // The blocks were given back.
  void remove(TxnNo txn, Extent extent) {
    turn_to(txn);
    auto at = runs_.upper_bound(extent.start.value);
    if (at != runs_.begin()) --at;
    while (at != runs_.end() && at->first < extent.end().value) {
      const auto [start, end] = *at;
      if (end <= extent.start.value) {
        ++at;
        continue;
      }
      runs_.erase(at);
      if (start < extent.start.value) runs_.emplace(start, extent.start.value);
      if (end > extent.end().value) runs_.emplace(extent.end().value, end);
      at = runs_.lower_bound(extent.end().value);
    }
  }

 private:
  void turn_to(TxnNo txn) {
    if (txn == txn_) return;
    txn_ = txn;
    runs_.clear();
  }
  TxnNo txn_;
  absl::btree_map<std::uint64_t, std::uint64_t> runs_;  // start -> end
};

}  // namespace scoutfs::fs
