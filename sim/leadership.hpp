// Leadership: what the storage knows of the leaders' own ways to it, and whether leaders keep
// the rules (DESIGN 15, rule 3).
//
// It says no when a vote leaves that is not in the voter's block on the disk, or when a slot
// votes twice in a term or in an older one; when an ELECT that is told of is not on the disk;
// when a term is led twice, or after a newer one; when a leader begins to read while an older
// one could still write; when STOP is written while the server's writes are on their way.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cluster/peer_messages.hpp"
#include "engine/env/milestones.hpp"
#include "engine/format/quorum.hpp"
#include "sim/disk.hpp"
#include "sim/judge.hpp"
#include "sim/world.hpp"

namespace scoutfs::sim {

class Leadership {
 public:
  Leadership(World& world, SharedDisk& disk) : world_(world), disk_(disk) {}

  void set_fsid(Fsid fsid) { fsid_ = fsid; }

  // A server's own way to the array. Errors: fenced.
  Result<std::shared_ptr<DiskPath>> open(unsigned node, Life life, Incarnation who);
  // nullptr: it has never been opened.
  std::shared_ptr<DiskPath> path_of(Incarnation who) const;
  std::vector<std::shared_ptr<DiskPath>> paths_of(Life life) const;
  // It was fenced before it was opened. A storage that remembers that refuses it later; another
  // admits it, and it must not write.
  enum class Memory : std::uint8_t { remembers, forgets };
  void fenced_unseen(Incarnation who, Memory memory) {
    (memory == Memory::remembers ? refused_ : late_).insert(who);
  }

  // `slot` is the node's.
  void reached(unsigned node, std::uint16_t slot, Life life, Incarnation mount,
               Milestone milestone, Term term);
  void died(Life life) { dead_.insert(life); }
  // A message between nodes.
  void sent(unsigned from, unsigned to, std::string_view message);

 private:
  struct Way {
    Life life = 0;
    std::shared_ptr<DiskPath> path;
  };
  struct Reign {
    Life life = 0;
    Incarnation server;
    bool stopped = false;
  };

  format::QuorumBlock durable_block(std::uint16_t slot) const;
  // Nothing of it can land on the disk any more.
  bool harmless(const Reign& reign) const;
  void began(unsigned node, Life life, Incarnation mount, Term term);
  void stopped(unsigned node, Term term);
  // Once in a term and in no older one, whoever holds the slot.
  void voted(unsigned node, std::uint16_t slot, Term term);

  World& world_;
  SharedDisk& disk_;
  Fsid fsid_;
  std::map<Incarnation, Way> ways_;
  std::set<Incarnation> refused_, late_;
  std::map<unsigned, std::uint16_t> slot_of_;  // by node, as those who speak to it say
  std::set<Life> dead_;
  std::map<Term, Reign> reigns_;
  std::map<std::uint16_t, Term> voted_;  // the newest, by slot
  // (asker, voter, number of the request): the term it asks for.
  std::map<std::tuple<unsigned, unsigned, std::uint64_t>, Term> asked_;
};

}  // namespace scoutfs::sim
