#include "nbd/nbd_device.hpp"

#include <fmt/core.h>
#include <libnbd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "nbd/control_client.hpp"
#include "node/loop/helper_thread.hpp"

namespace scoutfs::nbd {

namespace {

constexpr std::uint64_t kInFlightMax = 64;  // commands
// Bytes. The server works on one piece of a large request while another travels.
constexpr std::size_t kRequestSizeDefault = 256u << 10;
constexpr std::size_t kLinks = 4;  // connections of a session

Errc code_of(int error) {
  switch (error) {
    // Whoever gets it must end the connection. Why it was sent, the next one tells: the server
    // shuts down, a newer session took over, or this incarnation is fenced.
    case ESHUTDOWN:
    case ENOTCONN:
    case EPIPE:
    case ECONNRESET:
      return Errc::disconnected;
    default:
      return Errc::io_error;
  }
}

}  // namespace

// One connection.
struct NbdDevice::Link {
  Handle handle;
  // A duplicate of the library's descriptor: the library closes its own whenever it likes.
  node::UniqueFd socket;
  node::Watch watch;
  unsigned in_flight = 0;  // commands
};

// Shared by the waiting coroutine and the library.
struct NbdDevice::Command {
  explicit Command(NbdDevice& owner)
      : device(owner), done(owner.loop_.scheduler()), generation(owner.generation_) {}
  NbdDevice& device;
  OneShot<int> done;         // errno
  std::uint64_t generation;  // of the links when it began
  Link* link = nullptr;      // as long as it is of this generation

  // Gives the slot back at once: whoever waits for one may hold others.
  void complete(int error) {
    if (done.is_set() || device.loop_.scheduler().killed()) return;
    done.set(error);
    if (error == ESHUTDOWN && generation == device.generation_) device.shut_out_ = true;
    device.slots_.release(1);
    if (link != nullptr && generation == device.generation_) --link->in_flight;
  }

