// Server: what only the leader does.
//
// It owns the server tree (engine/lsm/durable_tree.hpp) and serves the members of the cluster:
// locks, commits, space, numbers, segment lists, index bounds, compaction. All of its state is
// in memory (ServerState, LockTable, the sessions); what must survive is in the server tree
// before anybody is told of it.
//
// Life: start() loads the tree and writes a checkpoint under the new term; then the server
// recovers: members that the tree names connect and declare what they hold, or are known to be
// dead and are reclaimed. Until none is missing it grants no lock, frees nothing and answers no
// walk; commits and releases are served (DESIGN 15, rules 8 and 13). Then it serves.
//
// A member that falls silent loses its connection and nothing else. When somebody needs what it
// holds and its lease is over, it is fenced and what it held is taken over (lost_members.cpp);
// where nobody alive can be fenced, all of it stays reserved until its death is certain.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/env/env.hpp"
#include "engine/lock/lock_table.hpp"
#include "engine/lsm/compaction.hpp"
#include "engine/lsm/durable_tree.hpp"
#include "engine/server/authority.hpp"
#include "engine/server/state.hpp"
#include "engine/session/channel.hpp"

namespace scoutfs::server {

struct ServerOptions {
  lsm::CompactionOptions compaction;
  TimeNs heartbeat_ns = 200 * kMillisecond;
  TimeNs silence_ns = 2 * kSecond;
  TimeNs lease_ns = 1'500 * kMillisecond;  // at most kLeaseMax
  // A silent member is fenced when somebody has waited for its locks this long; or for what
  // else it holds up (the index, freed space, compaction) so long; and after a change of
  // leaders, when it has not come back for so long.
  TimeNs fence_after_ns = kSecond;
  TimeNs fence_idle_after_ns = 30 * kSecond;
  TimeNs recovery_grace_ns = 5 * kSecond;
  // Until when the votes let this leader lead (StorageAuthority); null: they do not limit it.
  std::function<TimeNs()> votes_end_ns;
};

class Server {
 public:
  // `on_failed` is called once if the server can go on no longer (its device failed it, or
  // there is a newer leader).
  Server(Env env, lsm::SegmentCache& cache, format::Superblock superblock, Term term, Rid self,
         ServerOptions options, std::function<void(Error)> on_failed);
  ~Server();

  // Errors: corrupt, those of the device.
  Task<Result<void>> start();
  // Serves one incoming connection, whose first frame was read already, until it ends.
  Task<void> serve(std::unique_ptr<Connection> connection, std::string first);
  // Ends all sessions, waits for what is running, writes the last checkpoint; also after a
  // start() that failed. After it returns, everything the server ever wrote has been answered.
  // Errors: those of the device.
  Task<Result<void>> stop();

  Term term() const { return term_; }
  bool recovering() const { return recovering_; }

  struct MemberStatus {
    format::Member member;
    bool connected = false;
    bool declared = false;
    Seq oldest_open_seq;
    std::string standing;          // what is being done about it; empty: nothing is wrong
    std::uint64_t waited_for = 0;  // locks others wait for
  };
  struct Status {
    std::vector<MemberStatus> members;
    std::uint64_t segments = 0, level0_segments = 0, debt_blocks = 0;
    // Operations get no space while no more than the reserve is free.
    std::uint64_t free_blocks = 0, reserved_blocks = 0, replaced_blocks = 0;
    std::string waits_for;
  };
  Status status() const;
  // Operations get no space for data.
  bool full() const { return state_->free_blocks() <= reserve_blocks(); }

  const ServerState& state() const { return *state_; }
  const lock::LockTable& locks() const { return locks_; }
  void check_invariants() const;

 private:
  // One member's session. Kept while the member's record is.
  struct Session {
    Rid rid;
    std::shared_ptr<session::Channel> channel;  // null until its first greeting to this leader
    bool declared = false;
    bool silent = false;  // told the operator
    std::set<Seq> open_seqs;
    Seq commit_asked;  // the newest CommitWanted sent
    Version oldest_list;
    std::map<Ino, bool> open_inodes;
    std::uint64_t jobs = 0;         // running
    TimeNs jobs_held_until_ns = 0;  // it failed one
    // Nothing it holds is given away before, by this clock.
    TimeNs lease_until_ns = 0;
    TimeNs lost_ns = 0;    // since when it has been without a connection; 0: it has one
    TimeNs needed_ns = 0;  // and since when somebody has waited for its locks; 0: nobody does
    std::string standing;
  };
  // Whether a lost member is known to be gone, or may still run and must be fenced.
  enum class Gone : std::uint8_t { certainly, perhaps };
  struct RunningJob {
    lsm::Job job;
    Rid rid;
  };

  // The Welcome, or the Refusal, of a greeting; records a new member before it answers.
  Task<Result<session::Setup>> admit(session::Greeting greeting);
  Task<Result<session::Setup>> admit_new(session::Greeting greeting);

