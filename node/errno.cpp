#include "node/errno.hpp"

#include <cerrno>

namespace scoutfs::node {

int to_errno(Errc code) {
  switch (code) {
    case Errc::io_error:
    case Errc::disconnected:
    case Errc::unsupported:
    case Errc::wrong_volume:
    case Errc::fenced:
    case Errc::stopping:
      return EIO;
    case Errc::timed_out:
      return ETIMEDOUT;
    case Errc::corrupt:
      return EUCLEAN;  // what other filesystems answer for it
    case Errc::interrupted:
      return EINTR;
    case Errc::stale:
      return ESTALE;
    case Errc::no_space:
      return ENOSPC;
    case Errc::too_large:
      return E2BIG;
    case Errc::file_too_large:
      return EFBIG;
    case Errc::not_found:
      return ENOENT;
    case Errc::exists:
      return EEXIST;
    case Errc::not_directory:
      return ENOTDIR;
    case Errc::is_directory:
      return EISDIR;
    case Errc::not_empty:
      return ENOTEMPTY;
    case Errc::invalid:
      return EINVAL;
    case Errc::name_too_long:
      return ENAMETOOLONG;
    case Errc::too_many_links:
      return EMLINK;
    case Errc::no_attribute:
      return ENODATA;
    case Errc::out_of_range:
      return ERANGE;
    case Errc::not_permitted:
      return EPERM;
    case Errc::access_denied:
      return EACCES;
    case Errc::operation_unknown:
      return EOPNOTSUPP;
    case Errc::no_locks:
      return ENOLCK;
    case Errc::no_such_position:
      return ENXIO;
    case Errc::busy:
      return EBUSY;
  }
  return EIO;
}

}  // namespace scoutfs::node
