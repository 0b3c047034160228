#include "nbd/nbd_device.hpp"

#include <fmt/core.h>
#include <libnbd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "node/loop/helper_thread.hpp"

namespace scoutfs::nbd {

namespace {

constexpr std::uint64_t kInFlightMax = 64;  // commands
// Bytes. The server works on one piece of a large request while another travels.
constexpr std::size_t kRequestSizeDefault = 256u << 10;
constexpr int kStopCheckMs = 50;  // between two looks at whether an attempt was given up

Errc code_of(int error) {
  switch (error) {
    // What a disk server answers to an incarnation that it has fenced, and any server that is
    // about to end: either way nothing more of this connection will run.
    case ESHUTDOWN:
      return Errc::fenced;
    case ENOTCONN:
    case EPIPE:
    case ECONNRESET:
      return Errc::disconnected;
    default:
      return Errc::io_error;
  }
}

Errc code_of_connect_error(int error) {
  switch (error) {
    case ENOENT:
      return Errc::not_found;
    case EACCES:
    case EPERM:
      return Errc::access_denied;
    case EINVAL:
      return Errc::invalid;
    default:
      return Errc::disconnected;
  }
}

// What the library says of its last failure, without the name of its function.
std::string reason() {
  std::string text = nbd_get_error();
  const std::size_t colon = text.starts_with("nbd_") ? text.find(": ") : std::string::npos;
  return colon == std::string::npos ? text : text.substr(colon + 2);
}

}  // namespace

// Shared by the waiting coroutine and the library.
struct NbdDevice::Command {
  explicit Command(NbdDevice& owner) : device(owner), done(owner.loop_.scheduler()) {}
  NbdDevice& device;
  OneShot<int> done;  // errno

  // Gives the slot back at once: whoever waits for one may hold others.
  void complete(int error) {
    if (done.is_set()) return;
    done.set(error);
    device.slots_.release(1);
  }

  // The library's completion callback. It owns one reference until it frees it.
  static nbd_completion_callback callback(const std::shared_ptr<Command>& command) {
    return {.callback = [](void* data, int* error) -> int {
              (*static_cast<std::shared_ptr<Command>*>(data))->complete(*error);
              return 1;  // the library forgets the command
            },
            .user_data = new std::shared_ptr<Command>(command),
            .free = [](void* data) { delete static_cast<std::shared_ptr<Command>*>(data); }};
  }
};

// Commands on a buffer of the coroutine that holds this. If it is destroyed before they are
// done, the connection goes with it: the library may not touch the buffer afterwards.
class NbdDevice::Pending {
 public:
  explicit Pending(NbdDevice& device) : device_(device) {}
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  ~Pending() {
    const bool unfinished = std::ranges::any_of(
        commands_, [](const auto& command) { return !command->done.is_set(); });
    if (unfinished) device_.drop();
  }
  void add(std::shared_ptr<Command> command) { commands_.push_back(std::move(command)); }
  const std::vector<std::shared_ptr<Command>>& commands() const { return commands_; }

