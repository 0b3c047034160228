// Lease: this node's right to answer operations, as long as the leader keeps it.
//
// The leader promises that until a lease ends nothing this node holds is given to anybody else.
// Whoever answers an operation looks here after the last thing it waited for: if the lease is
// valid then, what it read under its locks is still so. After a pause that was longer than the
// lease it waits for the next one; if that comes, nobody else had the locks meanwhile, and if
// this incarnation was declared dead it never does.
//
// A lease is counted from the instant its request was sent, by this node's clock, and shorter
// than the leader counts it (engine/env/drift.hpp).
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/client/leader_session.hpp"
#include "engine/env/env.hpp"

namespace scoutfs::client {

class Lease {
 public:
  // Asks anew `interval_ns` after it last asked. It counts as over `answer_time_ns` before its
  // end: what an answer may take from valid() to whoever asked.
  Lease(Env env, LeaderSession& session, TimeNs interval_ns, TimeNs answer_time_ns);

  void start() { scope_.spawn(renew()); }
  // Called with the end of each lease, when the answer that gave it has come.
  void set_on_renewed(std::function<void(TimeNs end_ns)> callback) {
    on_renewed_ = std::move(callback);
  }
  Task<void> stop();
  // It is over for good; who waits for it ends with `code`.
  void fail(Errc code);

  bool valid() const {
    return !failed_.has_value() && env_.clock.now_ns() + answer_time_ns_ < end_ns_;
  }
  // Returns when it is valid. Errors: that of the failure (fenced, stopping, io_error, ...).
  Task<Result<void>> wait();
  bool waited_for() const { return !renewed_.empty(); }

 private:
  Task<void> renew();

  Env env_;
  LeaderSession& session_;
  TimeNs interval_ns_;
  TimeNs answer_time_ns_;
  std::function<void(TimeNs)> on_renewed_;
  TimeNs end_ns_ = 0;
  bool stopping_ = false;
  std::optional<Errc> failed_;
  WaitQueue renewed_;
  Cancellation cancellation_;
  TaskScope scope_;
};

}  // namespace scoutfs::client
