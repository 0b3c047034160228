// Plan: everything a seed decides before its run begins.
//
// Each seed draws the sizes of the cluster and its caches, which families of operations and
// faults are on, and how often. Many seeds switch whole families off: what is always there
// hides what needs its absence.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/mount/mount.hpp"
#include "sim/clock.hpp"
#include "sim/disk.hpp"
#include "sim/edits.hpp"
#include "sim/network.hpp"
#include "sim/operation.hpp"
#include "sim/workload_kind.hpp"

namespace scoutfs::sim {

enum class FaultKind : std::uint8_t {
  kill_one,  // a node dies; its slot comes back
  kill_leader,
  kill_all,        // all die; the array keeps its cache
  power_cut,       // all die and the array loses what was not durable
  disconnect,      // connections between two nodes break
  partition,       // two nodes hear nothing of each other for a while
  one_way,         // one of two nodes hears nothing of the other
  isolate,         // a node hears nothing of anybody, nor they of it
  pause,           // a node stands still and goes on as if nothing had happened
  leave,           // a node unmounts and comes back
  kill_at,         // the next node that reaches a milestone dies there or soon after
  isolate_leader,  // for longer than its lease
  deafen_leader,   // likewise, but the others hear it
  split_leader,    // likewise, and only from some of the others
  pause_leader,    // so that it wakes up deposed
  restart_storm,   // nodes die and come back, one after the other, faster than they recover
  lose_disk,       // a node loses its connection to the disk for a while
  restart_disk,    // all do: the disk's server is started anew
  // Drawn beside the others.
  long_pause,  // longer than a lease and a fence
  long_isolation,
  pause_at,  // the next node that reaches a milestone stands still there, likewise
};
inline constexpr std::size_t kFaultKinds = 18;  // those drawn first
inline constexpr std::size_t kAllFaultKinds = 21;
std::string_view to_string(FaultKind kind);

struct PlannedFault {
  FaultKind kind{};
  std::uint64_t at_operation = 0;  // after so many operations were called
  std::uint64_t then_steps = 0;    // and so many more steps of the world
  unsigned node = 0;               // whom it is about
  unsigned other = 0;
  TimeNs lasts_ns = 0;  // until it is over: healed, restarted
  CutMode cut = CutMode::keeps_all;
  Milestone milestone = Milestone::voted;  // of kill_at, pause_at
  std::size_t number = 0;                  // among those that were drawn, as they come
  std::optional<DecisionTime> at;          // then, whatever was called
};

// A part of the volume, as its superblock lays it out.
enum class Region : std::uint8_t {
  everything,
  superblocks,
  quorum,
  journal,
  server_area,
  space
};
Extent extent_of(Region region, const format::Superblock& superblock);

struct PlannedTrouble {
  Trouble trouble;  // where: all of the region, or what is drawn of it when it begins
  Region region{};
  std::uint64_t position_per_1000 = 0;  // of the part of the region; blocks 0: all of it
  std::uint64_t blocks = 0;
  std::uint64_t at_operation = 0;
  TimeNs lasts_ns = 0;
  std::size_t number = 0;          // as that of a fault
  std::optional<DecisionTime> at;  // likewise
};

// How a node comes by its slot.
enum class SlotMode : std::uint8_t {
  named,       // slots are open; each mount names its own
  moving,      // the same, and one that has left comes back under another
  configured,  // mkfs names address and slot of each (-Q)
};

struct PlannedWorkload {
  WorkloadKind kind{};
  std::uint64_t weight = 1;
};

struct Scenario;

// What the caller of a run decides; 0 lets the seed decide.
struct RunConfig {
  std::uint64_t seed = 1;
  unsigned nodes = 3;
  std::uint64_t operations = 200;
  bool faults = true;
  // One answer is falsified before it is judged: proves that a failure is found and reported.
  bool canary = false;
  // The same, of answers that only linearize/ gets to see falsified.
  bool canary_unjudged = false;
  // What the run is about (scenario.hpp); nullptr: random operations, and whatever the seed
  // draws.
  std::shared_ptr<const Scenario> scenario;
  // Which decisions are left of those that the run would make. They fit.
  std::shared_ptr<const Edits> edits;
};

struct Plan {
  std::uint64_t seed = 0;
  unsigned nodes = 0;
  std::uint64_t operations = 0;
  // Of each node, instead of any that are drawn.
  std::optional<std::vector<std::vector<DecidedOperation>>> decided;
  // Off where it is not needed: an unlinked file is deleted by the last node to close it.
  bool scans_orphans = true;
  unsigned workers = 1;  // of each node
  FormatOptions format;
  MountOptions mount;
  DiskOptions disk;
  NetworkOptions network;
  std::vector<ClockShape> clocks;
  std::vector<PlannedWorkload> workloads{{.kind = WorkloadKind::random_posix}};
  std::array<std::uint32_t, kOpKinds> weights{};  // of random operations
  std::vector<PlannedFault> faults;               // by at_operation
  bool disk_fails = false;                        // now and then, and as the troubles say
  std::vector<PlannedTrouble> troubles;           // by at_operation
  std::uint64_t names = 6;                        // of each directory
  std::uint64_t file_bytes = 20'000;              // offsets go up to it
  std::uint64_t write_bytes = 9'000;              // of one write, at most
  std::uint64_t value_bytes = 200;                // of an attribute, at most
  TimeNs think_ns = 5 * kMillisecond;
  TimeNs settles_ns = 5 * kSecond;  // in the end, beside some rounds of the scan for orphans
  bool ends_with_power_cut = false;
  SlotMode slot_mode = SlotMode::named;
  bool full_volume = false;  // it is emptied at the end
  bool canary = false;
  bool canary_unjudged = false;
  FenceLevel fence_level = FenceLevel::host;
  TimeNs fence_delay_ns = kMillisecond;  // at most, until the fencing service acts
  // A silent node is back in the very moment in which its fencing begins.
  bool wakes_when_fenced = false;
  bool fencing_knows_all_hosts =
      false;                     // otherwise each host can tell of its own processes only
  bool fencing_forgets = false;  // the fence of an incarnation that it does not know yet
};

Plan make_plan(const RunConfig& config);
// How slots are had (plan_slots.cpp).
void draw_slots(Plan& plan);
// Little space and much that is written: in some seeds (plan_full_volume.cpp). `percent`: of
// all seeds; nullopt: as usual.
void draw_full_volume(Plan& plan, std::optional<std::uint64_t> percent);
// Errors of the disk: in some seeds, from a stream of its own (plan_disk_errors.cpp).
// `percent`: likewise.
void draw_disk_errors(Plan& plan, std::optional<std::uint64_t> percent);

}  // namespace scoutfs::sim
