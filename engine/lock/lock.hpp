// Cluster locks: names and modes.
//
// A lock covers a range of keys. An inode group's lock covers every filesystem item of its 1024
// inodes; the rename lock covers no keys and serializes moves of directories between
// directories. The index and orphan zones have no lock (DESIGN 15, rule 15).
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "engine/format/keys.hpp"

namespace scoutfs::lock {

// In acquisition order: the rename lock, then inode groups by number.
struct LockId {
  enum class Kind : std::uint8_t { rename = 1, group = 2 };
  Kind kind = Kind::group;
  std::uint64_t group = 0;  // of Kind::group
  constexpr auto operator<=>(const LockId&) const = default;
};
inline constexpr LockId kRenameLock{LockId::Kind::rename, 0};
constexpr LockId lock_of(Ino ino) {
  return {LockId::Kind::group, format::group_of(ino)};
}
std::string to_string(LockId id);  // "rename", "group 17"

enum class Mode : std::uint8_t { none = 0, read = 1, write = 2 };
std::string_view to_string(Mode mode);

// Two holders on different nodes may have these modes at once.
constexpr bool compatible(Mode a, Mode b) {
  return a == Mode::none || b == Mode::none || (a == Mode::read && b == Mode::read);
}
// A holder of `held` may do what asks for `wanted`.
constexpr bool allows(Mode held, Mode wanted) {
  return held >= wanted;
}

}  // namespace scoutfs::lock
