// What the disk of a seed fails.
#include <algorithm>
#include <array>
#include <tuple>

#include "sim/plan.hpp"
#include "sim/random.hpp"

namespace scoutfs::sim {

Extent extent_of(Region region, const format::Superblock& superblock) {
  switch (region) {
    case Region::everything:
      break;
    case Region::superblocks:
      return {BlockNo{format::kSuperblockFirst}, 2 * format::kSuperblockBlocks};
    case Region::quorum:
      return {BlockNo{format::kQuorumFirst}, 2 * format::kSlotsMax};
    case Region::journal:
      return superblock.journal;
    case Region::server_area:
      return superblock.server_area;
    case Region::space:
      return superblock.space;
  }
  return {BlockNo{}, superblock.device_blocks};
}

namespace {

PlannedTrouble draw_trouble(const Plan& plan, SimRandom& random) {
  // Where most is read and written, most often.
  constexpr std::array kRegions = {Region::everything, Region::superblocks, Region::quorum,
                                   Region::journal,    Region::server_area, Region::space,
                                   Region::space,      Region::space};
  constexpr std::array<std::uint64_t, 3> kHowOften = {1000, 1000, 300};
  PlannedTrouble planned;
  planned.region = random.pick(kRegions);
  Trouble& trouble = planned.trouble;
  if (random.chance(3, 4)) trouble.node = static_cast<unsigned>(random.below(plan.nodes));
  trouble.reads = random.chance(1, 2);
  trouble.writes = !trouble.reads || random.chance(1, 3);
  trouble.flushes = trouble.writes && random.chance(1, 6);
  trouble.per_1000 = random.pick(kHowOften);
  if (random.chance(1, 2)) {
    planned.blocks = random.log_between(1, 64);
    planned.position_per_1000 = random.below(1000);
    // What is used of the space is its beginning.
    if (planned.region == Region::space) planned.position_per_1000 /= 8;
  }
  planned.at_operation = random.between(1, plan.operations);
  planned.lasts_ns = random.log_between(10 * kMillisecond, 8 * kSecond);
  return planned;
}

}  // namespace

void draw_disk_errors(Plan& plan, std::optional<std::uint64_t> percent) {
  SimRandom random(plan.seed, Stream::device_plan);
  if (!(percent.has_value() ? random.chance(*percent, 100) : random.chance(1, 3))) return;
  plan.disk_fails = true;
  constexpr std::array<std::uint64_t, 3> kRates = {0, 100, 5'000};
  plan.disk.errors.reads = random.pick(kRates);
  plan.disk.errors.writes = random.pick(kRates);
  if (random.chance(1, 4)) plan.disk.errors.flushes = 500;
  const std::uint64_t count = random.between(0, 4);
  for (std::uint64_t i = 0; i < count; ++i) plan.troubles.push_back(draw_trouble(plan, random));
  std::ranges::sort(plan.troubles, [](const PlannedTrouble& a, const PlannedTrouble& b) {
    return std::tie(a.at_operation, a.lasts_ns) < std::tie(b.at_operation, b.lasts_ns);
  });
}

}  // namespace scoutfs::sim
