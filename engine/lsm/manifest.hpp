// Manifest: which segments make up a tree, by level and key.
//
// The leader keeps the main tree's manifest in memory and persists each entry as an item of the
// server tree (manifest_key / encode(Placed)). The server tree has a manifest of the same kind,
// persisted as the list in the superblock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/lsm/segment.hpp"

namespace scoutfs::lsm {

inline constexpr std::uint8_t kLevelMax = 7;  // levels 0..7

// `placed` at another level, without rewriting it: below level 0 one range covers it.
Placed moved(Placed placed, std::uint8_t to_level);

class Manifest {
 public:
  Manifest();
  ~Manifest();
  Manifest(Manifest&&) noexcept;

  // Requires: at levels >= 1 it overlaps no other of the level, from its first to its last key;
  // the ref's start is new. At level 0 two segments may share a record if they overlap nowhere:
  // they are outputs of one merge.
  void add(Placed placed);
  // Requires: present, by ref.
  Placed remove(SegmentRef ref);
  bool contains(SegmentRef ref) const;

  // In search order. See SegmentList.
  std::vector<Placed> overlapping(const KeyRange& range) const;
  std::vector<Placed> overlapping(const KeyRange& range, std::uint8_t level) const;
  void for_each(const std::function<void(const Placed&)>& visit) const;

  std::size_t count(std::uint8_t level) const;
  std::uint64_t blocks(std::uint8_t level) const;
  std::uint64_t blocks() const;
  // The deepest level that has a segment; 0 when there is none below level 0.
  std::uint8_t deepest() const;

  void check_invariants() const;

  // The indexes, for the picker; see engine/lsm/manifest_state.hpp.
  struct State;
  const State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace scoutfs::lsm
