#include "node/cache_notifier.hpp"

#include <linux/fuse.h>
#include <unistd.h>

#include <cerrno>

#include "node/loop/helper_thread.hpp"

namespace scoutfs::node {

namespace {

constexpr std::int32_t kNewEpoch =
    8;  // FUSE_NOTIFY_INC_EPOCH, younger than this system's header

template <class Body>
struct Notice {
  fuse_out_header header{};
  Body body{};
};

int send(int fd, const void* bytes, std::size_t size) {
  while (::write(fd, bytes, size) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

int notify_inode(int fd, const fuse_notify_inval_inode_out& body) {
  Notice<fuse_notify_inval_inode_out> notice;
  static_assert(sizeof(notice) == 40);
  notice.header.len = sizeof(notice);
  notice.header.error = FUSE_NOTIFY_INVAL_INODE;
  notice.body = body;
  return send(fd, &notice, sizeof(notice));
}

}  // namespace

int notify_new_epoch(int fd) {
  fuse_out_header header{};
  header.len = sizeof(header);
  header.error = kNewEpoch;
  return send(fd, &header, sizeof(header));
}

int notify_attributes(int fd, Ino ino) {
  return notify_inode(fd, {.ino = ino.value, .off = -1, .len = 0});
}

int notify_pages(int fd, Ino ino, ByteRange pages) {
  return notify_inode(fd, {.ino = ino.value,
                           .off = static_cast<std::int64_t>(pages.first),
                           .len = static_cast<std::int64_t>(pages.end - pages.first)});
}

CacheNotifier::CacheNotifier(EventLoop& loop, int fd)
    : loop_(loop), fd_(fd), finished_(loop.scheduler()) {
  for (const Lane lane : {Lane::revoke, Lane::change}) {
    for (std::size_t i = 0; i < kThreads[static_cast<std::size_t>(lane)]; ++i) {
      threads_.emplace_back([this, lane] { serve(lane); });
    }
  }
}

CacheNotifier::~CacheNotifier() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  for (Queue& queue : queues_) queue.work.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<CacheNotifier::Job> CacheNotifier::submit(Lane lane,
                                                          std::vector<CacheDrop> drops) {
  auto job = std::make_shared<Job>(loop_.scheduler());
  job->drops = std::move(drops);
  ++running_;
  Queue& queue = queues_[static_cast<std::size_t>(lane)];
  {
    const std::lock_guard lock(mutex_);
    queue.jobs.push_back(job);
  }
  queue.work.notify_one();
  return job;
}

Task<void> CacheNotifier::wait_idle() {
  while (running_ > 0) co_await finished_.wait();
}

void CacheNotifier::serve(Lane lane) {
  block_signals();
  Queue& queue = queues_[static_cast<std::size_t>(lane)];
  while (true) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      queue.work.wait(lock, [&] { return closing_ || !queue.jobs.empty(); });
      if (queue.jobs.empty()) return;
      job = std::move(queue.jobs.front());
      queue.jobs.pop_front();
    }
    for (CacheDrop& drop : job->drops) {
      const int error = drop.pages.has_value() ? notify_pages(fd_, drop.ino, *drop.pages)
                                               : notify_attributes(fd_, drop.ino);
      drop.unknown = error == ENOENT;
    }
    loop_.post([this, job] {
      --running_;
      job->done.set();
      if (running_ == 0) finished_.wake_all();
    });
  }
}

}  // namespace scoutfs::node
