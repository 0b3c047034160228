#include "sim/fault_symptoms.hpp"

#include <string>
#include <utility>
#include <vector>

#include "sim/node_life.hpp"

namespace scoutfs::sim {

namespace {

using Kind = Symptom::Kind;

// How long after a fault is over it may still be what breaks a connection: a few silences.
constexpr TimeNs kAftermath = 10 * kSecond;

class Symptoms {
 public:
  explicit Symptoms(Cluster& cluster) : cluster_(cluster) {}

  // Of the node's life, if it has one.
  Symptoms& life(Kind kind, unsigned node) {
    if (NodeLife* life = cluster_.life(node)) list_.push_back({kind, life->number(), 0});
    return *this;
  }
  Symptoms& lives(Kind kind) {
    for (unsigned node = 0; node < cluster_.nodes(); ++node) life(kind, node);
    return *this;
  }
  Symptoms& disk(Kind kind, unsigned node) {
    if (cluster_.life(node) != nullptr) list_.push_back({kind, node, 0});
    return *this;
  }
  Symptoms& disks(Kind kind) {
    for (unsigned node = 0; node < cluster_.nodes(); ++node) disk(kind, node);
    return *this;
  }
  Symptoms& connection(unsigned a, unsigned b) {
    list_.push_back(Symptom::connection(a, b));
    return *this;
  }
  // Between the node and everybody else.
  Symptoms& connections(unsigned node) {
    for (unsigned other = 0; other < cluster_.nodes(); ++other) {
      if (other != node) connection(node, other);
    }
    return *this;
  }
  std::vector<Symptom> take() { return std::move(list_); }

 private:
  Cluster& cluster_;
  std::vector<Symptom> list_;
};

std::vector<Symptom> symptoms_of(Cluster& cluster, const PlannedFault& fault) {
  Symptoms symptoms(cluster);
  switch (fault.kind) {
    case FaultKind::kill_one:
      return symptoms.life(Kind::death_known, fault.node).take();
    case FaultKind::kill_leader:
      return symptoms.life(Kind::death_known, cluster.leader().value_or(fault.node)).take();
    case FaultKind::kill_all:
    case FaultKind::power_cut:
      return symptoms.lives(Kind::death_known).take();
    case FaultKind::disconnect:
    case FaultKind::partition:
    case FaultKind::one_way:
      return symptoms.connection(fault.node, fault.other).take();
    case FaultKind::isolate:
    case FaultKind::long_isolation:
    case FaultKind::pause:
    case FaultKind::long_pause:
      return symptoms.connections(fault.node).life(Kind::fenced, fault.node).take();
    case FaultKind::kill_at:
    case FaultKind::restart_storm:
      return symptoms.lives(Kind::death_known).take();
    case FaultKind::pause_at:
      for (unsigned node = 0; node < cluster.nodes(); ++node) symptoms.connections(node);
      return symptoms.lives(Kind::fenced).take();
    case FaultKind::isolate_leader:
    case FaultKind::deafen_leader:
    case FaultKind::split_leader:
    case FaultKind::pause_leader: {
      const unsigned leader = cluster.leader().value_or(fault.node);
      return symptoms.connections(leader).life(Kind::fenced, leader).take();
    }
    case FaultKind::leave:
      return symptoms.life(Kind::left, fault.node).take();
    case FaultKind::lose_disk:
      return symptoms.disk(Kind::disk_lost, fault.node).take();
    case FaultKind::restart_disk:
      return symptoms.disks(Kind::disk_lost).take();
  }
  return {};
}

// Until when it may be noticed.
TimeNs deadline_of(const Cluster& cluster, const PlannedFault& fault, TimeNs now_ns) {
  switch (fault.kind) {
    case FaultKind::kill_one:
    case FaultKind::kill_leader:
    case FaultKind::kill_all:
    case FaultKind::power_cut:
    case FaultKind::leave:
    case FaultKind::kill_at:
    case FaultKind::restart_storm:
      return kForever;
    case FaultKind::disconnect:
      return now_ns + cluster.plan().network.late_news_ns;
    default:
      return now_ns + fault.lasts_ns + kAftermath;
  }
}

// As an observer is told of it: only whom and how long it concerns.
Observer::Fault told_of(const Cluster& cluster, const PlannedFault& fault) {
  Observer::Fault told{.kind = to_string(fault.kind),
                       .node = fault.node,
                       .other = {},
                       .lasts_ns = fault.lasts_ns};
  switch (fault.kind) {
    case FaultKind::kill_leader:
    case FaultKind::isolate_leader:
    case FaultKind::deafen_leader:
    case FaultKind::split_leader:
    case FaultKind::pause_leader:
      told.node = cluster.leader().value_or(fault.node);
      break;
    case FaultKind::kill_all:
    case FaultKind::power_cut:
    case FaultKind::restart_disk:
    case FaultKind::kill_at:
    case FaultKind::pause_at:
    case FaultKind::restart_storm:
      told.node.reset();
      break;
    case FaultKind::disconnect:
      told.lasts_ns = 0;
      [[fallthrough]];
    case FaultKind::partition:
    case FaultKind::one_way:
      told.other = fault.other;
      break;
    default:
      break;
  }
  return told;
}

}  // namespace

void enter_fault(Cluster& cluster, const PlannedFault& fault) {
  if (Observer* observer = cluster.world().trace().observer()) {
    observer->fault(cluster.world().now_ns(), told_of(cluster, fault));
  }
  cluster.ledger().injected(std::string(to_string(fault.kind)), symptoms_of(cluster, fault),
                            deadline_of(cluster, fault, cluster.world().now_ns()));
}

void enter_trouble(Cluster& cluster, const PlannedTrouble& planned) {
  if (Observer* observer = cluster.world().trace().observer()) {
    Observer::Fault told{
        .kind = "disk-errors", .node = {}, .other = {}, .lasts_ns = planned.lasts_ns};
    if (planned.trouble.node != kEverybody) told.node = planned.trouble.node;
    observer->fault(cluster.world().now_ns(), told);
  }
  Symptoms symptoms(cluster);
  if (planned.trouble.node == kEverybody) {
    symptoms.disks(Kind::disk_error);
  } else {
    symptoms.disk(Kind::disk_error, planned.trouble.node);
  }
  cluster.ledger().injected("disk-errors", symptoms.take(),
                            cluster.world().now_ns() + planned.lasts_ns);
}

}  // namespace scoutfs::sim
