// ddmin: the smallest part of a whole that still fails, as far as leaving out tells.
//
// After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), with
// complements only: parts of half the size are left out one after the other, then of a quarter,
// down to single items, and single items until none can be left out any more.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace scoutfs::sim {

using Items = std::vector<std::size_t>;  // indices of the whole, ascending
// Which of the candidates is the first that fails; nullopt: none, or there is no time left.
using FirstFailing = std::function<std::optional<std::size_t>(const std::vector<Items>&)>;

// Of `count` items, which fail as they are. It asks for nothing but parts of the best so far.
Items ddmin(std::size_t count, const FirstFailing& first_failing);

}  // namespace scoutfs::sim
