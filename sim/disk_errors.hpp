// DiskErrors: which requests the array fails, and how often it did.
//
// Three causes: chance (a rate over the whole run), a trouble (a stretch of blocks, or all of
// them, is bad for one node's path or for everybody's, for a time, each time or now and then),
// and nothing else. Troubles last longer than the engine tries again.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "sim/random.hpp"

namespace scoutfs::sim {

inline constexpr unsigned kEverybody = ~0U;

struct Trouble {
  unsigned node = kEverybody;  // whose path
  Extent where;                // flushes have no place: any trouble may fail them
  bool reads = false, writes = false, flushes = false;
  std::uint64_t per_1000 = 1000;  // requests that fail
};

// Out of a million requests.
struct ErrorRates {
  std::uint64_t reads = 0, writes = 0, flushes = 0;
};

class DiskErrors {
 public:
  struct Counts {
    std::uint64_t reads = 0, writes = 0, flushes = 0;
    bool any() const { return reads + writes + flushes > 0; }
  };

  DiskErrors(SimRandom random, ErrorRates rates) : random_(random), rates_(rates) {}

  // Returns its number.
  std::uint64_t begin(Trouble trouble);
  void end(std::uint64_t number) { troubles_.erase(number); }
  // From now on nothing fails any more.
  void heal();

  bool read_fails(unsigned node, Extent where);
  bool write_fails(unsigned node, Extent where);
  bool flush_fails(unsigned node);

 private:
  bool fails(std::uint64_t rate, bool Trouble::* kind, unsigned node, const Extent* where);

  SimRandom random_;
  ErrorRates rates_;
  std::map<std::uint64_t, Trouble> troubles_;
  std::uint64_t next_number_ = 1;
};

}  // namespace scoutfs::sim
