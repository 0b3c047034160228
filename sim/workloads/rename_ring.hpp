// RenameRing: all nodes move the same few files and directories between the same directories,
// some of which move themselves. However they do it, each is in exactly one place at rest.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/workload.hpp"

namespace scoutfs::sim {

class RenameRing final : public Workload {
 public:
  explicit RenameRing(const WorkloadEnv& env);

  WorkloadKind kind() const override { return WorkloadKind::rename_ring; }
  Operation draw(const Caller& caller, const Handles& handles) override;

 protected:
  void learn(const WorkloadCall& call, const Outcome& outcome) override;
  void look(const RestTree& tree) override;

 private:
  Ino draw_place();
  Ino ino_of(const std::string& name) const;

  std::vector<std::size_t> places_;       // directories, by their numbers in the layout
  std::vector<std::size_t> tokens_;       // what moves
  std::map<std::string, Ino> last_seen_;  // token by name -> directory
};

}  // namespace scoutfs::sim
