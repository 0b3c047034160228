// Result<T>: the value, or the reason there is none.
#pragma once

#include <cstdint>
#include <expected>
#include <source_location>
#include <string_view>
#include <utility>

#include "engine/base/assert.hpp"

namespace scoutfs {

// Why an operation failed, grouped by what the caller may do about it. Codes become errno only
// at the edges (node/errno.hpp).
enum class Errc : std::uint8_t {
  // The device or a peer: retrying may help.
  io_error,      // The device failed the request.
  disconnected,  // The connection to the peer is gone; the request may or may not have run.
  timed_out,     // Nobody answered in the time allowed.

  // The bytes are wrong: retrying will not help.
  corrupt,       // Read but does not verify, or contradicts other metadata.
  unsupported,   // A format hash or version this build does not know.
  wrong_volume,  // Another filesystem's fsid, cluster name or identity.

  // This node: stop what it does.
  fenced,       // The incarnation was declared dead. Never write again.
  stopping,     // The object is shutting down.
  interrupted,  // The caller asked for the operation to end.
  stale,        // The object was replaced since the caller looked. Look again and retry.

  // Space and limits.
  no_space,        // Nothing left to allocate.
  too_large,       // A value, name list or message exceeds its limit (E2BIG).
  file_too_large,  // A file offset beyond the largest file (EFBIG).

  // Answers of a POSIX operation.
  not_found,
  exists,
  not_directory,
  is_directory,
  not_empty,
  invalid,
  name_too_long,
  too_many_links,
  no_attribute,       // ENODATA
  out_of_range,       // ERANGE
  not_permitted,      // EPERM
  access_denied,      // EACCES
  operation_unknown,  // EOPNOTSUPP
  no_locks,           // ENOLCK
  no_such_position,   // ENXIO: SEEK_DATA past the last data
  busy,               // EBUSY
};

// The field's name of the code, for logs and messages.
std::string_view to_string(Errc code);

// Trivially copyable. `where` is the line that raised the error first, not the lines it passed.
struct Error {
  Errc code;
  std::source_location where;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(
    Errc code, std::source_location where = std::source_location::current()) {
  return std::unexpected(Error{code, where});
}

// True if `result` failed with `code`.
template <class T>
bool failed_with(const Result<T>& result, Errc code) {
  return !result.has_value() && result.error().code == code;
}

}  // namespace scoutfs

#define SCOUTFS_CONCAT_(a, b) a##b
#define SCOUTFS_CONCAT(a, b) SCOUTFS_CONCAT_(a, b)

// In a function returning Result: SCOUTFS_TRY(auto x, f()); binds x or returns the error.
#define SCOUTFS_TRY(declaration, expression)                                           \
  auto SCOUTFS_CONCAT(scoutfs_try_, __LINE__) = (expression);                          \
  if (!SCOUTFS_CONCAT(scoutfs_try_, __LINE__).has_value()) [[unlikely]]                \
    return std::unexpected(std::move(SCOUTFS_CONCAT(scoutfs_try_, __LINE__)).error()); \
  declaration = *std::move(SCOUTFS_CONCAT(scoutfs_try_, __LINE__))

// The same for Result<void>.
#define SCOUTFS_CHECK(expression)                                \
  do {                                                           \
    auto scoutfs_check_ = (expression);                          \
    if (!scoutfs_check_.has_value()) [[unlikely]]                \
      return std::unexpected(std::move(scoutfs_check_).error()); \
  } while (false)

// In a coroutine returning Task<Result<...>>: SCOUTFS_CO_TRY(auto block, co_await read(where));
#define SCOUTFS_CO_TRY(declaration, expression)                                           \
  auto SCOUTFS_CONCAT(scoutfs_try_, __LINE__) = (expression);                             \
  if (!SCOUTFS_CONCAT(scoutfs_try_, __LINE__).has_value()) [[unlikely]]                   \
    co_return std::unexpected(std::move(SCOUTFS_CONCAT(scoutfs_try_, __LINE__)).error()); \
  declaration = *std::move(SCOUTFS_CONCAT(scoutfs_try_, __LINE__))

#define SCOUTFS_CO_CHECK(expression)                                \
  do {                                                              \
    auto scoutfs_check_ = (expression);                             \
    if (!scoutfs_check_.has_value()) [[unlikely]]                   \
      co_return std::unexpected(std::move(scoutfs_check_).error()); \
  } while (false)
