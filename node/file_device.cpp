#include "node/file_device.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "engine/async/sync.hpp"
#include "node/loop/helper_thread.hpp"

namespace scoutfs::node {

namespace {

struct Freed {
  void operator()(std::byte* bytes) const { std::free(bytes); }
};
using AlignedBuffer = std::unique_ptr<std::byte, Freed>;

AlignedBuffer aligned_buffer(std::size_t size) {
  AlignedBuffer buffer(static_cast<std::byte*>(std::aligned_alloc(kBlockSize, size)));
  SCOUTFS_ASSERT(buffer != nullptr);
  return buffer;
}

bool aligned(const void* at) {
  return reinterpret_cast<std::uintptr_t>(at) % kBlockSize == 0;
}

}  // namespace

enum class Operation : std::uint8_t { read, write, write_durable, flush };

// Shared by the waiting coroutine and the helper that works on it.
struct FileDevice::Request {
  explicit Request(Scheduler& scheduler) : done(scheduler) {}

  Operation operation = Operation::flush;
  std::uint64_t offset = 0;  // bytes
  std::byte* bytes = nullptr;
  std::size_t size = 0;
  AlignedBuffer
      bounce;         // what `bytes` points at, if the caller's buffer cannot be used directly
  int error = 0;      // errno
  OneShot<int> done;  // errno; set on the loop's thread

  std::mutex mutex;  // finished
  std::condition_variable ended;
  bool finished = false;  // the helper touches `bytes` no more
};

// A request whose buffer belongs to the coroutine that holds this. When the coroutine is
// destroyed before the request is done, the buffer must stay until the helper has let go of it.
class FileDevice::Pending {
 public:
  explicit Pending(std::shared_ptr<Request> request) : request_(std::move(request)) {}
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending() {
    std::unique_lock lock(request_->mutex);
    request_->ended.wait(lock, [this] { return request_->finished; });
  }
  Request& operator*() const { return *request_; }
  Request* operator->() const { return request_.get(); }

 private:
  std::shared_ptr<Request> request_;
};

namespace {

Errc code_of_open_error(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENXIO:
    case ENODEV:
      return Errc::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::access_denied;
    case EISDIR:
      return Errc::invalid;
    default:
      return Errc::io_error;
  }
}

Result<std::uint64_t> size_of(int fd, const std::string& path, std::string& why) {
  struct stat info{};
  if (fstat(fd, &info) != 0) {
    why = fmt::format("cannot stat '{}': {}", path, std::strerror(errno));
    return fail(Errc::io_error);
  }
  if (S_ISREG(info.st_mode)) return static_cast<std::uint64_t>(info.st_size);
  if (!S_ISBLK(info.st_mode)) {
    why = fmt::format("'{}' is neither a block device nor a file", path);
    return fail(Errc::invalid);
  }
  std::uint64_t size = 0;
  if (ioctl(fd, BLKGETSIZE64, &size) != 0) {
    why = fmt::format("cannot get the size of '{}': {}", path, std::strerror(errno));
    return fail(Errc::io_error);
  }
  return size;
}

// What a request's end means.
Result<void> result_of(int error) {
  switch (error) {
    case 0:
      return {};
    case EROFS:
      return fail(Errc::access_denied);
    case EBADE:
      return fail(Errc::fenced);  // a reservation of the device excludes this host
    default:
      return fail(Errc::io_error);
  }
}

// Some filesystems accept O_DIRECT and then refuse to read with it.
bool direct_read_works(int fd) {
  const AlignedBuffer buffer = aligned_buffer(kBlockSize);
  return pread(fd, buffer.get(), kBlockSize, 0) == static_cast<ssize_t>(kBlockSize);
}

}  // namespace

