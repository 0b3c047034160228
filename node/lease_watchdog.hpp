// LeaseWatchdog: a process that takes the kernel's caches away when this node's lease runs out
// and the daemon does nothing about it, because it stands still or is gone.
//
// A daemon that runs lets go by itself before its lease is over (kernel_cache.hpp). One that
// was stopped, or starves, cannot, and its kernel would serve what it has cached although
// others may change it by then. So a child of the daemon watches the clock. It shares one page
// of memory with the daemon, holds the FUSE session's descriptor as well, and sleeps until
// shortly before the end of the lease that it was last told of. If no other was given by then:
//
//   1. It voids all cached names and drops the pages of all files that ever had any. Attributes
//      and names also end by their timeouts, which never reach past the lease.
//   2. If that does not come to an end, because a page waits for an answer of the daemon that
//      does not come, it aborts the connection: every call of the mount fails from then on.
//   3. An answer that the daemon was just about to give when it stopped would reach the kernel
//      whenever it goes on. So each is given between begin_answer(), which looks at the lease,
//      and end_answer(); a daemon that stands there at the lease's end has its connection
//      aborted too.
//
// A daemon that goes on later has lost nothing but what was cached: if it still is a member it
// gets the next lease; if it was fenced its mount answers as `on-fence` says.
//
// If the child is killed, by somebody or for want of memory, the daemon starts another one.
//
// When the daemon is gone, the connection is aborted and all pages are dropped at once: what
// was cached is nobody's any more. The child ends with its daemon, and has no other files of
// it.
//
// Docs: docs/decisions/0012-caches-end-with-the-lease.md.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/clock.hpp"
#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "node/loop/unique_fd.hpp"

namespace scoutfs::node {

class LeaseWatchdog {
 public:
  // How long before the end of a lease it acts, at most.
  static constexpr TimeNs kEarly = 100 * kMillisecond;

  struct Session {
    int fd = -1;                   // stays open until this dies
    std::string directory;         // the mount point
    std::uint64_t connection = 0;  // its number in fusectl
    std::string run_directory;     // where fusectl may be mounted for an instant
  };
  // Starts the child. It acts on no lease before the first renewed(). Errors: io_error; `why`
  // tells.
  static Result<std::unique_ptr<LeaseWatchdog>> start(const Session& session, std::string& why);
  LeaseWatchdog(const LeaseWatchdog&) = delete;
  LeaseWatchdog& operator=(const LeaseWatchdog&) = delete;
  // Aborts the connection, if it is still there, and waits for the child.
  ~LeaseWatchdog();

  // It can abort the connection without ending the daemon.
  bool can_abort() const { return static_cast<bool>(abort_file_); }

  // Becomes readable when the child has ended, which it does not by itself while this lives.
  int ended_fd() const { return ended_.get(); }
  // Starts another child in place of the one that ended, or is about to: it is killed. Errors:
  // io_error; `why` tells, and there is no child then.
  Result<void> start_again(std::string& why);

  // The lease lasts until `end_ns` (CLOCK_BOOTTIME); the child acts at `act_ns` if nothing is
  // said before.
  void renewed(TimeNs act_ns, TimeNs end_ns);
  // Everything that the kernel had cached is dropped, and it gets nothing more until renewed().
  void let_go();

  // False: it is `limit_ns` or later, do not answer. Otherwise the answer is given now, and
  // end_answer() follows. `limit_ns` is no later than the lease's end.
  bool begin_answer(TimeNs limit_ns);
  void end_answer();

  // The kernel may have pages of the inode from now on, until the place is given back.
  std::uint32_t add_pages_of(Ino ino);
  void remove(std::uint32_t place);

 private:
  // In memory of both processes.
  struct Shared {
    std::atomic<TimeNs> act_ns;
    std::atomic<TimeNs> end_ns;
    std::atomic<std::uint32_t> answering;
  };
  struct Child;

  explicit LeaseWatchdog(int session) : session_(session) {}
  // The errno of what failed; 0: done.
  int prepare(const Session& session);
  int start_child();
  void end_child();

  int session_;
  Shared* shared_ = nullptr;
  UniqueFd abort_file_;  // none: fusectl cannot be used
  UniqueFd inodes_;      // a file of inode numbers, 8 bytes each; 0: the place is free
  // A pipe: a byte says look again, its end that the daemon is gone.
  UniqueFd control_, control_end_;
  UniqueFd ended_;  // of the child's process
  pid_t child_ = -1;
  std::uint32_t places_ = 0;
  std::vector<std::uint32_t> free_;
};

}  // namespace scoutfs::node
