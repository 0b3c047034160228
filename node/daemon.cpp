// One mount from start to end: device, engine, FUSE, and back.
#include "node/daemon.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>

#include "engine/async/sync.hpp"
#include "node/admin_socket.hpp"
#include "node/device_storage.hpp"
#include "node/disk.hpp"
#include "node/fuse_mount.hpp"
#include "node/loop/event_loop.hpp"
#include "node/loop/log_sink.hpp"
#include "node/metrics.hpp"
#include "node/no_fencing.hpp"
#include "node/open_device.hpp"
#include "node/status_json.hpp"
#include "node/tcp_network.hpp"

namespace scoutfs::node {

namespace {

constexpr TimeNs kPatience = 3 * kSecond;    // between two lines about what is waited for
constexpr TimeNs kStartGrace = 5 * kSecond;  // for a start that was interrupted to end
// How a mount ends that was fenced and is to end with it (-o on-fence=exit).
constexpr int kFencedExit = 75;
constexpr TimeNs kDetachGrace =
    5 * kSecond;  // for processes to leave a mount that was detached
constexpr TimeNs kMetricsInterval = kSecond;

// Where the starter of a mount hears of it: its standard error, or a pipe from the daemon, line
// by line: "wait TEXT", "note TEXT", then "ok" or "error TEXT".
class Progress {
 public:
  Progress(UniqueFd pipe, std::function<void()> on_mounted)
      : pipe_(std::move(pipe)), on_mounted_(std::move(on_mounted)) {}
  void waits(std::string_view what) { say("wait", what); }
  void warns(std::string_view what) { say("wait", fmt::format("warning: {}", what)); }
  void failed(std::string_view why) { say("error", why); }
  void mounted(std::string_view note) {
    if (pipe_) say("note", note);
    if (pipe_) say("ok", "");
    pipe_.reset();
    if (on_mounted_) on_mounted_();
  }

 private:
  void say(std::string_view kind, std::string_view text) const {
    const std::string line =
        pipe_ ? fmt::format("{} {}\n", kind, text) : fmt::format("scoutfs: {}\n", text);
    // Nobody listens any more: the mount goes on without.
    [[maybe_unused]] const ssize_t written =
        ::write(pipe_ ? pipe_.get() : STDERR_FILENO, line.data(), line.size());
  }

  UniqueFd pipe_;
  std::function<void()> on_mounted_;
};

// Where a broken assertion is told: a daemon has no standard error.
LogSink* assert_log = nullptr;

void log_assertion(const char* expression, std::source_location where) {
  if (assert_log == nullptr) return;
  assert_log->error("{}:{}: {}: assertion failed: {}", where.file_name(), where.line(),
                    where.function_name(), expression);
}

class Daemon {
 public:
  Daemon(MountConfig config, LogSink log, Progress progress)
      : config_(std::move(config)),
        log_(std::move(log)),
        progress_(std::move(progress)),
        network_(loop_, log_),
        kernel_cache_(loop_, config_.cache_settle_ns),
        start_cancellation_(loop_.scheduler()),
        changed_(loop_.scheduler()) {}

  int run();
  LogSink& log() { return log_; }

 private:
  Result<void> prepare(std::string& why);
  Result<void> start_engine(std::string& why);
  Result<void> start_services(std::string& why);
  Task<Result<void>> open_watched(std::string& why);
  Task<Result<void>> start_watched();
  Task<void> report_waiting(Event* over);
  Task<void> serve();
  Task<void> publish_metrics();
  Task<int> finish();
  void on_end_signal(const char* name);
  std::optional<nlohmann::json> answer(const std::string& command) const;