 private:
  NbdDevice& device_;
  std::vector<std::shared_ptr<Command>> commands_;
};

void NbdDevice::Closed::operator()(nbd_handle* handle) const {
  nbd_close(handle);
}

NbdDevice::NbdDevice(node::EventLoop& loop, std::string uri)
    : loop_(loop), uri_(std::move(uri)), slots_(loop.scheduler(), kInFlightMax) {}

NbdDevice::~NbdDevice() {
  // At most a name look-up is waited for.
  connecting_.request_stop();
  if (connecting_.joinable()) connecting_.join();
  drop();
}

NbdDevice::Attempt NbdDevice::attempt(const std::string& uri, const std::stop_token& stop) {
  Attempt attempt;
  attempt.handle.reset(nbd_create());
  nbd_handle* handle = attempt.handle.get();
  SCOUTFS_ASSERT(handle != nullptr);
  // The operator wrote the URI, so it may name key files.
  nbd_set_uri_allow_local_file(handle, true);
  // Every reader of a buffer looks at the result first.
  nbd_set_pread_initialize(handle, false);
  const auto give_up = [&](Errc code, std::string_view why) {
    attempt.code = code;
    attempt.why = fmt::format("cannot connect to '{}': {}", uri, why);
    attempt.handle.reset();
    return std::move(attempt);
  };
  if (nbd_aio_connect_uri(handle, uri.c_str()) != 0) {
    return give_up(code_of_connect_error(nbd_get_errno()), reason());
  }
  while (nbd_aio_is_connecting(handle) != 0) {
    if (stop.stop_requested()) return give_up(Errc::interrupted, "interrupted");
    if (nbd_poll(handle, kStopCheckMs) == -1) {
      return give_up(code_of_connect_error(nbd_get_errno()), reason());
    }
  }
  if (nbd_aio_is_ready(handle) == 1) return attempt;
  return give_up(Errc::disconnected, "the server closed the connection");
}

Task<NbdDevice::Attempt> NbdDevice::connect(Patience patience) {
  const OneShot<std::shared_ptr<Attempt>> answer(loop_.scheduler());
  connecting_ = std::jthread([this, answer, uri = uri_](const std::stop_token& stop) {
    node::block_signals();
    auto made = std::make_shared<Attempt>(attempt(uri, stop));
    loop_.post([answer, made] { answer.set(made); });
  });
  const TimeNs deadline_ns = loop_.clock().now_ns() + patience.at_most_ns;
  std::optional<std::shared_ptr<Attempt>> made =
      co_await answer.wait(patience.cancellation, deadline_ns);
  if (made.has_value()) co_return std::move(**made);
  connecting_.request_stop();
  const bool interrupted =
      patience.cancellation != nullptr && patience.cancellation->requested();
  Attempt attempt;
  attempt.code = interrupted ? Errc::interrupted : Errc::timed_out;
  attempt.why = interrupted ? fmt::format("interrupted while waiting for '{}'", uri_)
                            : fmt::format("'{}' has not answered for {} seconds", uri_,
                                          patience.at_most_ns / kSecond);
  co_return attempt;
}

Result<NbdDevice::Limits> NbdDevice::examine(nbd_handle* handle, std::string& why) {
  const std::int64_t size = nbd_get_size(handle);
  if (size < static_cast<std::int64_t>(kBlockSize)) {
    why = fmt::format("the export has {} bytes: smaller than one block", size);
    return fail(Errc::invalid);
  }
  if (nbd_is_read_only(handle) == 1) {
    why = "the export is read-only";
    return fail(Errc::access_denied);
  }
  const std::int64_t block_size = nbd_get_block_size(handle, LIBNBD_SIZE_MINIMUM);
  if (block_size > static_cast<std::int64_t>(kBlockSize)) {
    why = fmt::format("the export wants requests of {} bytes at least", block_size);
    return fail(Errc::invalid);
  }
  const std::int64_t maximum = nbd_get_block_size(handle, LIBNBD_SIZE_MAXIMUM);
  Limits limits;
  limits.block_count = static_cast<std::uint64_t>(size) / kBlockSize;
  limits.request_size_max = kRequestSizeDefault;
  if (maximum > 0) {
    const std::size_t whole = static_cast<std::size_t>(maximum) / kBlockSize * kBlockSize;
    limits.request_size_max = std::min(limits.request_size_max, std::max(whole, kBlockSize));
  }
  limits.can_flush = nbd_can_flush(handle) == 1;
  limits.can_fua = nbd_can_fua(handle) == 1;
  return limits;
}

Task<Result<std::unique_ptr<NbdDevice>>> NbdDevice::open(node::EventLoop& loop, std::string uri,
                                                         std::string& why, Patience patience) {
  std::unique_ptr<NbdDevice> device(new NbdDevice(loop, std::move(uri)));
  Attempt attempt = co_await device->connect(patience);
  if (attempt.handle == nullptr) {
    why = std::move(attempt.why);
    co_return fail(attempt.code);
  }
  const auto limits = examine(attempt.handle.get(), why);
  if (!limits.has_value()) {
    why = fmt::format("cannot use '{}': {}", device->uri_, why);
    co_return std::unexpected(limits.error());
  }
  device->block_count_ = limits->block_count;
  device->adopt(std::move(attempt.handle), *limits);
  co_return device;
}

void NbdDevice::adopt(Handle handle, Limits limits) {
  SCOUTFS_ASSERT(handle_ == nullptr);
  handle_ = std::move(handle);
  limits_ = limits;
  socket_.reset(dup(nbd_aio_get_fd(handle_.get())));
  SCOUTFS_ASSERT(static_cast<bool>(socket_));
  watch_ =
      loop_.watch(socket_.get(), EPOLLIN, [this](std::uint32_t events) { on_ready(events); });
  update_events();
}

void NbdDevice::on_ready(std::uint32_t events) {
  const unsigned direction = nbd_aio_get_direction(handle_.get());
  // Errors and hang-ups are found by whichever the library wants to do next.
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  const bool readable = broken || (events & EPOLLIN) != 0;
  const bool writable = broken || (events & EPOLLOUT) != 0;
  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0 && readable) {
    nbd_aio_notify_read(handle_.get());
  } else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0 && writable) {
    nbd_aio_notify_write(handle_.get());
  }
  update_events();
}

