#include "node/fuse_mount.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fuse.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/utsname.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "node/fuse_call.hpp"
#include "node/loop/helper_thread.hpp"

namespace scoutfs::node {

namespace {

constexpr int kRequestsPerTurn = 64;  // before coroutines and other files have their turn

// With the kernel's default of 12, parked reads of a few files hold up everybody's writes.
constexpr unsigned kBackgroundMax = 4096;

constexpr unsigned kReadAheadKib = 4096;

// Of a call whose process got a signal that it handles.
constexpr TimeNs kInterruptPatience = 2 * kSecond;
constexpr TimeNs kInterruptPoll = 100 * kMillisecond;

// True if the thread is gone or has SIGKILL pending, which is what any signal that kills a
// process becomes for its threads.
bool is_dying(pid_t thread) {
  if (thread == 0) return false;
  std::ifstream in(fmt::format("/proc/{}/status", thread));
  if (!in) return true;
  std::string line;
  while (std::getline(in, line)) {
    if (!line.starts_with("SigPnd:") && !line.starts_with("ShdPnd:")) continue;
    const unsigned long long pending = std::strtoull(line.c_str() + 7, nullptr, 16);
    if ((pending >> (SIGKILL - 1) & 1) != 0) return true;
  }
  return false;
}

enum class OnDevice : std::uint8_t { no, yes };

// A path as mountinfo shows it.
std::string escaped(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\\') {
      out += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

// The number of the mount's device, "MAJOR:MINOR"; the mount itself is not asked.
std::string device_number(const std::string& directory) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line, device;
  while (std::getline(mounts, line)) {
    std::istringstream fields(line);
    std::string id, parent, number, root, place;
    fields >> id >> parent >> number >> root >> place;
    if (place == escaped(directory)) device = number;
  }
  return device;
}

// The number of the connection in fusectl, which is the device's as one.
std::uint64_t connection_number(const std::string& device) {
  constexpr unsigned kMinorBits = 20;  // inside the kernel
  unsigned long long major = 0, minor = 0;
  if (std::sscanf(device.c_str(), "%llu:%llu", &major, &minor) != 2) return 0;
  return (major << kMinorBits) | minor;
}

// The kernel reads ahead through its cache 128 KiB at a time, a request each, unless it is told
// twice: by a file of the mount's device number, before the session begins, and in the session.
void read_ahead_more(std::string device, OnDevice on_device) {
  if (on_device == OnDevice::yes) device += "-fuseblk";
  // Where there is no such file, reading goes on as it is.
  std::ofstream(fmt::format("/sys/class/bdi/{}/read_ahead_kb", device)) << kReadAheadKib;
}

void on_init(void* userdata, fuse_conn_info* connection) {
  const auto& mount = *static_cast<const FuseMount*>(userdata);
  connection->max_write = fs::FileSystem::kWriteMax;
  // The kernel takes the less of this and what the mount's device says (read_ahead_more()), and
  // offers its default.
  connection->max_readahead = kReadAheadKib << 10;
  connection->max_background = kBackgroundMax;
  connection->congestion_threshold = kBackgroundMax / 4 * 3;
  connection->time_gran = 1;
  unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_ATOMIC_O_TRUNC |
                    FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_IOCTL_DIR;
  // Caches that assume one node, clearing of set-id bits that the library does not pass on, and
  // copies through pipes, which gain nothing.
  unsigned unwanted = FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_READDIRPLUS |
                      FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_HANDLE_KILLPRIV |
                      FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE;
  // With the first, a read from the cache looks whether the size that the kernel knows still
  // holds. The target of a symlink never changes, and inode numbers are never reused.
  const unsigned cached = FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_CACHE_SYMLINKS;
  (mount.cache().keeps_pages() ? wanted : unwanted) |= cached;
  connection->want = (connection->want | (connection->capable & wanted)) & ~unwanted;
}

fuse_lowlevel_ops operations(bool local_locks) {
  fuse_lowlevel_ops table{};
  table.init = on_init;
  add_tree_operations(table);
  add_file_operations(table);
  add_attribute_operations(table);
  add_ioctl_operation(table);
  if (!local_locks) add_lock_refusals(table);
  return table;
}

// From here on the kernel tells a FUSE filesystem on a block device of sync(2).
constexpr int kSyncKernelMajor = 6;
constexpr int kSyncKernelMinor = 18;

bool kernel_delivers_sync() {
  utsname names{};
  int major = 0, minor = 0;
  if (uname(&names) != 0 || std::sscanf(names.release, "%d.%d", &major, &minor) != 2) {
    return false;
  }
  return std::pair(major, minor) >= std::pair(kSyncKernelMajor, kSyncKernelMinor);
}

// Options of mount(2), in the library's syntax.
std::string mount_options(const FuseOptions& options, const std::string& source,
                          OnDevice on_device) {
  char* text = nullptr;
  for (const char* option : {"suid", "dev", "allow_other", "default_permissions"}) {
    fuse_opt_add_opt(&text, option);
  }
  for (const std::string& flag : options.kernel_flags) {
    fuse_opt_add_opt(&text, flag.c_str());
  }
  fuse_opt_add_opt(&text, "subtype=scoutfs");
  if (on_device == OnDevice::yes) {
    fuse_opt_add_opt(&text, "blkdev");
    fuse_opt_add_opt(&text, "blksize=4096");
  }
  fuse_opt_add_opt_escaped(&text, ("fsname=" + source).c_str());
  std::string out(text == nullptr ? "" : text);
  std::free(text);
  return out;
}

// The library says why only through its log. Mounts start one at a time, on the loop's thread.
std::string& library_message() {
  static std::string message;
  return message;
}

void keep_message(fuse_log_level, const char* format, va_list arguments) {
  std::array<char, 512> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  std::string& message = library_message();
  message = text.data();
  while (message.ends_with('\n')) message.pop_back();
}

}  // namespace

// What one read of the session's descriptor fills; the library allocates the memory.
struct FuseMount::Buffer : fuse_buf {
  Buffer() : fuse_buf{} {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(mem); }

