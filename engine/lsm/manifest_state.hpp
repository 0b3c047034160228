// The indexes of a manifest, which the picker walks.
#pragma once

#include <absl/container/btree_map.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "engine/lsm/manifest.hpp"
#include "engine/lsm/memtable.hpp"

namespace scoutfs::lsm {

struct Manifest::State {
  // Level 0: newest record first; equal records by where they lie.
  using RecordKey = std::pair<std::uint64_t, std::uint64_t>;  // ~record, start block
  using Level0 = absl::btree_map<RecordKey, const Placed*>;
  // Levels >= 1: by first key, which lives in the segment's own description.
  using Level = absl::btree_map<std::string_view, const Placed*, KeyOrder>;

  static RecordKey record_key(const Placed& placed) {
    return {~placed.record.value, placed.info.ref.where.start.value};
  }

  // The first segment of a level >= 1 whose last key is not below `key`.
  Level::const_iterator first_from(std::uint8_t level, std::string_view key) const;

  absl::btree_map<std::uint64_t, std::unique_ptr<Placed>> by_start;  // owns them all
  Level0 level0;
  std::array<Level, kLevelMax + 1> levels;  // [0] stays empty
  std::array<std::uint64_t, kLevelMax + 1> blocks{};
};

}  // namespace scoutfs::lsm