  MountConfig config_;
  EventLoop loop_;
  LogSink log_;
  Progress progress_;
  SystemRandom random_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<DeviceStorage> storage_;
  TcpNetwork network_;
  KernelCache kernel_cache_;
  std::unique_ptr<Mount> mount_;
  std::unique_ptr<FuseMount> fuse_;
  std::unique_ptr<AdminSocket> admin_;
  std::unique_ptr<Metrics> metrics_;
  Cancellation start_cancellation_;
  WaitQueue changed_;  // end_wanted_ or the state of fuse_
  bool end_wanted_ = false;
  TimeNs end_wanted_ns_ = 0;
  bool stopped_ = false;
  std::string failure_;  // why the engine cannot go on
};

Result<void> Daemon::prepare(std::string& why) {
  struct stat info{};
  if (stat(config_.directory.c_str(), &info) != 0) {
    why = fmt::format("cannot mount on '{}': {}", config_.directory, std::strerror(errno));
    return fail(Errc::not_found);
  }
  if (!S_ISDIR(info.st_mode)) {
    why = fmt::format("cannot mount on '{}': it is not a directory", config_.directory);
    return fail(Errc::not_directory);
  }
  // Before any helper thread is there to get them.
  loop_.on_signal(SIGTERM, [this] { on_end_signal("SIGTERM"); });
  loop_.on_signal(SIGINT, [this] { on_end_signal("SIGINT"); });
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  return loop_.run(open_watched(why));
}

void Daemon::on_end_signal(const char* name) {
  if (end_wanted_) {
    log_.error("{} again: giving up what is not finished", name);
    _exit(kMountFailed);
  }
  log_.info("{}: ending the mount", name);
  end_wanted_ = true;
  end_wanted_ns_ = loop_.clock().now_ns();
  start_cancellation_.request();
  changed_.wake_all();
}

// Says until `over` what the start waits for. Ends the process if it does not end by itself
// when it is asked to: nothing was promised to anybody yet.
Task<void> Daemon::report_waiting(Event* over) {
  TimeNs next_line_ns = loop_.clock().now_ns() + kPatience;
  while (true) {
    const TimeNs deadline_ns = end_wanted_ ? end_wanted_ns_ + kStartGrace : next_line_ns;
    const bool set =
        co_await over->wait_until(std::min(deadline_ns, loop_.clock().now_ns() + kSecond));
    if (set) co_return;
    if (loop_.clock().now_ns() < deadline_ns) continue;
    if (end_wanted_) {
      const std::string why = fmt::format("'{}' does not answer: giving up", config_.device);
      log_.error("{}", why);
      progress_.failed(why);
      _exit(kMountFailed);
    }
    const std::string what = mount_ == nullptr ? "" : mount_->status().waits_for;
    progress_.waits(what.empty() ? fmt::format("waiting for '{}' to answer", config_.device)
                                 : fmt::format("waiting for {}", what));
    next_line_ns += kPatience;
  }
}

Task<Result<void>> Daemon::open_watched(std::string& why) {
  Event opened(loop_.scheduler());
  TaskScope scope(loop_.scheduler());
  scope.spawn(report_waiting(&opened));
  config_.engine.rid = Rid{random_.id()};
  Disk::Options options;
  options.device = config_.device;
  options.node = config_.engine.name;
  options.rid = *config_.engine.rid;
  options.fence = config_.fence;
  options.lasting.patience_ns = config_.disk_wait_ns;
  auto disk = co_await Disk::open(loop_, log_, options, why, &start_cancellation_);
  opened.set();
  co_await scope.drain();
  SCOUTFS_CO_TRY(disk_, std::move(disk));
  storage_ = std::make_unique<DeviceStorage>(log_, *disk_);
  co_return Result<void>{};
}

Task<Result<void>> Daemon::start_watched() {
  Event started(loop_.scheduler());
  TaskScope scope(loop_.scheduler());
  scope.spawn(report_waiting(&started));
  const Result<void> result = co_await mount_->start(&start_cancellation_);
  started.set();
  co_await scope.drain();
  co_return result;
}

Result<void> Daemon::start_engine(std::string& why) {
  const Env env{.scheduler = loop_.scheduler(),
                .clock = loop_.clock(),
                .random = random_,
                .device = disk_->device(),
                .network = network_,
                .fencing = disk_->fencing(),
                .log = log_,
                .storage = storage_.get()};
  config_.engine.host = host_id();
  config_.engine.answer_time_ns = KernelCache::kAnswerTime;
  mount_ = std::make_unique<Mount>(env, config_.engine);
  mount_->set_on_failed([this](const std::string& text) {
    log_.error("the mount can go on no longer: {}", text);
    failure_ = text;
    kernel_cache_.give_up();
    const bool ends = config_.engine.on_fence == OnFence::exit && mount_->status().fenced;
    if (ends) std::_Exit(kFencedExit);
  });
  mount_->set_revoke_listener(&kernel_cache_);
  kernel_cache_.set_admit([this](lock::LockId id) { return mount_->admit_page_readers(id); });
  const Result<void> result = loop_.run(start_watched());
  if (!result.has_value()) {
    why = mount_->failure().empty() ? std::string(to_string(result.error().code))
                                    : mount_->failure();
    why = fmt::format("cannot mount '{}': {}", config_.device, why);
  }
  return result;
}

Result<void> Daemon::start_services(std::string& why) {
  const format::Superblock& volume = mount_->superblock();
  const Rid rid = mount_->status().rid;
  FuseOptions options;
  options.directory = config_.directory;
  options.device = config_.device;
  options.local_locks = config_.local_locks;
  options.cache = config_.cache;
  options.sync_delivery = config_.sync_delivery;
  options.run_directory = config_.run_directory;
  options.kernel_flags = config_.kernel_flags;
  options.info.fsid = volume.fsid.value;
  options.info.rid = rid.value;
  std::memcpy(options.info.uuid, volume.uuid.data(), sizeof(options.info.uuid));

  std::error_code ignored;
  std::filesystem::create_directories(config_.run_directory, ignored);
  remove_dead_sockets(config_.run_directory);
  const std::string socket = fmt::format("{}/{}-{}.sock", config_.run_directory,
                                         hex(volume.fsid.value), hex(rid.value));
  auto admin = AdminSocket::open(
      loop_, socket,
      [this](const std::string& command, const nlohmann::json&) { return answer(command); },
      why);
  // A mount without one is of use all the same.
  if (!admin.has_value()) {
    log_.warn("no admin socket: {}", why);
  } else {
    admin_ = std::move(*admin);
    if (socket.size() < sizeof(options.info.socket)) {
      std::memcpy(options.info.socket, socket.data(), socket.size());
    }
  }
  if (!config_.metrics_address.empty()) {
    SCOUTFS_TRY(metrics_, Metrics::open(config_.metrics_address, hex(volume.fsid.value),
                                        hex(rid.value), why));
  }
  SCOUTFS_TRY(fuse_, FuseMount::mount(loop_, log_, mount_->fs(), kernel_cache_,
                                      std::move(options), why));
  fuse_->set_on_ended([this] { changed_.wake_all(); });
  return {};
}

std::optional<nlohmann::json> Daemon::answer(const std::string& command) const {
  if (command != "status") return std::nullopt;
  const format::Superblock& volume = mount_->superblock();
  nlohmann::json out{{"status", to_json(mount_->status())}};
  out["fsid"] = hex(volume.fsid.value);
  out["uuid"] = uuid_text(volume.uuid);
  out["cluster"] = volume.cluster;
  out["device"] = config_.device;
  out["directory"] = config_.directory;
  out["process"] = getpid();
  out["failure"] = failure_;
  out["cache"] = to_string(kernel_cache_.mode());
  out["cache_counts"] = to_json(kernel_cache_.counts());
  out["fence_level"] = std::string(to_string(disk_->fencing().level()));
  out["fence_agent"] = config_.fence.agent;
  out["disk_connected"] = disk_->connected();
  out["delivers_sync"] = fuse_ != nullptr && fuse_->delivers_sync();
  out["requests"] = fuse_ == nullptr ? 0 : fuse_->requests();
  out["reads_ahead_used"] = fuse_ == nullptr ? 0 : fuse_->read_ahead().hits();
  out["requests_in_flight"] = fuse_ == nullptr ? 0 : fuse_->in_flight();
  return out;
}

Task<void> Daemon::publish_metrics() {
  while (!stopped_) {
    MetricsSnapshot snapshot;
    snapshot.status = mount_->status();
    snapshot.requests = fuse_->requests();
    snapshot.in_flight = fuse_->in_flight();
    snapshot.cache_mode = kernel_cache_.mode();
    snapshot.cache_counts = kernel_cache_.counts();
    metrics_->publish(std::move(snapshot));
    co_await changed_.wait(nullptr, loop_.clock().now_ns() + kMetricsInterval);
  }
}

Task<void> Daemon::serve() {
  TaskScope scope(loop_.scheduler());
  if (metrics_ != nullptr) scope.spawn(publish_metrics());
  while (!end_wanted_ && !fuse_->ended()) co_await changed_.wait();
  if (!fuse_->ended()) {
    fuse_->detach();
    const TimeNs deadline = loop_.clock().now_ns() + kDetachGrace;
    while (!fuse_->ended() && loop_.clock().now_ns() < deadline) {
      co_await changed_.wait(nullptr, deadline);
    }
    if (!fuse_->ended())
      log_.warn("processes still use the mount: they get errors from now on");
  }
  end_wanted_ = true;
  stopped_ = true;
  changed_.wake_all();
  co_await scope.drain();
}

Task<int> Daemon::finish() {
  co_await fuse_->finish();
  const Result<void> result = co_await mount_->unmount();
  co_await disk_->leave();
  if (!result.has_value()) {
    log_.error("unmounted, but not everything could be made durable: {}",
               to_string(result.error().code));
    co_return kMountFailed;
  }
  log_.info("unmounted '{}'", config_.directory);
  co_return kMountOk;
}

int Daemon::run() {
  std::string why;
  const auto give_up = [&] {
    if (disk_ != nullptr) loop_.run(disk_->leave());
    log_.error("{}", why);
    progress_.failed(why);
    return kMountFailed;
  };
  if (!prepare(why).has_value()) return give_up();
  if (!start_engine(why).has_value()) return give_up();
  if (!start_services(why).has_value()) {
    const Result<void> ignored = loop_.run(mount_->unmount());
    if (!ignored.has_value()) log_.error("unmount: {}", to_string(ignored.error().code));
    return give_up();
  }
  const std::string note =
      fmt::format("kernel cache: {}; sync(2) {}; fencing: {}", to_string(kernel_cache_.mode()),
                  fuse_->delivers_sync() ? "is delivered" : "is not delivered",
                  to_string(disk_->fencing().level()));
  log_.info("mounted '{}' on '{}'; {}", config_.device, config_.directory, note);
  if (disk_->fencing().level() == FenceLevel::none) {
    log_.error("{}", NoFencing::kWarning);
    progress_.warns(NoFencing::kWarning);
  } else if (!disk_->fencing().can_fence_the_living()) {
    log_.warn(
        "the disk's server cannot fence: what a silent node of another host holds stays "
        "reserved until its death is certain");
  }
  progress_.mounted(note);
  loop_.run(serve());
  return loop_.run(finish());
}

// Errors have been printed.
Result<LogSink> open_log(const MountConfig& config, bool background, Progress& progress) {
  if (!config.log_file.empty()) {
    Result<LogSink> log = LogSink::to_file(config.log_level, config.log_file);
    if (!log.has_value()) {
      progress.failed(fmt::format("cannot open the log file '{}': {}", config.log_file,
                                  std::strerror(errno)));
    }
    return log;
  }
  if (background) return LogSink::to_syslog(config.log_level, "scoutfs");
  return LogSink(config.log_level);
}

// Buffers of requests and blocks are large and short-lived: given back to the kernel each time,
// every page of the next one would be cleared and mapped anew.
void keep_freed_memory() {
  constexpr int kLargest = 32 << 20;  // bytes; allocations above it are mapped on their own
  constexpr int kUnused = 128 << 20;  // bytes at the heap's end that may stay unused
  mallopt(M_MMAP_THRESHOLD, kLargest);
  mallopt(M_TRIM_THRESHOLD, kUnused);
}

int run(MountConfig config, UniqueFd pipe, std::function<void()> on_mounted) {
  keep_freed_memory();
  const bool background = static_cast<bool>(pipe);
  Progress progress(std::move(pipe), std::move(on_mounted));
  Result<LogSink> log = open_log(config, background, progress);
  if (!log.has_value()) return kMountFailed;
  Daemon daemon(std::move(config), std::move(*log), std::move(progress));
  assert_log = &daemon.log();
  set_assert_handler(log_assertion);
  const int code = daemon.run();
  assert_log = nullptr;
  return code;
}

volatile sig_atomic_t daemon_process = 0;

void pass_on(int) {
  if (daemon_process > 0) kill(daemon_process, SIGTERM);
}

// Prints what the daemon says until it has mounted or failed; returns the exit code.
int follow(UniqueFd pipe) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = ::read(pipe.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      const std::string line = text.substr(0, end);
      text.erase(0, end + 1);
      const std::string rest = line.substr(std::min(line.size(), line.find(' ') + 1));
      if (line.starts_with("ok")) return kMountOk;
      fmt::print(stderr, "scoutfs: {}\n", rest);
      if (line.starts_with("error")) return kMountFailed;
    }
  }
  fmt::print(stderr, "scoutfs: the daemon ended before it had mounted\n");
  return kMountFailed;
}

