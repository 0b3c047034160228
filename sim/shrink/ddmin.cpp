#include "sim/shrink/ddmin.hpp"

#include <algorithm>
#include <numeric>

namespace scoutfs::sim {

namespace {

// `items` without `size` of them from `at` on, or up to the end.
Items without(const Items& items, std::size_t at, std::size_t size) {
  Items rest(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(at));
  const std::size_t behind = std::min(items.size(), at + size);
  rest.insert(rest.end(), items.begin() + static_cast<std::ptrdiff_t>(behind), items.end());
  return rest;
}

// Leaves out what it can in parts of that size. True: something.
bool pass(Items& items, std::size_t size, const FirstFailing& first_failing) {
  bool any = false;
  std::size_t at = 0;
  while (at < items.size()) {
    std::vector<Items> candidates;
    for (std::size_t from = at; from < items.size(); from += size) {
      candidates.push_back(without(items, from, size));
    }
    const std::optional<std::size_t> failing = first_failing(candidates);
    if (!failing.has_value()) break;
    any = true;
    items = candidates[*failing];
    // What came before it was tried; what comes now stands in its place.
    at += *failing * size;
  }
  return any;
}

}  // namespace

Items ddmin(std::size_t count, const FirstFailing& first_failing) {
  Items items(count);
  std::iota(items.begin(), items.end(), 0);
  if (count == 0) return items;
  if (first_failing({Items{}}).has_value()) return {};
  for (std::size_t size = (count + 1) / 2; size > 1; size = (size + 1) / 2) {
    pass(items, size, first_failing);
  }
  while (pass(items, 1, first_failing)) {
  }
  return items;
}

}  // namespace scoutfs::sim
