// Workload: one kind of work that the nodes do, as a class: what it lays out first, which
// operation a worker calls next, and what must hold of the answers and of the tree at rest.
//
// Every operation is judged against the model anyway (judge.hpp). What a workload checks beside
// that follows from how it works alone: it asks neither the model nor the engine for the order
// in which operations took effect.
//
// What it knows it learns from called() and answered() only, so that it also knows it in a run
// whose operations are decided (edits.hpp) and of which any may be missing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/judge.hpp"
#include "sim/operation.hpp"
#include "sim/oracle_board.hpp"
#include "sim/random.hpp"
#include "sim/workload_kind.hpp"

namespace scoutfs::sim {

struct Plan;

// What is written: each stamp's data tells itself from that of every other.
std::string stamped_data(std::uint64_t size, std::uint64_t stamp);
// The stamp of such data, as far as it has one.
std::uint64_t stamp_of(std::string_view data);

// An open file of one worker.
struct Handle {
  Ino ino;
  std::uint64_t opened_by = 0;  // which of the node's operations
  unsigned workload = 0;        // whose operation that was
};
using Handles = std::vector<Handle>;

struct Caller {
  unsigned node = 0;
  unsigned worker = 0;
  Life life = 0;
  auto operator<=>(const Caller&) const = default;
};

// An operation of a workload on its way. Calls and answers of all workloads are counted
// together: the counts say what came before what.
struct WorkloadCall {
  Caller caller;
  Operation op;
  std::uint64_t called_at = 0;
  std::uint64_t answered_at = 0;  // 0: not yet
};

// What a crash cannot take back any more.
struct Fates {
  // Nothing that the life has done may be missing: it serves, or it has left cleanly.
  std::function<bool(Life)> whole = [](Life) { return true; };
  std::map<Life, std::uint64_t> synced;  // what was answered before is durable

  bool keeps(Life life, std::uint64_t answered_at) const {
    const auto durable = synced.find(life);
    return whole(life) || (durable != synced.end() && answered_at < durable->second);
  }
  bool keeps(const WorkloadCall& call) const {
    return call.answered_at != 0 && keeps(call.caller.life, call.answered_at);
  }
};

// The tree as one node reads it when nobody changes anything.
struct RestTree {
  struct Node {
    format::Inode inode;
    std::string content;                 // of a regular file
    std::map<std::string, Ino> entries;  // of a directory; without . and ..
  };
  unsigned reader = 0;
  std::map<Ino, Node> nodes;

  // nullptr: it is not in the tree.
  const Node* find(Ino ino) const {
    const auto found = nodes.find(ino);
    return found == nodes.end() ? nullptr : &found->second;
  }
};

// The directories and files that are there before a workload's operations begin.
class Layout {
 public:
  static constexpr std::size_t kRoot = ~std::size_t{0};  // as a parent

  // `parent`: the number of one that was added before. Returns the number of this one.
  std::size_t add(std::size_t parent, std::string name, std::uint32_t mode);
  std::size_t add_directory(std::size_t parent, std::string name);
  std::size_t add_file(std::size_t parent, std::string name);

  // nullopt: all are there.
  std::optional<Operation> next() const;
  void answered(const WorkloadCall& call, const Outcome& outcome);
  // Nothing is known to be there.
  void start_over();

  Ino ino(std::size_t number) const { return places_[number].ino; }  // none: not there yet
  const std::string& name(std::size_t number) const { return places_[number].name; }
  std::size_t size() const { return places_.size(); }
  // All are there, and no crash can take one back.
  bool kept(const Fates& fates) const;

 private:
  struct Place {
    std::size_t parent = kRoot;
    std::string name;
    std::uint32_t mode = 0;
    Ino ino;
    bool exists = false;  // it was not created here
    Life life = 0;        // that made or found it
    std::uint64_t answered_at = 0;
  };
  Ino parent_of(const Place& place) const;

  std::vector<Place> places_;
};

struct WorkloadEnv {
  const Plan& plan;
  OracleBoard& board;
  const Fates& fates;
  SimRandom random;
};

class Workload {
 public:
  explicit Workload(const WorkloadEnv& env)
      : plan_(env.plan), board_(env.board), fates_(env.fates), random_(env.random) {}
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  virtual ~Workload() = default;

  virtual WorkloadKind kind() const = 0;

  // The next operation that lays out what it works on; nullopt: all is there. One worker does
  // them one after the other, before any other operation is called.
  std::optional<Operation> set_up() const { return layout_.next(); }
  void start_over() { layout_.start_over(); }

  // What a worker calls next. `handles`: what it has open by operations of this workload.
  virtual Operation draw(const Caller& caller, const Handles& handles) = 0;
  virtual void called(const WorkloadCall& call) { static_cast<void>(call); }
  void answered(const WorkloadCall& call, const Outcome& outcome) {
    layout_.answered(call, outcome);
    learn(call, outcome);
  }
  // The worker has closed a file that it had opened by an operation of this workload.
  virtual void closed(const Caller& caller, Ino ino) {
    static_cast<void>(caller);
    static_cast<void>(ino);
  }
  // Nothing is called any more, and nothing fails.
  void check(const RestTree& tree) {
    // Random operations lay nothing out, and all that they do the model judges.
    if (layout_.size() == 0 || !layout_.kept(fates_)) return;
    board_.ran("workload");
    look(tree);
  }

 protected:
  virtual void learn(const WorkloadCall& call, const Outcome& outcome) = 0;
  // Requires: all of the layout is there to stay.
  virtual void look(const RestTree& tree) { static_cast<void>(tree); }
  void fail(const std::string& what) {
    board_.fail("workload", std::string(to_string(kind())) + ": " + what);
  }

  const Plan& plan_;
  OracleBoard& board_;
  const Fates& fates_;
  SimRandom random_;
  Layout layout_;
};

std::string describe(const Caller& caller);  // "node1 (life 4, worker 0)"

// The inode that an answer told of; none: it told of none.
Ino found_by(const Operation& op, const Outcome& outcome);

// Of operations that a workload draws.
Operation on_inode(OpKind kind, Ino ino);
Operation on_name(OpKind kind, Ino dir, std::string name);
Operation new_file(OpKind kind, Ino dir, std::string name);
Operation sync_operation();
// All entries of a directory.
Operation whole_listing(Ino dir);

}  // namespace scoutfs::sim
