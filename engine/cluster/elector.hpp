// Elector: who leads, decided among the voters of the volume (DESIGN 8; docs/protocol.md,
// "Who leads").
//
// A term is (number, slot of the leader), so it has one leader at most. The voters are the
// slots in use: configured ones on a volume that has a configuration, all of them otherwise. A
// slot that nobody holds, whose holder left, or whose holder is known to be dead does not
// count. More than half of the voters elect; one is enough where there are one or two.
//
// Following. A voter hears the leader's beats and answers them. While it has heard one within
// the lease time it votes for nobody else. When it has heard none for longer (randomly longer,
// so that one comes first) it asks the others whether they would vote for it (a poll, which
// changes nothing), then writes its vote for itself into its own quorum block, asks for theirs,
// which they write into their blocks before they answer, and has won with more than half.
//
// Winning. The winner makes its ELECT durable and registers its term with the storage; only
// then does it read all quorum blocks from the device. A higher term there: it writes STOP and
// stands down. Otherwise it fences every other leader that has an ELECT without STOP. After
// that, and not before, it may read the superblock and the journal (DESIGN 15, rule 3). Votes
// decide who tries; what keeps an old leader from harm is this order alone.
//
// Leading. It beats to the voters; each round that more than half of them answered renews its
// authority until the round's send time plus the lease. Without one for a lease time, or when
// it learns of a higher term, it is deposed: win()'s caller ends the server, then says
// stopped(), which writes STOP. A leader that resigns names a successor, which stands at once.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/cluster/peer_links.hpp"
#include "engine/cluster/slot_keeper.hpp"
#include "engine/env/env.hpp"

namespace scoutfs::cluster {

struct ElectorOptions {
  TimeNs heartbeat_ns = 200 * kMillisecond;
  TimeNs lease_ns = kSecond;  // a leader not heard for so long may be replaced
};

class Elector {
 public:
  // `keeper` holds this node's slot, if it has one; without one it only follows.
  Elector(Env env, const format::Superblock& superblock, SlotKeeper& keeper, Address listen,
          ElectorOptions options);

  void start();
  // Ends all of it. Requires: no server of ours runs.
  Task<void> stop();

  // Serves an incoming connection whose first frame is a voter's hello, until it ends.
  Task<void> serve(std::unique_ptr<Connection> connection, std::string hello);

  // Waits until this node leads and every earlier leader has stopped or is fenced. nullopt: the
  // cancellation was requested.
  Task<std::optional<Term>> win(Cancellation* cancellation);
  // The server's way to the disk is open. Nobody has won a later term, or else it sees this way
  // and fences it: a storage may not remember the fence of somebody it does not know yet.
  // Errors: fenced (somebody has), those of the device.
  Task<Result<void>> confirm(Term term);
  // Members may come: told with the beats.
  void set_serving();
  // False once the leadership that win() returned is over, for whatever reason.
  bool leads(Term term) const { return role_ == Role::leading && term_ == term; }
  // Ends the leadership, if it is not over yet; leads() is false from here on.
  void give_up(std::string_view why);
  // How the server of a term ended.
  enum class Ending : std::uint8_t {
    resigned,  // all of its writes are answered; another voter is to stand at once
    stopped,   // all of its writes are answered
    in_doubt,  // some may still be carried out: whoever leads next has it fenced
  };
  // The server of the term has ended; STOP becomes durable unless that is in doubt.
  // `hold_off_ns`: how long this node does not stand again by itself. Errors: those of the
  // device; then it is tried again with the next write of the block.
  Task<Result<void>> stopped(Ending ending, TimeNs hold_off_ns);

  // The send time of the newest round of beats that more than half of the voters answered;
  // kForever where one voter is enough.
  TimeNs majority_ns() const;
  // Until when no voter that answered it votes for another, by this node's clock: the votes
  // vouch for the leader until then. kForever where one voter is enough.
  TimeNs votes_end_ns() const;
  TimeNs lease_ns() const { return options_.lease_ns; }

