// Scans: every worker reads one large directory page by page, over a long time, while others
// add and take away entries in it and write much beside. A scan shows once whatever is there
// all the time, and everything in the order of its position.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/workload.hpp"

namespace scoutfs::sim {

class Scans final : public Workload {
 public:
  explicit Scans(const WorkloadEnv& env);

  WorkloadKind kind() const override { return WorkloadKind::scans; }
  Operation draw(const Caller& caller, const Handles& handles) override;

 protected:
  void learn(const WorkloadCall& call, const Outcome& outcome) override;
  void look(const RestTree& tree) override;

 private:
  struct Scan {
    std::uint64_t position = 0;  // up to here it has come
    std::set<std::string> seen;
  };
  void check_page(const Caller& caller, Scan& scan, const Outcome& outcome);
  void check_all_seen(const std::string& who, const std::set<std::string>& seen);

  std::size_t dir_ = 0;
  std::vector<std::size_t> files_;  // that stay
  std::uint64_t drawn_ = 0;         // entries that come and go
  std::map<Caller, Scan> scans_;
};

}  // namespace scoutfs::sim