  // --- lost_members.cpp ---
  // Declares a member dead, has it fenced if it may still run, and takes over what it held.
  // Each member once at a time: a second caller waits for the first. Goes on where an earlier
  // leader stopped. Returns early, with the member still dead and reserved, if the server ends.
  Task<void> take_over(Rid rid, Gone gone);
  Task<Result<void>> declare_dead(Rid rid);
  Task<Result<void>> fence_off(Rid rid);
  Task<Result<void>> reclaim(Rid rid);
  Task<void> watch_lost();
  Task<void> look_after(format::Member member);
  bool needed(Rid rid);
  bool serves(Rid rid) const;  // it is a member and not dead

  // --- what only a leader that is sure of itself does ---
  // Locks are granted from here on, or not.
  void follow_authority();
  // Returns when this leader is sure of itself and has recovered, or the server ends.
  Task<void> await_authority();
  void grant_lease(Session& session, RequestId id);
  session::Refusal refusal(session::Refusal::Why why) const;
  void open_session(Rid rid);
  std::uint16_t free_slot() const;

  void on_message(Rid rid, std::string bytes);
  void on_request(Session& session, RequestId id, session::Request request);
  void on_notice(Session& session, session::MemberNotice notice);
  void on_unlinked(const Session& session, const session::Unlinked& unlinked);
  void on_closed(Session& session, Ino ino);
  bool is_open(Ino ino, Rid except) const;
  void forget_open(Rid rid);
  void answer(Rid to, RequestId id, session::Answer answer);
  void notify(Rid to, session::LeaderNotice notice);
  void deliver(const lock::LockTable::Output& output);
  std::vector<Ino> open_elsewhere(lock::LockId id, Rid except) const;

  // Commits what state_ has changed; the answer goes out when that is durable.
  Task<Result<void>> commit_changes();
  Task<void> answer_when_durable(Rid to, RequestId id, session::Answer reply);

  void declare(Session& session, RequestId id, const session::Declare& declare);
  Task<void> do_commit(Rid rid, RequestId id, session::Commit commit);
  Task<void> do_space(Rid rid, RequestId id, session::SpaceRequest request);
  Task<void> do_space_return(Rid rid, RequestId id, session::SpaceReturn request);
  Task<void> do_list(Rid rid, RequestId id, session::ListRequest request);
  Task<void> do_bound(Rid rid, RequestId id, session::BoundRequest request);
  Task<void> do_job_result(Rid rid, RequestId id, session::JobResult result);
  Task<void> do_farewell(Rid rid, RequestId id);
  void violation(Rid rid, std::string_view what);
  void fail_server(Error error, std::string_view why);

  Task<void> recover();
  void finish_recovery();
  Task<void> beat();
  Task<void> compact();
  Task<void> commit_quietly();
  Task<void> offer_job(JobId id);
  bool start_one_job();
  // Nothing is being merged, and nothing can be for a while.
  bool compaction_stalled() const;
  Session* job_runner();
  void free_unreferenced();
  void beat_once();
  Seq oldest_open() const;
  // Kept free of data, so that deletions work when the device is full: for the segments of
  // their commits, and for the outputs of compaction, which make room again.
  std::uint64_t commit_reserve_blocks() const;
  std::uint64_t compaction_reserve_blocks() const;
  std::uint64_t reserve_blocks() const;

  Env env_;
  Term term_;
  Rid self_;
  ServerOptions options_;
  std::function<void(Error)> on_failed_;
  std::uint64_t slot_limit_ = 0;  // slots that may be given out: configured ones, or all
  Fsid fsid_;

  lsm::DurableTree tree_;
  std::unique_ptr<ServerState> state_;
  lock::LockTable locks_;
  lsm::CompactionPicker picker_;
  std::map<Rid, Session> sessions_;
  std::map<JobId, RunningJob> jobs_;
  std::multiset<Version> lists_in_flight_;
  // Without links, and open on some member: the last of them to close it is to delete it.
  std::set<Ino> unlinked_open_;

  bool tree_opened_ = false;
  StorageAuthority authority_;
  bool granting_ = false;  // locks; not while recovering, nor without authority
  std::set<Rid> taking_over_;
  std::set<Rid> certainly_dead_;  // of those being taken over: no fence is needed any more
  TimeNs started_ns_ = 0;

  bool recovering_ = true;
  bool stopping_ = false;
  bool failed_ = false;
  std::string waits_for_;
  TimeNs jobs_held_until_ns_ = 0;  // there was no space for the output of one
  Mutex membership_;               // admissions and burials, one at a time
  WaitQueue changed_;  // recovery, bounds, back-pressure: re-check after each change
  WaitQueue compact_wake_;
  Cancellation cancellation_;  // ends the background tasks
  TaskScope background_;
  TaskScope handlers_;
};

}  // namespace scoutfs::server
