// Cluster: the shared disk, the network, and the nodes, which live, die and come back.
//
// A life is one incarnation of a node: a process that mounts the volume. Its death is what the
// death of a process is: its requests and messages are the world's from then on, its memory is
// gone at once, and nobody tells its peers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/format/server_items.hpp"
#include "engine/mount/mount.hpp"
#include "sim/disk.hpp"
#include "sim/fault_ledger.hpp"
#include "sim/index_follower.hpp"
#include "sim/judge.hpp"
#include "sim/leadership.hpp"
#include "sim/linearize/history.hpp"
#include "sim/network.hpp"
#include "sim/plan.hpp"
#include "sim/workload_mix.hpp"
#include "sim/world.hpp"

namespace scoutfs::sim {

class Cluster;
class NodeLife;

class Cluster {
 public:
  Cluster(const Plan& plan, World& world);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster();

  // Makes the volume. False, and a failure, if that does not work.
  bool format();

  // Begins a life. Requires: the node has none.
  void start(unsigned node);
  void start_after(unsigned node, TimeNs delay_ns);
  // The process dies. No effect on a node without a life.
  void kill(unsigned node);
  // It finishes what it does and unmounts.
  void ask_to_leave(unsigned node);
  // It stands still, and so do the requests that it has not sent yet.
  void pause(unsigned node, TimeNs lasts_ns);
  void lose_disk(unsigned node, TimeNs lasts_ns);
  // Nodes may have been silent: one that is fenced from now on had it coming.
  void note_disturbance() { disturbed_ = true; }
  // Requires: no node has a life.
  void power_cut(CutMode mode);
  // Ends lives that ended by themselves. Call after every step. `comes_back_ns`: when nodes
  // that left or could not start try again; kForever: never.
  void reap(TimeNs comes_back_ns);

  NodeLife* life(unsigned node) { return lives_[node].get(); }
  unsigned nodes() const { return plan_.nodes; }
  std::optional<unsigned> leader() const;
  bool all_serving() const;
  bool any_alive() const;
  bool anybody_stands_still() const;
  // Remembers how much the leader has free. Call after every step of a nearly full volume.
  void look_at_space();
  // Work of the workers that is not finished.
  bool busy() const;

  const Plan& plan() const { return plan_; }
  World& world() { return world_; }
  SharedDisk& disk() { return disk_; }
  NetworkWorld& network() { return network_; }
  Judge& judge() { return judge_; }
  FaultLedger& ledger() { return ledger_; }
  WorkloadMix& workloads() { return workloads_; }
  History& history() { return history_; }
  IndexFollower& follower(unsigned node, format::IndexType index);

  // When something last got done: an answer, a start, a fault.
  TimeNs progress_ns() const { return progress_ns_; }
  void note_progress() { progress_ns_ = world_.now_ns(); }

  // The fencing service. False: a newer term is known.
  bool register_term(Term term);
  // Somebody is about to have `victim` fenced.
  void fence_asked(Incarnation victim);
  // Begins to fence `victim` at the storage; `done` when it is.
  enum class Fence : std::uint8_t { begun, unknown, older_term };
  Fence fence(Term term, Incarnation victim, const HostId& host, const SharedDisk::Done& done);
  // What the storage knows of an incarnation.
  bool confirm_dead(unsigned asking, Incarnation victim, const HostId& host);
  HostId host_of(unsigned node, Life life) const;
  // The slot that the node's next mount names.
  std::uint16_t slot_of(unsigned node) const {
    return static_cast<std::uint16_t>(node + moves_[node] * plan_.nodes);
  }
  // The doors of servers to the array, and what leaders must keep to.
  Leadership& leadership() { return leadership_; }
  // A node got somewhere.
  void reached(unsigned node, std::uint16_t slot, Life life, Incarnation mount,
               Milestone milestone, Term term);
  // The next node that reaches the milestone dies soon after and comes back, or stands still.
  struct Armed {
    Milestone milestone{};
    TimeNs delay_ns = 0;
    TimeNs lasts_ns = 0;  // until it comes back or goes on
    bool stands_still = false;
  };
  void arm(Armed what);
  void disarm() { armed_.reset(); }
  // What survived of each dead life, from an image that nobody writes to any more.
  void resolve_all(const Image& image);
  std::uint64_t deaths() const { return deaths_; }
  // Lives that a failing disk put out of service.
  std::uint64_t out_of_service() const { return out_of_service_; }
  // What else the engine did that not every run makes it do, by name.
  const FaultLedger::Counts& rare() const { return rare_; }
  // As the volume was made. Requires: format() succeeded.
  const format::Superblock& superblock() const { return superblock_; }

 private:
  struct Past {
    unsigned node = 0;
    std::shared_ptr<DiskPath> path;
    Rid rid;
    bool dead = false;      // the process is gone
    bool left = false;      // it unmounted
    bool leaving = false;   // it had begun to
    bool resolved = false;  // the judge knows what survived
  };
  void end(unsigned node, bool left);
  bool may_fail(const NodeLife& life) const;
  // Nothing that it has done may be missing.
  bool whole(Life life) const;
  // What becomes of a mount that is out of service: as its options say.
  void end_failed(unsigned node);
  Rid rid_of(Life life) const;
  std::vector<std::shared_ptr<DiskPath>> paths_of(unsigned node) const;
  // The life that ran as `victim`; nullptr: none.
  Past* past_of(Incarnation victim, const HostId& host);
  const DiskErrors::Counts& errors_of(Life life) const {
    return disk_.errors_of(*past_.at(life).path);
  }
  // The disk failed so much that the mount may give up.
  bool disk_gave_reason(Life life) const;
  void resolve(Life life, Past& past, const std::map<Rid, format::Member>& members);
  void resolve_confirmed();

  Plan plan_;
  World& world_;
  FaultLedger ledger_;
  SharedDisk disk_;
  Leadership leadership_;
  NetworkWorld network_;
  Judge judge_;
  WorkloadMix workloads_;
  History history_;
  std::vector<IndexFollower> followers_;
  std::vector<NodeClock> clocks_;
  std::map<Life, Past> past_;
  std::set<Life> failing_;
  bool disturbed_ = false;
  TimeNs comes_back_ns_ = kForever;               // as reap() was told last
  Term newest_term_;                              // that the fencing service knows
  std::vector<std::unique_ptr<NodeLife>> lives_;  // by node; null: none
  std::vector<unsigned> moves_;                   // by node: which of its slots it uses
  std::optional<Armed> armed_;
  Life next_life_ = 1;
  TimeNs progress_ns_ = 0;
  std::uint64_t deaths_ = 0;
  std::uint64_t out_of_service_ = 0;
  FaultLedger::Counts rare_;
  // When the leader last had no more free than its reserve.
  std::optional<TimeNs> full_ns_;
  format::Superblock superblock_;
};

}  // namespace scoutfs::sim