  // True if a WRITE in it must clear the file's set-id bits. The library drops that flag.
  bool kills_set_id() const {
    fuse_in_header header{};
    fuse_write_in write{};
    if (size < sizeof(header) + sizeof(write)) return false;
    std::memcpy(&header, mem, sizeof(header));
    if (header.opcode != FUSE_WRITE) return false;
    std::memcpy(&write, static_cast<const char*>(mem) + sizeof(header), sizeof(write));
    return (write.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
  }

  // The library knows no SYNCFS. It becomes an FSYNCDIR of the root, which is answered alike;
  // the operation knows it by its handle.
  void translate_sync() {
    fuse_in_header header{};
    if (size < sizeof(header)) return;
    std::memcpy(&header, mem, sizeof(header));
    if (header.opcode != FUSE_SYNCFS) return;
    fuse_fsync_in wanted{};
    wanted.fh = kSyncHandle;
    header.opcode = FUSE_FSYNCDIR;
    header.len = sizeof(header) + sizeof(wanted);
    std::memcpy(mem, &header, sizeof(header));
    std::memcpy(static_cast<char*>(mem) + sizeof(header), &wanted, sizeof(wanted));
    size = header.len;
  }
};

void FuseMount::Destroyed::operator()(fuse_session* session) const {
  fuse_session_destroy(session);
}

FuseMount::FuseMount(EventLoop& loop, Log& log, fs::FileSystem& filesystem, KernelCache& cache,
                     FuseOptions options)
    : loop_(loop),
      log_(log),
      filesystem_(filesystem),
      cache_(cache),
      options_(std::move(options)),
      buffer_(std::make_unique<Buffer>()),
      scope_(loop.scheduler()),
      read_ahead_(loop.scheduler(), *this) {
  cache_.set_on_drop([this](Ino first, Ino last) { read_ahead_.drop(first, last); });
}

FuseMount::~FuseMount() {
  cache_.set_on_drop({});
  watch_.reset();
  close_session();
}

void FuseMount::close_session() {
  if (session_ == nullptr) return;
  // Where it is out of the tree already, another mount may be in its place.
  if (!ended_ && !detaching_.joinable()) fuse_session_unmount(session_.get());
  session_.reset();
}

Result<std::unique_ptr<FuseMount>> FuseMount::mount(EventLoop& loop, Log& log,
                                                    fs::FileSystem& filesystem,
                                                    KernelCache& cache, FuseOptions options,
                                                    std::string& why) {
  std::unique_ptr<FuseMount> mount(
      new FuseMount(loop, log, filesystem, cache, std::move(options)));
  SCOUTFS_CHECK(mount->start(why));
  return mount;
}

Result<void> FuseMount::start(std::string& why) {
  SCOUTFS_CHECK(open_wanted_session(why));
  const int fd = fuse_session_fd(session_.get());
  SCOUTFS_CHECK(cache_.open(fd, options_.cache, why));
  const std::string device = device_number(options_.directory);
  if (cache_.keeps_pages())
    read_ahead_more(device, delivers_sync_ ? OnDevice::yes : OnDevice::no);
  const LeaseWatchdog::Session session{.fd = fd,
                                       .directory = options_.directory,
                                       .connection = connection_number(device),
                                       .run_directory = options_.run_directory};
  SCOUTFS_TRY(auto watchdog, LeaseWatchdog::start(session, why));
  if (!watchdog->can_abort()) {
    log_.warn("fusectl cannot be used: if this process stands still, it is killed");
  }
  watchdog_ = watchdog.get();
  cache_.guard(std::move(watchdog));
  watch_watchdog();
  // A request may be taken back between the poll and the read.
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  watch_ = loop_.watch(fd, EPOLLIN, [this](std::uint32_t) { receive(); });
  return {};
}

void FuseMount::watch_watchdog() {
  watchdog_watch_ = loop_.watch(watchdog_->ended_fd(), EPOLLIN, [this](std::uint32_t) {
    watchdog_watch_.reset();  // before its file is another's
    std::string why;
    if (watchdog_->start_again(why).has_value()) {
      log_.warn("the watchdog of the lease was killed; another one is started");
      return watch_watchdog();
    }
    log_.error(
        "the watchdog of the lease was killed and cannot be started again: {}; nothing "
        "is cached any more",
        why);
    cache_.give_up();
  });
}

Result<void> FuseMount::open_wanted_session(std::string& why) {
  const SyncDelivery wanted = options_.sync_delivery;
  if (wanted == SyncDelivery::never) return open_session(nullptr, why);
  if (wanted == SyncDelivery::where_possible && !kernel_delivers_sync()) {
    return open_session(nullptr, why);
  }
  Result<LoopDevice> device = LoopDevice::make(options_.device, why);
  if (device.has_value()) {
    const Result<void> opened = open_session(&*device, why);
    if (opened.has_value() || wanted == SyncDelivery::always) return opened;
  } else if (wanted == SyncDelivery::always) {
    why = fmt::format("cannot deliver sync, it takes a loop device: {}", why);
    return std::unexpected(device.error());
  }
  log_.info("sync(2) will not reach this mount: {}", why);
  return open_session(nullptr, why);
}

Result<void> FuseMount::open_session(const LoopDevice* device, std::string& why) {
  std::string program = "scoutfs";
  std::string flag = "-o";
  std::optional<NamedDevice> named;
  if (device != nullptr) named.emplace(options_.run_directory, options_.device, *device);
  std::string text = named.has_value() ? mount_options(options_, named->source(), OnDevice::yes)
                                       : mount_options(options_, options_.device, OnDevice::no);
  char* arguments[] = {program.data(), flag.data(), text.data(), nullptr};
  fuse_args parsed = FUSE_ARGS_INIT(3, arguments);
  const fuse_lowlevel_ops table = operations(options_.local_locks);
  fuse_set_log_func(keep_message);
  fuse_session* session = fuse_session_new(&parsed, &table, sizeof(table), this);
  fuse_opt_free_args(&parsed);
  if (session == nullptr) {
    why = fmt::format("cannot set up a FUSE session: {}", library_message());
    return fail(Errc::io_error);
  }
  if (fuse_session_mount(session, options_.directory.c_str()) != 0) {
    why = fmt::format("cannot mount on '{}': {}", options_.directory, library_message());
    fuse_session_destroy(session);
    return fail(Errc::io_error);
  }
  session_.reset(session);
  delivers_sync_ = device != nullptr;
  return {};
}

void FuseMount::receive() {
  for (int i = 0; i < kRequestsPerTurn; ++i) {
    const int size = fuse_session_receive_buf(session_.get(), buffer_.get());
    if (size == -EAGAIN || size == -EINTR) return;
    if (size <= 0) return end();
    buffer_->translate_sync();
    kills_set_id_ = buffer_->kills_set_id();
    fuse_session_process_buf(session_.get(), buffer_.get());
    if (fuse_session_exited(session_.get()) != 0) return end();
  }
}

void FuseMount::end() {
  log_.debug("the kernel has ended the session of '{}'", options_.directory);
  watch_.reset();
  ended_ = true;
  if (on_ended_) on_ended_();
}

void FuseMount::closed(Ino ino) {
  const auto it = open_.find(ino.value);
  if (it == open_.end()) return;
  if (--it->second == 0) open_.erase(it);
  filesystem_.close(ino);
}

void FuseMount::detach() {
  if (ended_ || detaching_.joinable()) return;
  // On its own thread: the kernel may have something to ask before it lets go.
  detaching_ = std::jthread([directory = options_.directory] {
    block_signals();
    umount2(directory.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  });
}

void FuseMount::interrupted(FuseCall& call) {
  if (is_dying(call.thread())) return call.cancel();
  interrupted_.emplace(&call, loop_.clock().now_ns());
  if (watching_interrupted_) return;
  watching_interrupted_ = true;
  scope_.spawn(watch_interrupted());
}

Task<void> FuseMount::watch_interrupted() {
  while (!interrupted_.empty()) {
    co_await Sleep(loop_.scheduler(), kInterruptPoll);
    const TimeNs now = loop_.clock().now_ns();
    for (const auto& [call, since_ns] : interrupted_) {
      if (now >= since_ns + kInterruptPatience || is_dying(call->thread())) call->cancel();
    }
  }
  watching_interrupted_ = false;
}

Task<Result<std::size_t>> FuseMount::read(Ino ino, std::uint64_t offset,
                                          std::span<std::byte> out,
                                          Cancellation* cancellation) {
  const fs::Context context{.cancellation = cancellation,
                            .caller = client::Caller::page_reader};
  co_return co_await filesystem_.read(context, ino, offset, out);
}

Task<void> FuseMount::finish() {
  finishing_ = true;
  while (!calls_.empty()) {
    FuseCall& call = calls_.front();
    call.unlink();
    call.cancel();
  }
  // A notification may wait for a read that is still to come: it is answered with an error.
  co_await cache_.close();
  watch_.reset();
  co_await read_ahead_.close();
  co_await scope_.drain();
  while (!open_.empty()) closed(Ino{open_.begin()->first});
  close_session();
  watchdog_watch_.reset();
  watchdog_ = nullptr;
  // Before this node's locks are given up: somebody may still be in a mount that was detached.
  cache_.unguard();
}

}  // namespace scoutfs::node