void NbdDevice::update_events() {
  if (handle_ == nullptr) return;
  if (nbd_aio_is_dead(handle_.get()) != 0 || nbd_aio_is_closed(handle_.get()) != 0)
    return drop();
  const unsigned direction = nbd_aio_get_direction(handle_.get());
  std::uint32_t events = 0;
  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0) events |= EPOLLIN;
  if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) events |= EPOLLOUT;
  watch_.set_events(events);
}

void NbdDevice::drop() {
  watch_.reset();
  socket_.reset();
  // Calls back every command that is still in flight, with an error.
  handle_.reset();
}

std::shared_ptr<NbdDevice::Command> NbdDevice::start(const Issue& issue) {
  auto command = std::make_shared<Command>(*this);
  if (handle_ == nullptr) {
    command->complete(ENOTCONN);
  } else if (!issue(handle_.get(), command)) {
    const int error = nbd_get_errno();
    command->complete(error != 0 ? error : EIO);
  }
  update_events();
  return command;
}

Task<Result<void>> NbdDevice::transfer(std::byte* bytes, std::size_t size, std::uint64_t offset,
                                       std::uint32_t flags, bool is_write) {
  Pending pending(*this);
  for (std::size_t done = 0; done < size;) {
    const std::size_t piece = std::min(size - done, limits_.request_size_max);
    std::byte* const from = bytes + done;
    const std::uint64_t at = offset + done;
    co_await slots_.acquire(1);
    pending.add(start([=](nbd_handle* handle, const std::shared_ptr<Command>& command) {
      const auto callback = Command::callback(command);
      return (is_write ? nbd_aio_pwrite(handle, from, piece, at, callback, flags)
                       : nbd_aio_pread(handle, from, piece, at, callback, 0)) != -1;
    }));
    done += piece;
  }
  // All of them, whatever the first says: the buffer is theirs until then.
  int failure = 0;
  for (const auto& command : pending.commands()) {
    const int error = co_await command->done.wait();
    if (failure == 0) failure = error;
  }
  if (failure != 0) co_return fail(code_of(failure));
  co_return Result<void>{};
}

Task<Result<void>> NbdDevice::read(BlockNo first, std::span<std::byte> out) {
  SCOUTFS_ASSERT(out.size() % kBlockSize == 0);
  SCOUTFS_ASSERT(first.value + out.size() / kBlockSize <= block_count_);
  co_return co_await transfer(out.data(), out.size(), first.value * kBlockSize, 0, false);
}

Task<Result<void>> NbdDevice::write(BlockNo first, std::span<const std::byte> data,
                                    Durability durability) {
  SCOUTFS_ASSERT(data.size() % kBlockSize == 0);
  SCOUTFS_ASSERT(first.value + data.size() / kBlockSize <= block_count_);
  const bool durable = durability == Durability::on_completion;
  const std::uint32_t flags = durable && limits_.can_fua ? LIBNBD_CMD_FLAG_FUA : 0;
  // Never written through: the command is a write.
  auto* const bytes = const_cast<std::byte*>(data.data());
  SCOUTFS_CO_CHECK(
      co_await transfer(bytes, data.size(), first.value * kBlockSize, flags, true));
  if (durable && !limits_.can_fua) co_return co_await flush();
  co_return Result<void>{};
}

Task<Result<void>> NbdDevice::flush() {
  // Without flushes a server has no volatile cache.
  if (connected() && !limits_.can_flush) co_return Result<void>{};
  co_await slots_.acquire(1);
  Pending pending(*this);
  pending.add(start([](nbd_handle* handle, const std::shared_ptr<Command>& command) {
    return nbd_aio_flush(handle, Command::callback(command), 0) != -1;
  }));
  const int error = co_await pending.commands().front()->done.wait();
  if (error != 0) co_return fail(code_of(error));
  co_return Result<void>{};
}

Task<Result<void>> NbdDevice::reconnect() {
  drop();
  const Patience patience;
  Attempt attempt = co_await connect(patience);
  if (attempt.handle == nullptr) co_return fail(Errc::disconnected);
  std::string why;
  SCOUTFS_CO_TRY(const Limits limits, examine(attempt.handle.get(), why));
  if (limits.block_count != block_count_) co_return fail(Errc::invalid);
  adopt(std::move(attempt.handle), limits);
  co_return Result<void>{};
}

}  // namespace scoutfs::nbd
