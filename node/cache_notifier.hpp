// CacheNotifier: the threads that tell the kernel to drop what it has cached of a mount.
//
// Dropping pages waits for reads of them that are under way, so no thread that has to answer
// reads may do it: helpers do nothing else. They are in two lanes, because a notification about
// a change of this node may have to wait until another node gives a lock back, and one about a
// lock that is being given up must never wait behind that.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/async/sync.hpp"
#include "engine/base/ids.hpp"
#include "node/byte_ranges.hpp"
#include "node/loop/event_loop.hpp"

namespace scoutfs::node {

// One inode's attributes, and the pages in one range of it as well.
struct CacheDrop {
  Ino ino;
  std::optional<ByteRange> pages;
  bool unknown = false;  // the kernel said that it has no such inode (yet)
};

// Each writes one notification to a FUSE session's descriptor and returns 0 or what the kernel
// answered (errno): ENOENT where it has no such inode.
//
// All names that the kernel has cached are void from here on. It waits for nothing. EINVAL:
// this kernel (before 6.16) cannot.
int notify_new_epoch(int fd);
// Waits for nothing, unless it holds the last reference to a file whose pages are being read.
int notify_attributes(int fd, Ino ino);
// Waits for reads of these pages to be answered.
int notify_pages(int fd, Ino ino, ByteRange pages);

class CacheNotifier {
 public:
  enum class Lane : std::uint8_t { revoke, change };

  struct Job {
    explicit Job(Scheduler& scheduler) : done(scheduler) {}
    std::vector<CacheDrop> drops;  // the helper's until it is done
    Event done;
  };

  // The descriptor stays the caller's and must outlive this.
  CacheNotifier(EventLoop& loop, int fd);
  // Waits for the helpers. Requires: idle, or every read is going to be answered.
  ~CacheNotifier();

  std::shared_ptr<Job> submit(Lane lane, std::vector<CacheDrop> drops);
  // Until no job is under way.
  Task<void> wait_idle();

 private:
  struct Queue {
    std::condition_variable work;
    std::deque<std::shared_ptr<Job>> jobs;
  };
  static constexpr std::array<std::size_t, 2> kThreads{4, 2};  // by lane

  void serve(Lane lane);

  EventLoop& loop_;
  int fd_;
  std::size_t running_ = 0;  // jobs; the loop's thread only
  WaitQueue finished_;
  std::mutex mutex_;  // queues_, closing_
  std::array<Queue, 2> queues_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace scoutfs::node
