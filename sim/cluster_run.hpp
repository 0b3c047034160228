// ClusterRun: a cluster from its format to its verdict, step by step, with the oracles that
// look all the time, and those of the end.
//
// What happens in between is decided by who uses it: a seed's plan (run.cpp), or one case of
// many (exhaust/).
#pragma once

#include <map>
#include <string>

#include "sim/cluster.hpp"
#include "sim/run.hpp"

namespace scoutfs::sim {

class ClusterRun {
 public:
  // It ends at `until_ns` at the latest, as passed.
  ClusterRun(Plan plan, TimeNs until_ns);
  ClusterRun(const ClusterRun&) = delete;
  ClusterRun& operator=(const ClusterRun&) = delete;

  World& world() { return world_; }
  Cluster& cluster() { return cluster_; }
  const Plan& plan() const { return plan_; }

  // What says false here has ended the run: by failure, or because it was to end by then.

  // Makes the volume and starts the nodes, one after the other.
  bool begin();
  // One step. Nodes that left or could not start try again after so long; kForever: never.
  bool step(TimeNs comes_back_ns);
  bool run_for(TimeNs duration_ns);
  // Everything is quiet: what was put off gets done, and every node reads everything.
  bool settle();
  // All that was ever written is deleted, and its space can be had again by one node.
  bool empty_the_volume();
  // All leave, or a power cut, as planned; what is on the disk then is judged.
  void end();
  // With the offline check. `when`: in words.
  void check_image(const Image& image, const std::string& when);

  Verdict verdict();

  static constexpr TimeNs kComesBack =
      300 * kMillisecond;  // a node that left, or could not start

 protected:
  Plan plan_;
  TimeNs until_ns_;
  World world_;
  Cluster cluster_;
  std::uint64_t steps_ = 0;
  DecisionTime instant_;  // now

 private:
  std::map<std::string, std::uint64_t> protocol_counts();
  void fail_stuck();
  bool probe();
  bool wait_until_idle(NodeLife& life);
  bool wait_until_gone(unsigned node);
  void leave_at_the_end();
  void crash_at_the_end();

  TimeNs probe_ns_ = 0;  // how long the slowest node's took
  bool emptied_ = false;
};

}  // namespace scoutfs::sim
