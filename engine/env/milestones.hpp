// Milestones: how a node tells that it got somewhere. For those who watch it: the simulator
// judges by them, and ends lives just there.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/ids.hpp"

namespace scoutfs {

enum class Milestone : std::uint8_t {
  voted,           // the vote for the term is in the own quorum block, durably
  elected,         // ELECT is durable
  leaders_fenced,  // every earlier leader has stopped or is fenced
  server_started,  // superblock and journal are read, the first checkpoint is durable
  recovered,       // every member has declared itself or is dead
  server_ended,    // every write of the server is answered
  stopped,         // STOP is durable
};
inline constexpr std::size_t kMilestones = 7;

constexpr std::string_view to_string(Milestone milestone) {
  constexpr std::string_view kNames[kMilestones] = {
      "voted",     "elected",      "leaders-fenced", "server-started",
      "recovered", "server-ended", "stopped"};
  return kNames[static_cast<std::size_t>(milestone)];
}

class Milestones {
 public:
  virtual ~Milestones() = default;
  // Changes nothing that the caller can see.
  virtual void reached(Milestone milestone, Term term) = 0;
};

}  // namespace scoutfs