  // The library's completion callback. It owns one reference until it frees it.
  static nbd_completion_callback callback(const std::shared_ptr<Command>& command) {
    return {.callback = [](void* data, int* error) -> int {
              (*static_cast<std::shared_ptr<Command>*>(data))->complete(*error);
              return 1;  // the library forgets the command
            },
            .user_data = new std::shared_ptr<Command>(command),
            .free =
                [](void* data) {
                  auto* const owned = static_cast<std::shared_ptr<Command>*>(data);
                  // A connection that is closed forgets what it carried without a call.
                  (*owned)->complete(ENOTCONN);
                  delete owned;
                }};
  }
};

// Commands on a buffer of the coroutine that holds this. If it is destroyed before they are
// done, the connections go with it: the library may not touch the buffer afterwards.
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

NbdDevice::NbdDevice(node::EventLoop& loop, std::string uri, Options options)
    : loop_(loop),
      uri_(std::move(uri)),
      options_(std::move(options)),
      slots_(loop.scheduler(), kInFlightMax) {}

NbdDevice::~NbdDevice() {
  // At most a name look-up is waited for.
  connecting_.request_stop();
  if (connecting_.joinable()) connecting_.join();
  drop();
}

// ---- Connecting ----

Result<NbdDevice::Limits> NbdDevice::examine(nbd_handle* handle, Access access,
                                             std::string& why) {
  const std::int64_t size = nbd_get_size(handle);
  if (size < static_cast<std::int64_t>(kBlockSize)) {
    why = fmt::format("the export has {} bytes: smaller than one block", size);
    return fail(Errc::invalid);
  }
  if (access == Access::read_write && nbd_is_read_only(handle) == 1) {
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
  limits.can_multi_conn = nbd_can_multi_conn(handle) == 1;
  limits.writable = nbd_is_read_only(handle) == 0;
  return limits;
}

// Whether the server will never admit the identity again. False also if it cannot be asked.
bool NbdDevice::is_over(const std::string& uri, const Ticket& ticket,
                        const std::stop_token& stop) {
  ControlClient control(uri, ticket);
  const Result<bool> may = control.may_connect(ticket.identity, stop);
  return may.has_value() && !*may;
}

NbdDevice::Attempt NbdDevice::attempt(const std::string& uri, const Options& options,
                                      const std::stop_token& stop) {
  Attempt attempt;
  const Ticket* const ticket = options.ticket.has_value() ? &*options.ticket : nullptr;
  const bool many = ticket != nullptr && ticket->identity.role != Role::format;
  const std::size_t wanted = many ? kLinks : 1;
  while (attempt.handles.size() < wanted) {
    Handshake made = shake_hands(uri, ticket, stop);
    if (made.handle == nullptr) {
      attempt.handles.clear();
      attempt.code = made.code;
      attempt.why = std::move(made.why);
      if (ticket == nullptr || !made.refused) return attempt;
      attempt.code = is_over(uri, *ticket, stop) ? Errc::fenced : Errc::disconnected;
      return attempt;
    }
    const Result<Limits> limits = examine(made.handle.get(), options.access, attempt.why);
    if (!limits.has_value()) {
      attempt.handles.clear();
      attempt.code = limits.error().code;
      attempt.why = fmt::format("cannot use '{}': {}", uri, attempt.why);
      return attempt;
    }
    attempt.limits = *limits;
    attempt.offer = made.offer;
    attempt.handles.push_back(std::move(made.handle));
    if (!limits->can_multi_conn) break;
  }
  return attempt;
}

Task<NbdDevice::Attempt> NbdDevice::connect(Patience patience) {
  const OneShot<std::shared_ptr<Attempt>> answer(loop_.scheduler());
  connecting_ =
      std::jthread([this, answer, uri = uri_, options = options_](const std::stop_token& stop) {
        node::block_signals();
        auto made = std::make_shared<Attempt>(attempt(uri, options, stop));
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

Task<Result<std::unique_ptr<NbdDevice>>> NbdDevice::open(node::EventLoop& loop, std::string uri,
                                                         Options options, std::string& why,
                                                         Patience patience) {
  std::unique_ptr<NbdDevice> device(new NbdDevice(loop, std::move(uri), std::move(options)));
  if (device->options_.ticket.has_value()) {
    std::uint64_t& session = device->options_.ticket->identity.session;
    session = std::max<std::uint64_t>(session, 1);
  }
  Attempt attempt = co_await device->connect(patience);
  if (attempt.handles.empty()) {
    why = std::move(attempt.why);
    co_return fail(attempt.code);
  }
  device->block_count_ = attempt.limits.block_count;
  device->offer_ = attempt.offer;
  device->adopt(std::move(attempt));
  co_return device;
}

void NbdDevice::adopt(Attempt attempt) {
  SCOUTFS_ASSERT(links_.empty());
  limits_ = attempt.limits;
  shut_out_ = false;
  ++generation_;
  for (Handle& handle : attempt.handles) {
    Link& link = *links_.emplace_back(std::make_unique<Link>());
    link.handle = std::move(handle);
    link.socket.reset(dup(nbd_aio_get_fd(link.handle.get())));
    SCOUTFS_ASSERT(static_cast<bool>(link.socket));
    link.watch = loop_.watch(link.socket.get(), EPOLLIN,
                             [this, &link](std::uint32_t events) { on_ready(link, events); });
  }
  const std::uint64_t generation = generation_;
  for (std::size_t i = 0; generation == generation_ && i < links_.size(); ++i) {
    update_events(*links_[i]);
  }
}

void NbdDevice::on_ready(Link& link, std::uint32_t events) {
  nbd_handle* const handle = link.handle.get();
  const unsigned direction = nbd_aio_get_direction(handle);
  // Errors and hang-ups are found by whichever the library wants to do next.
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  const bool readable = broken || (events & EPOLLIN) != 0;
  const bool writable = broken || (events & EPOLLOUT) != 0;
  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0 && readable) {
    nbd_aio_notify_read(handle);
  } else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0 && writable) {
    nbd_aio_notify_write(handle);
  }
  update_events(link);
}

void NbdDevice::update_events(Link& link) {
  nbd_handle* const handle = link.handle.get();
  if (shut_out_ || nbd_aio_is_dead(handle) != 0 || nbd_aio_is_closed(handle) != 0) {
    return drop();
  }
  const unsigned direction = nbd_aio_get_direction(handle);
  std::uint32_t events = 0;
  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0) events |= EPOLLIN;
  if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) events |= EPOLLOUT;
  link.watch.set_events(events);
}

void NbdDevice::drop() {
  ++generation_;
  // Calls back every command that is still in flight, with an error.
  const std::vector<std::unique_ptr<Link>> links = std::exchange(links_, {});
  for (const auto& link : links) link->watch.reset();
}

// ---- Requests ----

std::shared_ptr<NbdDevice::Command> NbdDevice::start(const Issue& issue) {
  auto command = std::make_shared<Command>(*this);
  if (links_.empty()) {
    command->complete(ENOTCONN);
    return command;
  }
  Link& link = **std::ranges::min_element(
      links_, {}, [](const std::unique_ptr<Link>& each) { return each->in_flight; });
  ++link.in_flight;
  command->link = &link;
  if (!issue(link.handle.get(), command)) {
    const int error = nbd_get_errno();
    command->complete(error != 0 ? error : EIO);
  }
  update_events(link);
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
  // A number that no connection of this incarnation has had: the server tells them apart by it.
  if (options_.ticket.has_value()) ++options_.ticket->identity.session;
  const Patience patience;
  Attempt attempt = co_await connect(patience);
  if (attempt.handles.empty()) {
    co_return fail(attempt.code == Errc::fenced ? Errc::fenced : Errc::disconnected);
  }
  if (attempt.limits.block_count != block_count_) co_return fail(Errc::invalid);
  if (offer_.has_value() && attempt.offer.has_value() && attempt.offer->boot != offer_->boot) {
    co_return fail(Errc::stale);
  }
  adopt(std::move(attempt));
  co_return Result<void>{};
}

}  // namespace scoutfs::nbd
