#include "engine/lock/lock.hpp"

#include <fmt/core.h>

namespace scoutfs::lock {

std::string to_string(LockId id) {
  if (id.kind == LockId::Kind::rename) return "rename";
  return fmt::format("group {}", id.group);
}

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::none:
      return "none";
    case Mode::read:
      return "read";
    case Mode::write:
      return "write";
  }
  return "invalid";
}

}  // namespace scoutfs::lock
