// LinkRing: all nodes give the same few files further names and take them away again. Each file
// keeps the name that nobody takes away; a name says which file it belongs to; and at rest each
// file has as many links as names.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/workload.hpp"

namespace scoutfs::sim {

class LinkRing final : public Workload {
 public:
  explicit LinkRing(const WorkloadEnv& env);

  WorkloadKind kind() const override { return WorkloadKind::link_ring; }
  Operation draw(const Caller& caller, const Handles& handles) override;

 protected:
  void learn(const WorkloadCall& call, const Outcome& outcome) override;
  void look(const RestTree& tree) override;

 private:
  std::string draw_name(std::size_t file);
  // The file that the name belongs to; none: to no file of this workload.
  Ino owner_of(const std::string& name) const;
  // All names belong to their files, and the ones that stay are there.
  void check_entries(const std::map<std::string, Ino>& entries, const std::string& who);

  std::size_t dir_ = 0;
  std::vector<std::size_t> files_;
  std::map<std::string, bool> there_;  // further names, as they were seen last
};

}  // namespace scoutfs::sim
