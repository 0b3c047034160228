// IscsiSession: one login at one logical unit of an iSCSI target, and commands on it.
//
// libiscsi runs in the node's event loop: commands are queued in the library, the loop watches
// its socket, and the library calls back when the target has answered. Many may be in flight.
//
// Where the unit is reset, the target aborts what is in flight and answers none of it; the next
// command is told by a unit attention, and what was issued before it then ends as lost. So that
// there is a next command, one that waits long is followed by a question of no effect. A target
// that leaves even that unanswered has lost the session.
//
// Commands are numbered, and a target waits for each number in turn. The library takes back
// what it has not sent, but not its number, and stops in the middle of what it is sending: then
// the target waits forever, or reads the next command as data. So nothing is taken back before
// all that was queued is sent, and a reset, for which the library takes back everything, is
// asked for only when nothing is in flight. Meanwhile nothing new is issued.
//
// A session that is lost stays lost: what is in flight fails with disconnected, nothing is sent
// again, and the library's own reconnecting is off. A login with the same initiator name and
// session id takes the place of the old session: the target then ends what the old one still
// had to do (RFC 7143, session reinstatement) before it admits the new one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "engine/async/sync.hpp"
#include "engine/base/result.hpp"
#include "node/loop/event_loop.hpp"

struct iscsi_context;
struct scsi_task;

namespace scoutfs::iscsi {

// Who logs in: the name and the id together are the initiator port that reservations belong to.
struct Initiator {
  std::string name;           // an iSCSI qualified name
  std::uint32_t session = 0;  // 24 bits
};

struct SessionLimits {
  TimeNs silence_ns = 500 * kMillisecond;  // of a command; then the unit is asked
  TimeNs mute_ns = 10 * kSecond;           // of such a question; then the session is lost
};

class IscsiSession {
 public:
  // Logs in. `uri` is iscsi://[USER[%PASSWORD]@]HOST[:PORT]/TARGET/LUN. On failure `why` says
  // what to tell the operator. The loop must outlive the session.
  // Errors: invalid (the URI), disconnected (unreachable, refused).
  static Task<Result<std::unique_ptr<IscsiSession>>> login(node::EventLoop& loop,
                                                           std::string uri, Initiator initiator,
                                                           std::string& why,
                                                           SessionLimits limits = {});
  // Requires: no command is in flight, or the node was killed.
  ~IscsiSession();

  enum class Outcome : std::uint8_t {
    good,
    conflict,     // somebody's reservation excludes this initiator; nothing was done
    unsupported,  // the target does not know such a command
    failed,       // a medium or hardware error
    lost,         // aborted, or the session is gone: how much of it was done is open
  };
  struct Reply {
    Outcome outcome = Outcome::lost;
    std::string data;  // what the target sent, where no buffer was given
    std::string why;   // of a failure, in the library's words
  };
  // Queues a command in the library, with on_done() and `command` as its callback, and says
  // which task it is; false if the library refused.
  using Issue =
      std::function<bool(iscsi_context*, unsigned lun, void* command, scsi_task*& task)>;
  static void on_done(iscsi_context* context, int status, void* data, void* command);
  // Runs a command to its end. What the target did not begin (busy, unit attention) is issued
  // again. The buffers that `issue` names live until then.
  Task<Reply> run(Issue issue);
  // Ends every command of every initiator at this logical unit, but lets those of this session
  // end first. Other sessions learn of it by a unit attention. Errors: io_error (refused),
  // disconnected.
  Task<Result<void>> reset_unit();

  bool connected() const { return context_ != nullptr; }
  // Ends the session; what is in flight ends with `lost`.
  void drop();

 private:
  struct Command;
  struct Closed {
    void operator()(iscsi_context* context) const;
  };
  using Context = std::unique_ptr<iscsi_context, Closed>;
  struct Attempt {
    Context context;
    unsigned lun = 0;
    Errc code = Errc::disconnected;
    std::string why;
  };
  // What to do after an answer.
  enum class Next : std::uint8_t {
    finish,
    again,              // it was not begun
    again_after_abort,  // nor will what was issued before it be answered: the unit was reset
    later,              // the target is busy
    drop,
  };

  IscsiSession(node::EventLoop& loop, Context context, unsigned lun, SessionLimits limits);
  static Attempt attempt(const std::string& uri, const Initiator& initiator);
  static void on_managed(iscsi_context* context, int status, void* data, void* command);
  static Next judge(const Command& command, Reply& reply);
  // The target has aborted what was issued before this command and will not say so. Returns
  // when all of it has ended.
  Task<void> forget_before(std::uint64_t number);
  bool is_in_flight_before(std::uint64_t number) const;
  // Whether the library has something to send.
  bool is_sending() const;
  Task<std::shared_ptr<Command>> run_once(const Issue& issue);
  enum class Patience : std::uint8_t { asks, waits };
  Task<std::shared_ptr<Command>> carry_out(const Issue& issue, Patience patience);
  // Asks the unit whether it is there.
  Task<void> probe();
  void on_ready(std::uint32_t events);
  void update_events();

  node::EventLoop& loop_;
  Context context_;  // null: lost
  unsigned lun_;
  SessionLimits limits_;
  // A duplicate of the library's descriptor: the library closes its own whenever it likes.
  node::UniqueFd socket_;
  node::Watch watch_;
  Semaphore slots_;  // commands that may be in flight
  std::map<std::uint64_t, std::shared_ptr<Command>> in_flight_;  // in the order of issue
  std::uint64_t next_number_ = 1;
  bool servicing_ = false;  // within the library: it must not be closed
  // Of who needs that nothing new is issued.
  struct Hold;
  int holds_ = 0;
  WaitQueue released_;  // no more holds
  WaitQueue moved_;     // something was sent or has ended
};

}  // namespace scoutfs::iscsi