void leave_terminal() {
  setsid();
  [[maybe_unused]] const int moved = chdir("/");
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
  if (null > STDERR_FILENO) ::close(null);
}

// A daemon's directory is the root: what the operator named must mean the same there.
void make_absolute(std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (!error) path = absolute.lexically_normal().string();
}

void make_absolute(MountConfig& config) {
  make_absolute(config.directory);
  if (!is_uri(config.device)) make_absolute(config.device);
  if (!config.log_file.empty()) make_absolute(config.log_file);
  make_absolute(config.run_directory);
}

}  // namespace

int run_mount(MountConfig config, std::function<void()> on_mounted) {
  make_absolute(config);
  return run(std::move(config), UniqueFd(), std::move(on_mounted));
}

int daemonize_and_run(MountConfig config) {
  make_absolute(config);
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    fmt::print(stderr, "scoutfs: cannot make a pipe: {}\n", std::strerror(errno));
    return kMountFailed;
  }
  UniqueFd out(ends[0]), in(ends[1]);
  const pid_t child = fork();
  if (child < 0) {
    fmt::print(stderr, "scoutfs: cannot fork: {}\n", std::strerror(errno));
    return kMountFailed;
  }
  if (child == 0) {
    out.reset();
    leave_terminal();
    _exit(run(std::move(config), std::move(in), {}));
  }
  in.reset();
  daemon_process = child;
  signal(SIGINT, pass_on);
  signal(SIGTERM, pass_on);
  return follow(std::move(out));
}

}  // namespace scoutfs::node
