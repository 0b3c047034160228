#include "nbd/handshake.hpp"

#include <fmt/core.h>
#include <libnbd.h>

#include <cerrno>
#include <chrono>
#include <functional>

#include "engine/base/assert.hpp"

namespace scoutfs::nbd {

namespace {

using Steady = std::chrono::steady_clock;

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
  const char* const error = nbd_get_error();
  if (error == nullptr) return "no answer";
  const std::string text = error;
  const std::size_t colon = text.starts_with("nbd_") ? text.find(": ") : std::string::npos;
  return colon == std::string::npos ? text : text.substr(colon + 2);
}

// Drives the library until `done` says so. False: the time is over, or it failed.
bool drive(nbd_handle* handle, Steady::time_point deadline, const std::stop_token& stop,
           const std::function<bool()>& done) {
  constexpr int kStepMs = 50;
  while (!done()) {
    if (nbd_aio_is_dead(handle) != 0 || nbd_aio_is_closed(handle) != 0) return false;
    if (stop.stop_requested()) return false;
    if (Steady::now() > deadline) return false;
    if (nbd_poll(handle, kStepMs) < 0) return false;
  }
  return true;
}

// One negotiation with a server.
class Negotiation {
 public:
  Negotiation(const std::string& uri, std::stop_token stop)
      : uri_(uri),
        stop_(std::move(stop)),
        deadline_(Steady::now() + std::chrono::seconds(60)),
        handle_(nbd_create()) {
    SCOUTFS_ASSERT(handle_ != nullptr);
  }

  bool connect() {
    // The operator wrote the URI, so it may name key files.
    nbd_set_uri_allow_local_file(get(), true);
    // Every reader of a buffer looks at the result first.
    nbd_set_pread_initialize(get(), false);
    nbd_set_opt_mode(get(), true);
    if (nbd_aio_connect_uri(get(), uri_.c_str()) != 0) return failed("cannot connect to");
    const bool there = drive(get(), deadline_, stop_, [this] {
      return nbd_aio_is_negotiating(get()) != 0 || nbd_aio_is_ready(get()) != 0;
    });
    if (there) return true;
    const bool told = !stop_.stop_requested() && nbd_get_error() != nullptr;
    return told ? failed("cannot connect to") : ended("cannot connect to");
  }

  // An old server has nothing to negotiate, and is no fencing one.
  bool negotiates() const { return nbd_aio_is_negotiating(get()) != 0; }

  bool list() {
    const nbd_list_callback each{.callback =
                                     [](void* data, const char* name, const char* text) {
                                       static_cast<Negotiation*>(data)->on_export(name, text);
                                       return 0;
                                     },
                                 .user_data = this,
                                 .free = nullptr};
    return option("cannot negotiate with", [&](nbd_completion_callback end) {
      return nbd_aio_opt_list(get(), each, end);
    });
  }

  // With the export of the URI, or the one named.
  bool go(const std::optional<std::string>& name) {
    if (name.has_value() && nbd_set_export_name(get(), name->c_str()) != 0) {
      return failed("cannot name an export of");
    }
    return option("refused by",
                  [&](nbd_completion_callback end) { return nbd_aio_opt_go(get(), end); });
  }

  // Ends the negotiation without an export.
  void give_up() {
    if (negotiates()) nbd_aio_opt_abort(get());
  }

  Handle take() { return std::move(handle_); }
  const std::optional<Offer>& offer() const { return offer_; }
  const std::string& why() const { return why_; }
  Errc code() const { return code_; }
  bool alive() const { return negotiates(); }

 private:
  nbd_handle* get() const { return handle_.get(); }

  void on_export(const char* name, const char* text) {
    if (name != kStatusExport) return;
    const Result<Offer> offer = parse_offer(text);
    if (offer.has_value()) offer_ = *offer;
  }

  bool failed(const char* what) {
    code_ = code_of_connect_error(nbd_get_errno());
    why_ = fmt::format("{} '{}': {}", what, uri_, reason());
    return false;
  }
  bool ended(const char* what) {
    code_ = stop_.stop_requested() ? Errc::interrupted : Errc::disconnected;
    why_ = fmt::format(
        "{} '{}': {}", what, uri_,
        stop_.stop_requested() ? "interrupted" : "the server closed the connection");
    return false;
  }

  // Queues an option by `issue` and waits for the server's answer.
  template <class Issue>
  bool option(const char* what, const Issue& issue) {
    option_error_ = -1;
    const nbd_completion_callback end{.callback =
                                          [](void* data, int* error) {
                                            auto* self = static_cast<Negotiation*>(data);
                                            self->option_error_ = *error;
                                            return 1;
                                          },
                                      .user_data = this,
                                      .free = nullptr};
    if (issue(end) != 0) return failed(what);
    const bool answered = drive(get(), deadline_, stop_, [this] { return option_error_ >= 0; });
    if (answered && option_error_ == 0) return true;
    if (!answered) return ended(what);
    code_ = code_of_connect_error(option_error_);
    why_ = fmt::format("{} '{}'", what, uri_);
    return false;
  }

  const std::string& uri_;
  std::stop_token stop_;
  Steady::time_point deadline_;
  std::optional<Offer> offer_;
  int option_error_ = -1;
  std::string why_;
  Errc code_ = Errc::disconnected;
  // Last: closing it calls back what is under way.
  Handle handle_;
};

}  // namespace

void HandleDeleter::operator()(nbd_handle* handle) const {
  nbd_close(handle);
}

Handshake shake_hands(const std::string& uri, const Ticket* ticket,
                      const std::stop_token& stop) {
  Negotiation negotiation(uri, stop);
  bool good = negotiation.connect();
  Handshake result;
  if (good && negotiation.negotiates()) {
    // Who does not list its exports is no fencing server.
    good = negotiation.list() || negotiation.alive();
    std::optional<std::string> name;
    if (ticket != nullptr) name = encode(ticket->identity, ticket->secret);
    if (good && ticket != nullptr && !negotiation.offer().has_value()) {
      result.code = Errc::unsupported;
      result.why = fmt::format("'{}' is served without fencing", uri);
      return result;
    }
    if (good) good = negotiation.go(name);
    result.refused = !good && negotiation.alive();
  } else if (good && ticket != nullptr) {
    result.code = Errc::unsupported;
    result.why = fmt::format("'{}' is served without fencing", uri);
    return result;
  }
  result.offer = negotiation.offer();
  result.code = negotiation.code();
  result.why = negotiation.why();
  if (!good) {
    negotiation.give_up();
    return result;
  }
  result.handle = negotiation.take();
  return result;
}

int finish_command(nbd_handle* handle, std::uint64_t cookie, unsigned patience_ms,
                   const std::stop_token& stop) {
  int outcome = 0;
  const auto deadline = Steady::now() + std::chrono::milliseconds(patience_ms);
  const bool finished = drive(handle, deadline, stop, [&] {
    outcome = nbd_aio_command_completed(handle, cookie);
    return outcome != 0;
  });
  if (outcome > 0) return 0;
  if (outcome < 0) return nbd_get_errno() != 0 ? nbd_get_errno() : EIO;
  return finished ? EIO : ETIMEDOUT;
}

}  // namespace scoutfs::nbd
