// The control export of a fencing disk server: commands, over NBD.
//
// A write at offset 0 is a request, a JSON object; zero bytes may follow it. The server carries
// it out before it answers the write. A read from offset 0 then gives the answer: its size in
// bytes as a little-endian u64, the JSON document, and zero bytes to the end of the export. The
// answer is the connection's own.
//
//   {"op":"register_term","term":{"number":N,"slot":N},"rid":HEX,"epoch":N}
//   {"op":"fence","term":{...},"rid":HEX,"epoch":N}     without "term": an operator's word
//   {"op":"leave","rid":HEX,"epoch":N}                  the client's own goodbye
//   {"op":"state","rid":HEX,"epoch":N,"role":TEXT,"table":HEX,"born":N}
//   {"op":"status"}
//
// Answers: {"ok":true}, for "state" with "may_connect":true or false, for "status" with
// "status"; or {"ok":false,"error":NAME}, where NAME is one of those below.
#pragma once

#include <string_view>

#include "engine/base/result.hpp"

namespace scoutfs::nbd {

inline constexpr std::size_t kControlSizeMax = 1u << 20;  // bytes of a request or an answer

// "fenced": a newer term is known. "invalid": the request makes no sense. "io_error": the disk
// or the fence table failed.
constexpr std::string_view control_error_name(Errc code) {
  switch (code) {
    case Errc::fenced:
      return "fenced";
    case Errc::invalid:
      return "invalid";
    default:
      return "io_error";
  }
}
constexpr Errc control_error_code(std::string_view name) {
  if (name == "fenced") return Errc::fenced;
  if (name == "invalid") return Errc::invalid;
  return Errc::io_error;
}

}  // namespace scoutfs::nbd
