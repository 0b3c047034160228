// Appends: all nodes append records to the same few files. Every record that was answered is in
// its file once and whole, at the offset that was answered, and those of one writer are in the
// order in which it wrote them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/workload.hpp"

namespace scoutfs::sim {

class Appends final : public Workload {
 public:
  explicit Appends(const WorkloadEnv& env);

  WorkloadKind kind() const override { return WorkloadKind::appends; }
  Operation draw(const Caller& caller, const Handles& handles) override;
  void called(const WorkloadCall& call) override;

 protected:
  void learn(const WorkloadCall& call, const Outcome& outcome) override;
  void look(const RestTree& tree) override;

 private:
  struct Record {
    WorkloadCall call;
    bool succeeded = false;
    std::uint64_t offset = 0;  // as it was answered
  };
  using Found = std::set<std::uint64_t>;  // records, by their stamps

  // The records of a file from its beginning on. `whole`: nothing is cut off at the end.
  Found parse(Ino file, std::string_view content, bool whole, const std::string& who);

  std::vector<std::size_t> files_;
  std::uint64_t drawn_ = 0;
  std::map<std::uint64_t, Record> records_;  // by stamp
};

}  // namespace scoutfs::sim
