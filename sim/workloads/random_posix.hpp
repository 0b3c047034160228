// RandomPosix: random operations of all nodes over one small namespace.
//
// It works as the kernel does: on inodes it has heard of, some of which are gone by now, and on
// open files. What one node learns another may use.
#pragma once

#include <string>
#include <vector>

#include "sim/plan.hpp"
#include "sim/workload.hpp"

namespace scoutfs::sim {

class RandomPosix final : public Workload {
 public:
  // It draws from `draws`, which must outlive it.
  RandomPosix(const WorkloadEnv& env, SimRandom& draws) : Workload(env), draws_(draws) {}

  WorkloadKind kind() const override { return WorkloadKind::random_posix; }
  Operation draw(const Caller& caller, const Handles& handles) override;

 protected:
  void learn(const WorkloadCall& call, const Outcome& outcome) override;

 private:
  static constexpr std::size_t kFilesMax = 16;
  static constexpr std::size_t kDirectoriesMax = 6;

  OpKind draw_kind();
  std::string draw_name();
  Ino draw_directory();
  Ino draw_file(const Handles& handles);
  std::string draw_data(std::uint64_t size_max);
  void draw_create(Operation& op);
  void draw_name_operation(Operation& op, const Handles& handles);
  void draw_data_operation(Operation& op, const Handles& handles);
  void draw_xattr_operation(Operation& op, const Handles& handles);
  static void remember(std::vector<Ino>& list, std::size_t max, Ino ino);

  SimRandom& draws_;
  std::vector<Ino> files_;   // regular
  std::vector<Ino> others_;  // symlinks and fifos
  std::vector<Ino> directories_{kRootIno};
};

}  // namespace scoutfs::sim
