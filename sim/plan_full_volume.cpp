// Volumes that are nearly full: in some seeds there is little space and much is written.
#include <array>

#include "sim/plan.hpp"
#include "sim/random.hpp"

namespace scoutfs::sim {

void draw_full_volume(Plan& plan, std::optional<std::uint64_t> percent) {
  SimRandom random(plan.seed, Stream::space_plan);
  if (!(percent.has_value() ? random.chance(*percent, 100) : random.chance(1, 6))) return;
  constexpr std::array<std::uint64_t, 3> kGrants = {32, 64, 128};
  constexpr std::uint64_t kJournal = 256;
  plan.full_volume = true;
  plan.disk.block_count = format::kDeviceBlocksMin;
  plan.format.journal_blocks = kJournal;
  const std::uint64_t space = random.log_between(1'100, 2'900);
  plan.format.server_area_blocks =
      format::kDeviceBlocksMin - format::kFirstRegion - kJournal - space;
  plan.mount.grant_blocks = random.pick(kGrants);
  plan.file_bytes = random.log_between(300'000, 3'000'000);
  plan.write_bytes = random.log_between(20'000, 400'000);
  using enum OpKind;
  for (const OpKind kind : {write, append, allocate}) {
    std::uint32_t& weight = plan.weights[static_cast<std::size_t>(kind)];
    weight = 4 + static_cast<std::uint32_t>(random.below(20));
  }
}

}  // namespace scoutfs::sim
