#include "node/storage_fencing.hpp"

namespace scoutfs::node {

namespace {

// What the engine knows of these; the rest it cannot act upon.
Errc code_of(Errc code) {
  return code == Errc::fenced || code == Errc::io_error ? code : Errc::disconnected;
}

}  // namespace

Task<Result<void>> StorageFencing::ask(Request request) {
  std::function<Result<void>(const std::stop_token&)> work =
      [uri = uri_, ticket = ticket_,
       request = std::move(request)](const std::stop_token& stop) {
        nbd::ControlClient control(uri, ticket);
        return request(control, stop);
      };
  const Result<void> result = co_await calls_.run(std::move(work));
  if (!result.has_value()) co_return fail(code_of(result.error().code));
  co_return Result<void>{};
}

Task<Result<void>> StorageFencing::register_term(Term term, Incarnation leader) {
  Request request = [term, leader](nbd::ControlClient& control, const std::stop_token& stop) {
    return control.register_term(term, leader, stop);
  };
  co_return co_await ask(std::move(request));
}

Task<Result<bool>> StorageFencing::fence(Term term, Incarnation victim, HostId) {
  Request request = [term, victim](nbd::ControlClient& control, const std::stop_token& stop) {
    return control.fence(term, victim, stop);
  };
  SCOUTFS_CO_CHECK(co_await ask(std::move(request)));
  co_return Result<bool>(true);
}

Task<Result<bool>> StorageFencing::confirm_dead(Incarnation victim, HostId host) {
  if (!host_.is_gone(host)) co_return Result<bool>(false);
  // Its process is gone. What that had sent may still be on its way at the server: this waits
  // for it, and the server need not remember who it was.
  SCOUTFS_CO_CHECK(co_await leave(victim));
  co_return Result<bool>(true);
}

Task<Result<void>> StorageFencing::leave(Incarnation who) {
  Request request = [who](nbd::ControlClient& control, const std::stop_token& stop) {
    return control.leave(who, stop);
  };
  co_return co_await ask(std::move(request));
}

}  // namespace scoutfs::node
