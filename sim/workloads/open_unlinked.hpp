// OpenUnlinked: each worker makes files of its own, keeps some open, and writes and reads them;
// all nodes unlink whichever they have heard of. An open file stays as its owner left it, with
// or without a name; a name that was taken away does not come back.
#pragma once

#include <map>
#include <string>

#include "sim/workload.hpp"

namespace scoutfs::sim {

class OpenUnlinked final : public Workload {
 public:
  explicit OpenUnlinked(const WorkloadEnv& env);

  WorkloadKind kind() const override { return WorkloadKind::open_unlinked; }
  Operation draw(const Caller& caller, const Handles& handles) override;
  void called(const WorkloadCall& call) override;
  void closed(const Caller& caller, Ino ino) override;

 protected:
  void learn(const WorkloadCall& call, const Outcome& outcome) override;
  void look(const RestTree& tree) override;

 private:
  struct OpenFile {
    Caller owner;
    std::string content;
    bool known = true;  // no write of it has failed
  };
  struct Name {
    std::optional<WorkloadCall> created, unlinked;  // answered with success
    bool to_unlink = false;                         // somebody has tried to
  };
  void check_open(const WorkloadCall& call, const Outcome& outcome, OpenFile& file);

  std::size_t dir_ = 0;
  std::uint64_t drawn_ = 0;
  std::map<Ino, OpenFile> open_;
  std::map<std::string, Name> names_;
};

}  // namespace scoutfs::sim
