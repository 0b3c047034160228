// FuseMount: a FileSystem as a directory of this host, through FUSE.
//
// The session's descriptor is one more file of the event loop. Each request the kernel sends
// becomes a coroutine that asks the FileSystem and answers when it has the result, so that any
// number of them are under way at once and one that waits for a lock holds up nobody.
//
// What the kernel may cache, and when it must let go of it, is kernel_cache.hpp's. Files that
// are opened for writing bypass its page cache in every mode: what a process writes is in the
// cluster when its write returns. So mapping a file shared and writable is refused by the
// kernel (ENODEV); private and read-only mappings work.
//
// The daemon must never look at its own mount: it would wait for itself.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/async/list.hpp"
#include "engine/async/scope.hpp"
#include "engine/env/log.hpp"
#include "engine/fs/filesystem.hpp"
#include "node/ioctl_protocol.hpp"
#include "node/kernel_cache.hpp"
#include "node/loop/event_loop.hpp"
#include "node/loop_device.hpp"
#include "node/mount_config.hpp"
#include "node/read_ahead.hpp"

struct fuse_session;
struct fuse_buf;

namespace scoutfs::node {

class FuseCall;
struct FuseCallTag;

struct FuseOptions {
  std::string directory;      // the mount point
  std::string device;         // shown as the mount's source, where that can be
  std::string run_directory;  // for what is needed only while it is mounted
  SyncDelivery sync_delivery = SyncDelivery::where_possible;
  // false: file locks answer ENOLCK. true: the kernel keeps them, each node its own.
  bool local_locks = false;
  std::optional<CacheMode> cache;         // nullopt: the most that the kernel can
  std::vector<std::string> kernel_flags;  // of mount(8), as "ro"
  protocol::MountInfo info{};             // what programs are told about the mount
};

class FuseMount final : private ReadAhead::Source {
 public:
  // Mounts. From here on requests are served by the loop. `filesystem` and `cache` must outlive
  // the mount. Errors: io_error, unsupported; `why` says what to tell the operator.
  static Result<std::unique_ptr<FuseMount>> mount(EventLoop& loop, Log& log,
                                                  fs::FileSystem& filesystem,
                                                  KernelCache& cache, FuseOptions options,
                                                  std::string& why);
  // Requires: finish() has completed, or the node was killed.
  ~FuseMount() override;

  // Called once, when the kernel has ended the session: somebody unmounted it.
  void set_on_ended(std::function<void()> callback) { on_ended_ = std::move(callback); }
  bool ended() const { return ended_; }

  // Takes the mount out of the tree. Processes that are in it keep it alive until they leave;
  // the session ends with the last.
  void detach();

  // Serves no more requests, ends those that wait (EIO), closes what was left open, and cuts
  // the kernel off: processes that still use the mount get errors.
  Task<void> finish();

  // sync(2) and syncfs(2) reach this mount and wait for it.
  bool delivers_sync() const { return delivers_sync_; }

  std::uint64_t requests() const { return requests_; }
  std::size_t in_flight() const { return scope_.running(); }

  // For the operations.
  fs::FileSystem& filesystem() { return filesystem_; }
  EventLoop& loop() { return loop_; }
  KernelCache& cache() { return cache_; }
  const KernelCache& cache() const { return cache_; }
  ReadAhead& read_ahead() { return read_ahead_; }
  const ReadAhead& read_ahead() const { return read_ahead_; }
  const FuseOptions& options() const { return options_; }
  void spawn(Task<void> task) {
    ++requests_;
    scope_.spawn(std::move(task));
  }
  void opened(Ino ino) { ++open_[ino.value]; }
  void closed(Ino ino);
  List<FuseCall, FuseCallTag>& calls() { return calls_; }
  // A signal came to the process that waits for `call`. One that kills it ends the call at
  // once. One that it handles ends the call only when it has waited long: operations of a
  // filesystem are not expected to fail with EINTR, and programs that use timers would break.
  void interrupted(FuseCall& call);
  void forget(FuseCall& call) { interrupted_.erase(&call); }
  bool finishing() const { return finishing_; }
  // The WRITE that is being dispatched must clear the set-id bits of the file.
  bool kills_set_id() const { return kills_set_id_; }

 private:
  FuseMount(EventLoop& loop, Log& log, fs::FileSystem& filesystem, KernelCache& cache,
            FuseOptions options);
  Result<void> start(std::string& why);
  // So that sync(2) is delivered, where that is wanted and possible.
  Result<void> open_wanted_session(std::string& why);
  // On the block device if there is one.
  Result<void> open_session(const LoopDevice* device, std::string& why);
  void receive();
  void end();
  Task<void> watch_interrupted();
  // Starts the watchdog again when it was killed.
  void watch_watchdog();
  // For read_ahead_.
  Task<Result<std::size_t>> read(Ino ino, std::uint64_t offset, std::span<std::byte> out,
                                 Cancellation* cancellation) override;
  void close_session();

  struct Destroyed {
    void operator()(fuse_session* session) const;
  };
  struct Buffer;

  EventLoop& loop_;
  Log& log_;
  fs::FileSystem& filesystem_;
  KernelCache& cache_;
  FuseOptions options_;
  std::unique_ptr<fuse_session, Destroyed> session_;
  std::unique_ptr<Buffer> buffer_;
  Watch watch_;
  LeaseWatchdog* watchdog_ = nullptr;  // of cache_
  Watch watchdog_watch_;
  TaskScope scope_;
  ReadAhead read_ahead_;
  List<FuseCall, FuseCallTag> calls_;
  std::map<std::uint64_t, std::uint64_t> open_;  // inode number -> open files of this mount
  std::map<FuseCall*, TimeNs> interrupted_;      // since when
  bool watching_interrupted_ = false;
  std::function<void()> on_ended_;
  std::jthread detaching_;
  std::uint64_t requests_ = 0;  // that became coroutines
  bool ended_ = false;
  bool finishing_ = false;
  bool kills_set_id_ = false;
  bool delivers_sync_ = false;
};

}  // namespace scoutfs::node