  // Who leads as far as this node heard, by beats.
  struct Leader {
    Term term;
    std::uint16_t slot = 0;
    Incarnation who;
    Address address;
    bool serving = false;
  };
  const std::optional<Leader>& leader() const { return leader_; }
  // Woken when leader() or leads() changes.
  WaitQueue& changed() { return changed_; }

  // For the operator: slots that vote now, and what keeps this node from leading, in words.
  std::vector<std::uint16_t> voters() const;
  const std::string& waits_for() const { return waits_for_; }

 private:
  enum class Role : std::uint8_t {
    following,
    standing,    // asks for votes
    taking,      // has won; fences those before it
    leading,     // win() has returned, or will
    winding_up,  // deposed; the server has not ended yet
  };
  struct Ballot {
    std::uint64_t number = 0;
    std::set<std::uint16_t> yes, no;
  };
  using Blocks = QuorumRegion::Blocks;

  // Standing.
  Task<void> stand_when_due();
  Task<void> campaign();
  Task<bool> ask(PeerRequest::Kind kind, Term term, std::vector<format::QuorumBlock> voters);
  Task<bool> vote_for(Term term);
  bool may_stand(const Blocks& blocks);
  void put_off(TimeNs at_least_ns);

  // Taking over.
  Task<void> take_over(Term term);
  Task<Result<void>> make_elected(Term term);
  Task<Result<bool>> fence_others(Term term);
  Task<Result<bool>> fence_one(Term term, format::QuorumBlock other);
  Task<void> stand_down();
  Task<Result<void>> write_stop();
  Task<void> resign();

  // Leading.
  Task<void> beat();
  void beat_once();
  void depose(std::string_view why);

  // Answering.
  Task<bool> consider(PeerHello hello, PeerRequest request);
  bool would_vote(const PeerRequest& request) const;
  bool on_beat(const PeerHello& hello, const PeerRequest& request);
  bool on_resign(const PeerRequest& request);
  void on_answer(std::uint16_t slot, PeerAnswer answer);
  Task<void> probe(Leader leader);

  // The dead.
  void look_for_dead();
  Task<void> ask_if_dead(format::QuorumBlock block);
  bool is_dead(Incarnation who) const { return dead_.contains(who); }

  std::vector<format::QuorumBlock> voters_of(const Blocks& blocks) const;
  void send(const format::QuorumBlock& to, const PeerRequest& request);
  bool hears_leader() const;
  void forget_leader();
  Term newest_known() const;
  std::uint16_t own() const { return keeper_.slot(); }
  static std::size_t needed(std::size_t voters) { return voters <= 2 ? 1 : voters / 2 + 1; }

  Env env_;
  Fsid fsid_;
  std::vector<format::SlotConfig> config_;
  std::uint64_t slots_version_;
  SlotKeeper& keeper_;
  Address listen_;
  ElectorOptions options_;

  Role role_ = Role::following;
  Term term_;  // of our candidacy or leadership
  Term seen_;  // the newest term a peer spoke of
  bool serving_ = false;
  bool announced_ = false;  // win() has returned it
  TimeNs stand_at_ns_ = 0;
  std::optional<Leader> leader_;
  TimeNs heard_ns_ = 0;  // when it last beat; 0: it has not, or is gone
  std::optional<Ballot> ballot_;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, TimeNs> rounds_;        // of beats: when sent
  std::map<std::uint16_t, TimeNs> confirmed_ns_;  // by slot: send time of its newest answered
  TimeNs won_ns_ = 0;  // when the votes were asked for that made this leadership
  std::set<Incarnation> dead_;
  std::set<Incarnation> asking_;  // whether they are dead
  std::map<Incarnation, TimeNs> ask_again_ns_;
  std::string waits_for_;
  bool stopping_ = false;

  Mutex voting_;  // votes are given one at a time
  WaitQueue changed_;
  Cancellation cancellation_;
  PeerLinks links_;
  std::array<std::shared_ptr<Connection>, format::kSlotsMax> incoming_;  // by sender
  TaskScope scope_;
};

}  // namespace scoutfs::cluster