Result<std::unique_ptr<FileDevice>> FileDevice::open(EventLoop& loop, const std::string& path,
                                                     Access access, std::string& why) {
  const int flags = (access == Access::read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  UniqueFd fd(::open(path.c_str(), flags | O_DIRECT));
  bool direct = static_cast<bool>(fd) && direct_read_works(fd.get());
  if (!direct) fd.reset(::open(path.c_str(), flags));
  if (!fd) {
    const int error = errno;
    why = fmt::format("cannot open '{}': {}", path, std::strerror(error));
    return fail(code_of_open_error(error));
  }
  SCOUTFS_TRY(const std::uint64_t size, size_of(fd.get(), path, why));
  if (size < kBlockSize) {
    why = fmt::format("'{}' has {} bytes: smaller than one block", path, size);
    return fail(Errc::invalid);
  }
  return std::unique_ptr<FileDevice>(
      new FileDevice(loop, std::move(fd), size / kBlockSize, direct));
}

FileDevice::FileDevice(EventLoop& loop, UniqueFd fd, std::uint64_t block_count, bool direct)
    : loop_(loop), fd_(std::move(fd)), block_count_(block_count), direct_(direct) {
  for (std::size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { serve(); });
}

FileDevice::~FileDevice() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void FileDevice::submit(std::shared_ptr<Request> request) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(request));
  }
  work_.notify_one();
}

void FileDevice::serve() {
  block_signals();
  while (true) {
    std::shared_ptr<Request> request;
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      request = std::move(queue_.front());
      queue_.pop_front();
    }
    perform(*request);
    {
      const std::lock_guard lock(request->mutex);
      request->finished = true;
    }
    request->ended.notify_all();
    loop_.post([request] { request->done.set(request->error); });
  }
}

void FileDevice::perform(Request& request) const {
  if (request.operation == Operation::flush) {
    if (fdatasync(fd_.get()) != 0) request.error = errno;
    return;
  }
  std::size_t done = 0;
  while (done < request.size) {
    const iovec part{request.bytes + done, request.size - done};
    const auto at = static_cast<off_t>(request.offset + done);
    const int flags = request.operation == Operation::write_durable ? RWF_DSYNC : 0;
    const ssize_t moved = request.operation == Operation::read
                              ? preadv2(fd_.get(), &part, 1, at, 0)
                              : pwritev2(fd_.get(), &part, 1, at, flags);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) {
      // An end within the device's size: somebody made the file shorter.
      request.error = moved < 0 ? errno : EIO;
      return;
    }
    done += static_cast<std::size_t>(moved);
  }
}

Task<Result<void>> FileDevice::read(BlockNo first, std::span<std::byte> out) {
  SCOUTFS_ASSERT(out.size() % kBlockSize == 0);
  SCOUTFS_ASSERT(first.value + out.size() / kBlockSize <= block_count_);
  if (out.empty()) co_return Result<void>{};
  const auto request = std::make_shared<Request>(loop_.scheduler());
  request->operation = Operation::read;
  request->offset = first.value * kBlockSize;
  request->size = out.size();
  request->bytes = out.data();
  if (direct_ && !aligned(out.data())) {
    request->bounce = aligned_buffer(out.size());
    request->bytes = request->bounce.get();
  }
  submit(request);
  const Pending pending(request);
  const int error = co_await pending->done.wait();
  SCOUTFS_CO_CHECK(result_of(error));
  if (pending->bounce) std::memcpy(out.data(), pending->bounce.get(), out.size());
  co_return Result<void>{};
}

Task<Result<void>> FileDevice::write(BlockNo first, std::span<const std::byte> data,
                                     Durability durability) {
  SCOUTFS_ASSERT(data.size() % kBlockSize == 0);
  SCOUTFS_ASSERT(first.value + data.size() / kBlockSize <= block_count_);
  if (data.empty()) co_return Result<void>{};
  const auto request = std::make_shared<Request>(loop_.scheduler());
  request->operation =
      durability == Durability::on_completion ? Operation::write_durable : Operation::write;
  request->offset = first.value * kBlockSize;
  request->size = data.size();
  // Never written through: the operation is a write.
  request->bytes = const_cast<std::byte*>(data.data());
  if (direct_ && !aligned(data.data())) {
    request->bounce = aligned_buffer(data.size());
    std::memcpy(request->bounce.get(), data.data(), data.size());
    request->bytes = request->bounce.get();
  }
  submit(request);
  const Pending pending(request);
  const int error = co_await pending->done.wait();
  co_return result_of(error);
}

Task<Result<void>> FileDevice::flush() {
  const auto request = std::make_shared<Request>(loop_.scheduler());
  submit(request);
  const Pending pending(request);
  const int error = co_await pending->done.wait();
  co_return result_of(error);
}

}  // namespace scoutfs::node
