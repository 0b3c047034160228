// TinyCluster: two nodes and the tiny tree, made once; then one case is run on it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "sim/cluster_run.hpp"
#include "sim/exhaust/space.hpp"

namespace scoutfs::sim {

class TinyCluster {
 public:
  // Everything up to where the cases part: the volume, both nodes, the tree, which both have
  // read and which is durable. The sink, if any, gets the story.
  explicit TinyCluster(Trace::Sink sink = {});

  enum class Canary : std::uint8_t { off, on };
  // The case, to its verdict. Once; a cluster that failed to come about says so instead. With a
  // canary its first answer with attributes is falsified before it is judged.
  Verdict run(const ExhaustCase& one, Canary canary = Canary::off);

 private:
  using Answer = std::shared_ptr<std::optional<Outcome>>;
  struct Open {
    unsigned node = 0;
    Life life = 0;
    Ino ino;
  };

  bool prepare();
  bool make_tree();
  bool wait_until_quiet();
  bool act(const ExhaustCase& one);
  bool crash(const Crash& crash);
  bool crash_in_commit(const Crash& crash);
  bool change_leader(Milestone milestone);
  void inject(const Crash& crash);
  void kill(unsigned node);
  void cut_power(CutMode mode);
  void close_all();
  unsigned node_of(bool leader) const { return leader ? leader_ : 1 - leader_; }
  Answer begin_call(unsigned node, Operation op);
  bool sync(unsigned node);
  bool finish_calls();
  void learn(unsigned node, const Operation& op, const Outcome& outcome);

  ClusterRun run_;
  bool prepared_ = false;
  Bindings bindings_;
  unsigned leader_ = 0;
  unsigned actor_ = 0;  // who called the last operation
  std::vector<Open> opens_;
};

}  // namespace scoutfs::sim
