#include "nbd/control_client.hpp"

#include <fmt/core.h>
#include <libnbd.h>

#include <cerrno>
#include <cstring>

#include "engine/base/codec.hpp"
#include "nbd/control_protocol.hpp"

namespace scoutfs::nbd {

namespace {

using nlohmann::json;

constexpr unsigned kAnswerMs = 60'000;     // a fence waits for the disk
constexpr std::size_t kPiece = 64u << 10;  // bytes, of one read of an answer

// Who asks waits for the command itself.
constexpr nbd_completion_callback kNobody{
    .callback = nullptr, .user_data = nullptr, .free = nullptr};

json who_json(const char* op, Incarnation who) {
  return {
      {"op", op}, {"rid", fmt::format("{:016x}", who.rid.value)}, {"epoch", who.epoch.value}};
}

json term_json(Term term) {
  return {{"number", term.number}, {"slot", term.slot}};
}

// One exchange. 0 or an errno.
int exchange(nbd_handle* handle, std::string request, std::string& answer,
             const std::stop_token& stop) {
  request.push_back('\0');
  const auto wait = [&](std::int64_t cookie) {
    if (cookie < 0) return nbd_get_errno() != 0 ? nbd_get_errno() : EIO;
    return finish_command(handle, static_cast<std::uint64_t>(cookie), kAnswerMs, stop);
  };
  int error = wait(nbd_aio_pwrite(handle, request.data(), request.size(), 0, kNobody, 0));
  if (error != 0) return error;
  std::string bytes(kPiece, '\0');
  error = wait(nbd_aio_pread(handle, bytes.data(), kPiece, 0, kNobody, 0));
  if (error != 0) return error;
  const auto size = load_little<std::uint64_t>(bytes.data());
  if (size > kControlSizeMax - sizeof(size)) return EINVAL;
  while (bytes.size() < sizeof(size) + size) {
    const std::size_t at = bytes.size();
    const std::size_t count = std::min(kPiece, kControlSizeMax - at);
    bytes.resize(at + count);
    error = wait(nbd_aio_pread(handle, bytes.data() + at, count, at, kNobody, 0));
    if (error != 0) return error;
  }
  answer = bytes.substr(sizeof(size), size);
  return 0;
}

}  // namespace

ControlClient::ControlClient(std::string uri, Ticket ticket)
    : uri_(std::move(uri)), ticket_(std::move(ticket)) {
  ticket_.identity.role = Role::control;
}

Result<json> ControlClient::ask(const json& request, const std::stop_token& stop) {
  // Declared before the handle, whose end is that of what the library does with them.
  std::string text = request.dump(), answer;
  Handshake made = shake_hands(uri_, &ticket_, stop);
  if (made.handle == nullptr) {
    why_ = made.why;
    if (made.code == Errc::unsupported) return fail(made.code);
    return fail(made.refused ? Errc::access_denied : Errc::disconnected);
  }
  const int error = exchange(made.handle.get(), std::move(text), answer, stop);
  if (error != 0) {
    why_ = fmt::format("'{}' did not answer: {}", uri_, std::strerror(error));
    return fail(error == EINVAL ? Errc::invalid : Errc::disconnected);
  }
  json document = json::parse(answer, nullptr, false);
  if (!document.is_object()) {
    why_ = fmt::format("'{}' answered nonsense", uri_);
    return fail(Errc::invalid);
  }
  if (document.value("ok", false)) return document;
  const Errc code = control_error_code(document.value("error", ""));
  why_ = fmt::format("'{}' refused: {}", uri_, to_string(code));
  return fail(code);
}

Result<void> ControlClient::register_term(Term term, Incarnation leader,
                                          const std::stop_token& stop) {
  json request = who_json("register_term", leader);
  request["term"] = term_json(term);
  SCOUTFS_CHECK(ask(request, stop));
  return {};
}

Result<void> ControlClient::fence(std::optional<Term> term, Incarnation victim,
                                  const std::stop_token& stop) {
  json request = who_json("fence", victim);
  if (term.has_value()) request["term"] = term_json(*term);
  SCOUTFS_CHECK(ask(request, stop));
  return {};
}

Result<void> ControlClient::leave(Incarnation who, const std::stop_token& stop) {
  SCOUTFS_CHECK(ask(who_json("leave", who), stop));
  return {};
}

Result<bool> ControlClient::may_connect(const Identity& who, const std::stop_token& stop) {
  json request = who_json("state", who.who);
  request["role"] = std::string(to_string(who.role));
  request["table"] = fmt::format("{:016x}", who.table);
  request["born"] = who.born;
  SCOUTFS_TRY(const json answer, ask(request, stop));
  return answer.value("may_connect", false);
}

Result<json> ControlClient::status(const std::stop_token& stop) {
  SCOUTFS_TRY(const json answer, ask(json{{"op", "status"}}, stop));
  return answer.value("status", json::object());
}

}  // namespace scoutfs::nbd
