// LockTable: the leader's side of the cluster locks.
//
// Each lock has holders (at most one a member, with a mode and a grant id) and a queue of
// requests, served strictly in order: the head waits until no other holder conflicts with it; a
// revoke is sent to each that does, once. Whoever stands behind a waiting head waits too, so
// nobody starves. The table sends nothing itself: it appends what must be said to a list that
// the caller delivers.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "engine/lock/lock.hpp"

namespace scoutfs::lock {

class LockTable {
 public:
  struct Grant {
    Rid to;
    RequestId request;
    LockId id;
    Mode mode{};
    GrantId grant;
  };
  struct Revoke {
    Rid to;
    LockId id;
    GrantId grant;
    Mode keep{};
  };
  // What the caller must send: the grants before the revokes, which may be of these very
  // grants.
  struct Output {
    std::vector<Grant> grants;
    std::vector<Revoke> revokes;
  };

  // Grant ids are unique over all leaders: they begin at `first_grant`.
  explicit LockTable(GrantId first_grant) : next_grant_(first_grant) {}

  void request(Rid from, RequestId request, LockId id, Mode mode, Output& out);
  // The member keeps `keep` of what `grant` gave it. A grant that is not its newest is ignored.
  void release(Rid from, LockId id, GrantId grant, Mode keep, Output& out);
  // A member says after a change of leaders what it holds. False if that conflicts with
  // another.
  [[nodiscard]] bool declare(Rid from, LockId id, Mode mode, GrantId grant);
  // Everything of a member that is dead or left.
  void forget(Rid member, Output& out);

  // Nothing is granted while it is paused (recovery).
  void pause() { paused_ = true; }
  void resume(Output& out);

  // Locks somebody waits for because of what `member` holds.
  std::vector<LockId> waited_for(Rid member) const;
  std::size_t size() const { return locks_.size(); }
  // Visits (lock, member, mode) of every holder: for oracles.
  template <class Visit>
  void for_each_holder(Visit visit) const {
    for (const auto& [id, state] : locks_) {
      for (const auto& [rid, holder] : state.holders) visit(id, rid, holder.mode);
    }
  }
  void check_invariants() const;

 private:
  struct Holder {
    Mode mode{};
    GrantId grant;
    Mode asked_to_keep{};  // the lowest mode a revoke of this grant has named; mode if none has
  };
  struct Request {
    Rid from;
    RequestId request;
    Mode mode{};
  };
  struct State {
    absl::btree_map<Rid, Holder> holders;
    std::deque<Request> queue;
  };

  void serve(LockId id, State& state, Output& out);
  // True if `request` can be granted now; otherwise asks those in its way.
  bool clear_way(LockId id, State& state, const Request& request, Output& out);

  absl::btree_map<LockId, State> locks_;
  GrantId next_grant_;
  bool paused_ = false;
};

}  // namespace scoutfs::lock
