#include "iscsi/iscsi_session.hpp"

#include <fmt/core.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "node/loop/helper_thread.hpp"

namespace scoutfs::iscsi {

namespace {

constexpr std::uint64_t kInFlightMax = 64;  // commands
constexpr int kLoginTimeout = 10;           // seconds
constexpr int kTriesMax = 100;              // of a command the target did not begin
constexpr TimeNs kBusyPause = 20 * kMillisecond;
constexpr unsigned kUserTimeout = 20'000;  // milliseconds without an answer of TCP

// Additional sense codes of unit attentions, as SPC-4 numbers them.
constexpr int kStatusTaskAborted = 0x40;   // SAM-5
constexpr int kAscReset = 0x29;            // power on, or a reset
constexpr int kAscCommandsCleared = 0x2f;  // by another initiator

}  // namespace

// Shared by the waiting coroutine and the session, which keeps it until the library is done.
struct IscsiSession::Command {
  explicit Command(IscsiSession& owner) : session(owner), done(owner.loop_.scheduler()) {}
  ~Command() {
    if (task != nullptr) scsi_free_scsi_task(task);
  }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  void complete(int new_status) {
    if (done.is_set()) return;
    status = new_status;
    done.set(true);
  }

  IscsiSession& session;
  OneShot<bool> done;
  std::uint64_t number = 0;  // in the order of issue
  scsi_task* task = nullptr;
  int status = SCSI_STATUS_ERROR;
};

void IscsiSession::Closed::operator()(iscsi_context* context) const {
  iscsi_destroy_context(context);
}

struct IscsiSession::Hold {
  explicit Hold(IscsiSession& owner) : session(owner) { ++session.holds_; }
  ~Hold() {
    SCOUTFS_ASSERT(session.holds_ > 0);
    if (--session.holds_ == 0) session.released_.wake_all();
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  IscsiSession& session;
};

IscsiSession::IscsiSession(node::EventLoop& loop, Context context, unsigned lun,
                           SessionLimits limits)
    : loop_(loop),
      context_(std::move(context)),
      lun_(lun),
      limits_(limits),
      socket_(dup(iscsi_get_fd(context_.get()))),
      slots_(loop.scheduler(), kInFlightMax),
      released_(loop.scheduler()),
      moved_(loop.scheduler()) {
  SCOUTFS_ASSERT(static_cast<bool>(socket_));
  // Tuning; a kernel that refuses still carries the commands.
  [[maybe_unused]] const int status = setsockopt(socket_.get(), IPPROTO_TCP, TCP_USER_TIMEOUT,
                                                 &kUserTimeout, sizeof(kUserTimeout));
  watch_ =
      loop_.watch(socket_.get(), EPOLLIN, [this](std::uint32_t events) { on_ready(events); });
  update_events();
}

IscsiSession::~IscsiSession() {
  drop();
}

IscsiSession::Attempt IscsiSession::attempt(const std::string& uri,
                                            const Initiator& initiator) {
  Attempt attempt;
  attempt.context.reset(iscsi_create_context(initiator.name.c_str()));
  iscsi_context* context = attempt.context.get();
  SCOUTFS_ASSERT(context != nullptr);
  iscsi_url* url = iscsi_parse_full_url(context, uri.c_str());
  if (url == nullptr) {
    attempt.code = Errc::invalid;
    attempt.why = fmt::format("'{}' is not iscsi://HOST[:PORT]/TARGET/LUN", uri);
    attempt.context.reset();
    return attempt;
  }
  iscsi_set_isid_random(context, initiator.session, 0);
  iscsi_set_targetname(context, url->target);
  iscsi_set_session_type(context, ISCSI_SESSION_NORMAL);
  iscsi_set_header_digest(context, ISCSI_HEADER_DIGEST_NONE_CRC32C);
  iscsi_set_noautoreconnect(context, 1);
  iscsi_set_timeout(context, kLoginTimeout);
  if (url->user[0] != '\0') iscsi_set_initiator_username_pwd(context, url->user, url->passwd);
  attempt.lun = static_cast<unsigned>(url->lun);
  if (iscsi_full_connect_sync(context, url->portal, url->lun) != 0) {
    attempt.why = fmt::format("cannot log in at '{}': {}", uri, iscsi_get_error(context));
    attempt.context.reset();
  } else {
    iscsi_set_timeout(context, 0);
  }
  iscsi_destroy_url(url);
  return attempt;
}

Task<Result<std::unique_ptr<IscsiSession>>> IscsiSession::login(node::EventLoop& loop,
                                                                std::string uri,
                                                                Initiator initiator,
                                                                std::string& why,
                                                                SessionLimits limits) {
  // On its own thread: name look-ups and handshakes block.
  const OneShot<std::shared_ptr<Attempt>> answer(loop.scheduler());
  std::jthread connecting([&loop, answer, uri, initiator] {
    node::block_signals();
    auto made = std::make_shared<Attempt>(attempt(uri, initiator));
    loop.post([answer, made] { answer.set(made); });
  });
  const std::shared_ptr<Attempt> made = co_await answer.wait();
  connecting.join();
  if (made->context == nullptr) {
    why = made->why;
    co_return fail(made->code);
  }
  co_return std::unique_ptr<IscsiSession>(
      new IscsiSession(loop, std::move(made->context), made->lun, limits));
}

void IscsiSession::on_ready(std::uint32_t events) {
  int ready = 0;
  if ((events & EPOLLIN) != 0) ready |= POLLIN;
  if ((events & EPOLLOUT) != 0) ready |= POLLOUT;
  if ((events & EPOLLERR) != 0) ready |= POLLERR;
  if ((events & EPOLLHUP) != 0) ready |= POLLHUP;
  servicing_ = true;
  const int status = iscsi_service(context_.get(), ready);
  servicing_ = false;
  if (status != 0 || iscsi_get_fd(context_.get()) < 0) return drop();
  update_events();
  moved_.wake_all();
}

void IscsiSession::update_events() {
  if (context_ == nullptr || servicing_) return;
  const int wanted = iscsi_which_events(context_.get());
  std::uint32_t events = 0;
  if ((wanted & POLLIN) != 0) events |= EPOLLIN;
  if ((wanted & POLLOUT) != 0) events |= EPOLLOUT;
  watch_.set_events(events);
}

void IscsiSession::drop() {
  SCOUTFS_ASSERT(!servicing_);
  if (context_ == nullptr) return;
  watch_.reset();
  socket_.reset();
  servicing_ = true;
  context_.reset();  // may call back
  servicing_ = false;
  for (const auto& [number, command] : in_flight_) command->complete(SCSI_STATUS_CANCELLED);
  in_flight_.clear();
  moved_.wake_all();
}

void IscsiSession::on_done(iscsi_context*, int status, void*, void* command) {
  static_cast<Command*>(command)->complete(status);
}

void IscsiSession::on_managed(iscsi_context*, int status, void* data, void* command) {
  // The answer of a task management function is a word: 0 is "function complete".
  const bool refused = status == SCSI_STATUS_GOOD && data != nullptr &&
                       *static_cast<const std::uint32_t*>(data) != 0;
  static_cast<Command*>(command)->complete(refused ? SCSI_STATUS_ERROR : status);
}

Task<std::shared_ptr<IscsiSession::Command>> IscsiSession::run_once(const Issue& issue) {
  struct Slot {
    Semaphore& slots;
    ~Slot() { slots.release(1); }
  };
  co_await slots_.acquire(1);
  const Slot slot{slots_};
  while (holds_ > 0) co_await released_.wait();
  co_return co_await carry_out(issue, Patience::asks);
}

Task<std::shared_ptr<IscsiSession::Command>> IscsiSession::carry_out(const Issue& issue,
                                                                     Patience patience) {
  auto command = std::make_shared<Command>(*this);
  if (context_ == nullptr) {
    command->complete(SCSI_STATUS_CANCELLED);
  } else {
    command->number = next_number_++;
    in_flight_[command->number] = command;
    if (!issue(context_.get(), lun_, command.get(), command->task)) {
      command->complete(SCSI_STATUS_CANCELLED);
    }
    update_events();
  }
  // The buffers are the library's until it is done: whoever is destroyed earlier takes the
  // session along.
  struct Guard {
    IscsiSession& session;
    std::shared_ptr<Command> command;
    ~Guard() {
      if (!command->done.is_set()) session.drop();
      session.in_flight_.erase(command->number);
      session.moved_.wake_all();
    }
  };
  const Guard guard{*this, command};
  while (!command->done.is_set()) {
    const TimeNs wait_ns = patience == Patience::asks ? limits_.silence_ns : limits_.mute_ns;
    const std::optional<bool> done =
        co_await command->done.wait(nullptr, loop_.clock().now_ns() + wait_ns);
    if (done.has_value()) break;
    if (patience == Patience::waits) {
      drop();
      break;
    }
    // One asks for all.
    const bool oldest = !in_flight_.empty() && in_flight_.begin()->second == command;
    if (oldest) co_await probe();
  }
  co_return command;
}

Task<void> IscsiSession::probe() {
  const Issue issue = [](iscsi_context* context, unsigned lun, void* command,
                         scsi_task*& task) {
    task = iscsi_testunitready_task(context, static_cast<int>(lun), on_done, command);
    return task != nullptr;
  };
  const std::shared_ptr<Command> command = co_await carry_out(issue, Patience::waits);
  Reply reply;
  const Next next = judge(*command, reply);
  if (next == Next::again_after_abort) co_await forget_before(command->number);
  if (next == Next::drop) drop();
}

IscsiSession::Next IscsiSession::judge(const Command& command, Reply& reply) {
  switch (command.status) {
    case SCSI_STATUS_GOOD:
      reply.outcome = Outcome::good;
      if (command.task != nullptr && command.task->datain.data != nullptr) {
        reply.data.assign(reinterpret_cast<const char*>(command.task->datain.data),
                          static_cast<std::size_t>(command.task->datain.size));
      }
      return Next::finish;
    case SCSI_STATUS_RESERVATION_CONFLICT:
      reply.outcome = Outcome::conflict;
      return Next::finish;
    case SCSI_STATUS_BUSY:
    case SCSI_STATUS_TASK_SET_FULL:
      return Next::later;
    case SCSI_STATUS_CHECK_CONDITION:
      break;
    case SCSI_STATUS_CANCELLED:
    case kStatusTaskAborted:
      return Next::finish;
    default:
      return Next::drop;
  }
  const scsi_sense& sense = command.task->sense;
  const char* kind = scsi_sense_key_str(sense.key);
  reply.why = fmt::format("{} ({:04x})", kind != nullptr ? kind : "unknown sense", sense.ascq);
  if (sense.key == SCSI_SENSE_UNIT_ATTENTION) {
    const int code = sense.ascq >> 8;
    const bool aborted = code == kAscReset || code == kAscCommandsCleared;
    return aborted ? Next::again_after_abort : Next::again;
  }
  if (sense.key == SCSI_SENSE_COMMAND_ABORTED) return Next::finish;
  const bool unknown = sense.key == SCSI_SENSE_ILLEGAL_REQUEST;
  reply.outcome = unknown ? Outcome::unsupported : Outcome::failed;
  return Next::finish;
}

bool IscsiSession::is_in_flight_before(std::uint64_t number) const {
  return std::ranges::any_of(in_flight_, [number](const auto& entry) {
    return entry.first < number && !entry.second->done.is_set();
  });
}

bool IscsiSession::is_sending() const {
  SCOUTFS_ASSERT(context_ != nullptr);
  // What is being sent has left the queue.
  return iscsi_out_queue_length(context_.get()) > 0 ||
         (iscsi_which_events(context_.get()) & POLLOUT) != 0;
}

Task<void> IscsiSession::forget_before(std::uint64_t number) {
  const Hold hold(*this);
  const TimeNs until_ns = loop_.clock().now_ns() + limits_.mute_ns;
  while (is_in_flight_before(number) && context_ != nullptr && is_sending()) {
    const Wake wake = co_await moved_.wait(nullptr, until_ns);
    if (wake == Wake::timed_out) drop();
  }
  for (const auto& [other_number, other] : std::map(in_flight_)) {
    if (other_number >= number || other->done.is_set() || context_ == nullptr) continue;
    // A reset is alone in flight.
    SCOUTFS_ASSERT(other->task != nullptr);
    iscsi_scsi_cancel_task(context_.get(), other->task);
    other->complete(SCSI_STATUS_CANCELLED);
  }
}

Task<IscsiSession::Reply> IscsiSession::run(Issue issue) {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    Reply reply;
    const std::shared_ptr<Command> command = co_await run_once(issue);
    const Next next = judge(*command, reply);
    if (next == Next::finish) co_return reply;
    if (next == Next::drop) {
      drop();
      reply.outcome = Outcome::lost;
      co_return reply;
    }
    if (next == Next::again_after_abort) co_await forget_before(command->number);
    if (next == Next::later) co_await Sleep(loop_.scheduler(), kBusyPause);
  }
  Reply refused;
  refused.outcome = Outcome::failed;
  refused.why = "the target stays busy";
  co_return refused;
}

Task<Result<void>> IscsiSession::reset_unit() {
  const Hold hold(*this);
  while (!in_flight_.empty()) co_await moved_.wait();
  const Issue issue = [](iscsi_context* context, unsigned lun, void* command, scsi_task*&) {
    return iscsi_task_mgmt_lun_reset_async(context, lun, on_managed, command) == 0;
  };
  const std::shared_ptr<Command> command = co_await carry_out(issue, Patience::waits);
  if (command->status != SCSI_STATUS_GOOD) {
    co_return fail(connected() ? Errc::io_error : Errc::disconnected);
  }
  co_return Result<void>{};
}

}  // namespace scoutfs::iscsi
