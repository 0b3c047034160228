// How the nodes of a seed come by their slots.
#include <array>

#include "sim/plan.hpp"
#include "sim/random.hpp"

namespace scoutfs::sim {

void draw_slots(Plan& plan) {
  SimRandom random(plan.seed, Stream::slot_plan);
  constexpr std::array kModes = {SlotMode::named, SlotMode::named, SlotMode::moving,
                                 SlotMode::configured};
  plan.slot_mode = random.pick(kModes);
  if (plan.slot_mode != SlotMode::configured) return;
  for (unsigned node = 0; node < plan.nodes; ++node) {
    plan.format.slots.push_back({.slot = static_cast<std::uint8_t>(node),
                                 .address = NetworkWorld::address_of(node, kNodePort)});
  }
}

}  // namespace scoutfs::sim
