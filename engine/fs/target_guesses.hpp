// Where a name led the last time: lets an operation on a name lock the target in its first
// round.
//
// A hint only. A wrong one costs a second round of locking, never a wrong answer.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/base/ids.hpp"

namespace scoutfs::fs {

class TargetGuesses {
 public:
  TargetGuesses() : slots_(kSlots) {}
  // Zero if there is no guess.
  Ino find(Ino dir, std::string_view name) const {
    const std::uint64_t hash = checksum64(name, dir.value);
    const Slot& slot = slots_[hash % kSlots];
    return slot.hash == hash ? slot.ino : Ino{};
  }
  void set(Ino dir, std::string_view name, Ino ino) {
    const std::uint64_t hash = checksum64(name, dir.value);
    slots_[hash % kSlots] = {hash, ino};
  }

 private:
  static constexpr std::size_t kSlots = 8192;  // 128 KiB
  struct Slot {
    std::uint64_t hash = 0;
    Ino ino;
  };
  std::vector<Slot> slots_;
};

}  // namespace scoutfs::fs
