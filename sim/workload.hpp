// Workload: random operations of all nodes over one small namespace.
//
// It works as the kernel does: on inodes it has heard of, some of which are gone by now, and on
// open files. What one node learns another may use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/judge.hpp"
#include "sim/operation.hpp"
#include "sim/plan.hpp"
#include "sim/random.hpp"

namespace scoutfs::sim {

class Workload {
 public:
  Workload(const Plan& plan, SimRandom random) : plan_(plan), random_(random) {}

  // Open files of one worker.
  using Handles = std::vector<Ino>;

  Operation draw(const Handles& handles);
  // What the answer of an operation tells of the tree.
  void learn(const Operation& op, const Outcome& outcome);
  SimRandom& random() { return random_; }

  // One more operation may be called; counts it.
  bool take();
  std::uint64_t taken() const { return taken_; }

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

  const Plan& plan_;
  SimRandom random_;
  std::uint64_t taken_ = 0;
  std::vector<Ino> files_;   // regular
  std::vector<Ino> others_;  // symlinks and fifos
  std::vector<Ino> directories_{kRootIno};
};

}  // namespace scoutfs::sim
