// ControlClient: talks to the control export of a fencing disk server (nbd/plugin/control.hpp).
//
// Each call makes a connection, asks and ends it. It blocks; call it on a helper thread or
// where nobody waits. `stop` ends a call early.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "nbd/handshake.hpp"

namespace scoutfs::nbd {

class ControlClient {
 public:
  // `ticket` tells volume, secret and node; its role and session do not matter.
  ControlClient(std::string uri, Ticket ticket);

  // Errors of all: disconnected (not reached; the request may or may not have been carried
  // out), unsupported (no fencing server), access_denied (the server refuses the secret or the
  // volume), io_error, invalid.

  // Errors: fenced (a newer term is known).
  Result<void> register_term(Term term, Incarnation leader, const std::stop_token& stop = {});
  // When it returns, no request of the victim runs or will ever run. Without a term it is an
  // operator's word. Errors: fenced (a newer term is known).
  Result<void> fence(std::optional<Term> term, Incarnation victim,
                     const std::stop_token& stop = {});
  // An incarnation's own goodbye: it never connects again.
  Result<void> leave(Incarnation who, const std::stop_token& stop = {});
  // Whether the server would admit a connection of `who`.
  Result<bool> may_connect(const Identity& who, const std::stop_token& stop = {});
  Result<nlohmann::json> status(const std::stop_token& stop = {});
  // Of the last failure, for the operator.
  const std::string& why() const { return why_; }

 private:
  Result<nlohmann::json> ask(const nlohmann::json& request, const std::stop_token& stop);

  std::string uri_;
  Ticket ticket_;
  std::string why_;
};

}  // namespace scoutfs::nbd
