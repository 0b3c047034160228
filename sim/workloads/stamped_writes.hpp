// StampedWrites: all nodes write to the same few files, and what each writes names the write in
// every eight bytes. Whoever reads can tell whose bytes they are, and whether they may be
// there: written, to that place, not replaced by a write that was answered before the read
// began, and of two writes that cover the same place never both.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/workload.hpp"

namespace scoutfs::sim {

class StampedWrites final : public Workload {
 public:
  explicit StampedWrites(const WorkloadEnv& env);

  WorkloadKind kind() const override { return WorkloadKind::stamped_data; }
  Operation draw(const Caller& caller, const Handles& handles) override;
  void called(const WorkloadCall& call) override;

 protected:
  void learn(const WorkloadCall& call, const Outcome& outcome) override;
  void look(const RestTree& tree) override;

 private:
  struct Write {
    WorkloadCall call;
    bool failed = false;

    std::uint64_t begin() const { return call.op.offset; }
    std::uint64_t end() const { return call.op.offset + call.op.data.size(); }
  };
  // What is read from one place to another: of one write, or nothing but zeros.
  struct Piece {
    std::uint64_t begin = 0, end = 0;
    const Write* write = nullptr;
  };
  struct Read {
    Ino file;
    std::uint64_t offset = 0;
    std::string_view bytes;
    bool to_the_end = false;  // of the file
    std::uint64_t called_at = 0;
    std::string who;
  };

  void check_read(const Read& read);
  std::vector<Piece> pieces_of(const Read& read);
  void check_fresh(const Read& read, const Piece& piece);
  void check_whole(const Read& read, const std::vector<Piece>& pieces);

  std::vector<std::size_t> files_;
  std::uint64_t drawn_ = 0;
  std::map<std::uint64_t, Write> writes_;  // by stamp
};

}  // namespace scoutfs::sim
