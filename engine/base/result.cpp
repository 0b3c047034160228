#include "engine/base/result.hpp"

namespace scoutfs {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::io_error:
      return "input/output error";
    case Errc::disconnected:
      return "connection lost";
    case Errc::timed_out:
      return "timed out";
    case Errc::corrupt:
      return "corrupt";
    case Errc::unsupported:
      return "unsupported format";
    case Errc::wrong_volume:
      return "another volume";
    case Errc::fenced:
      return "fenced";
    case Errc::stopping:
      return "stopping";
    case Errc::interrupted:
      return "interrupted";
    case Errc::stale:
      return "stale";
    case Errc::no_space:
      return "no space left";
    case Errc::too_large:
      return "too large";
    case Errc::file_too_large:
      return "file too large";
    case Errc::not_found:
      return "not found";
    case Errc::exists:
      return "exists";
    case Errc::not_directory:
      return "not a directory";
    case Errc::is_directory:
      return "is a directory";
    case Errc::not_empty:
      return "directory not empty";
    case Errc::invalid:
      return "invalid argument";
    case Errc::name_too_long:
      return "name too long";
    case Errc::too_many_links:
      return "too many links";
    case Errc::no_attribute:
      return "no such attribute";
    case Errc::out_of_range:
      return "out of range";
    case Errc::not_permitted:
      return "not permitted";
    case Errc::access_denied:
      return "access denied";
    case Errc::operation_unknown:
      return "operation not supported";
    case Errc::no_locks:
      return "no locks available";
    case Errc::no_such_position:
      return "no such position";
    case Errc::busy:
      return "busy";
  }
  return "unknown error";
}

}  // namespace scoutfs
