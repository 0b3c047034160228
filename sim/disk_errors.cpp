#include "sim/disk_errors.hpp"

namespace scoutfs::sim {

namespace {
bool overlap(const Extent& a, const Extent& b) {
  return a.start < b.end() && b.start < a.end();
}
}  // namespace

std::uint64_t DiskErrors::begin(Trouble trouble) {
  troubles_[next_number_] = trouble;
  return next_number_++;
}

void DiskErrors::heal() {
  troubles_.clear();
  rates_ = {};
}

bool DiskErrors::fails(std::uint64_t rate, bool Trouble::* kind, unsigned node,
                       const Extent* where) {
  if (rate != 0 && random_.chance(rate, 1'000'000)) return true;
  for (const auto& [number, trouble] : troubles_) {
    if (!(trouble.*kind)) continue;
    if (trouble.node != kEverybody && trouble.node != node) continue;
    if (where != nullptr && !overlap(trouble.where, *where)) continue;
    if (random_.chance(trouble.per_1000, 1000)) return true;
  }
  return false;
}

bool DiskErrors::read_fails(unsigned node, Extent where) {
  return fails(rates_.reads, &Trouble::reads, node, &where);
}
bool DiskErrors::write_fails(unsigned node, Extent where) {
  return fails(rates_.writes, &Trouble::writes, node, &where);
}
bool DiskErrors::flush_fails(unsigned node) {
  return fails(rates_.flushes, &Trouble::flushes, node, nullptr);
}

}  // namespace scoutfs::sim
