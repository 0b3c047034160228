// SharedCreates: all nodes create files in one directory, some under names that others want as
// well. Nothing is ever deleted: of those who create one name one wins, and what was created is
// there at rest, under its number.
#pragma once

#include <map>
#include <string>

#include "sim/workload.hpp"

namespace scoutfs::sim {

class SharedCreates final : public Workload {
 public:
  explicit SharedCreates(const WorkloadEnv& env);

  WorkloadKind kind() const override { return WorkloadKind::shared_creates; }
  Operation draw(const Caller& caller, const Handles& handles) override;
  void called(const WorkloadCall& call) override;

 protected:
  void learn(const WorkloadCall& call, const Outcome& outcome) override;
  void look(const RestTree& tree) override;

 private:
  struct Created {
    WorkloadCall call;  // without an answer as long as nobody has won
    Ino ino;
  };
  void check_listing(const std::map<std::string, Ino>& entries, std::uint64_t before,
                     const std::string& who);

  std::size_t dir_ = 0;
  std::uint64_t drawn_ = 0;                 // names that nobody else wants
  std::map<std::string, Created> created_;  // all that anybody tried to
};

}  // namespace scoutfs::sim
