// SpaceMap: who owns each block of the volume's space. Exactly one owner is right.
//
// Memory: 24 bytes for each extent that is added.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/check/problems.hpp"

namespace scoutfs::check {

enum class Owner : std::uint8_t { free, granted, job, replaced, segment, file };
inline constexpr std::size_t kOwners = 6;

class SpaceMap {
 public:
  SpaceMap(Extent space, Problems& problems) : space_(space), problems_(problems) {}

  // `id` is the rid, job, version, first block or inode of the owner, for messages.
  // False, and it is reported, if the extent is not within the space: then it must not be read.
  bool add(Extent extent, Owner owner, std::uint64_t id);

  // Reports overlaps and gaps. Call it once, after everything was added.
  void finish();

  // Blocks added for an owner.
  std::uint64_t blocks(Owner owner) const { return blocks_[static_cast<std::size_t>(owner)]; }

 private:
  static constexpr int kOwnerShift = 56;  // the owner is kept above the count
  struct Entry {
    std::uint64_t start;
    std::uint64_t owner_count;
    std::uint64_t id;
    std::uint64_t count() const {
      return owner_count & ((std::uint64_t{1} << kOwnerShift) - 1);
    }
    Owner owner() const { return static_cast<Owner>(owner_count >> kOwnerShift); }
  };
  static std::string describe(const Entry& entry);
  void report_gap(std::uint64_t start, std::uint64_t end);

  Extent space_;
  Problems& problems_;
  std::vector<Entry> entries_;
  std::uint64_t blocks_[kOwners] = {};
};

}  // namespace scoutfs::check
