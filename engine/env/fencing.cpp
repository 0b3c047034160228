#include "engine/env/fencing.hpp"

namespace scoutfs {

std::string_view to_string(FenceLevel level) {
  switch (level) {
    case FenceLevel::none:
      return "none";
    case FenceLevel::host:
      return "host";
    case FenceLevel::agent:
      return "agent";
    case FenceLevel::storage:
      return "storage";
  }
  return "unknown";
}

// Without a service that could be told, nobody has to be.
Task<Result<void>> Fencing::register_term(Term, Incarnation) {
  co_return Result<void>{};
}

// What cannot end a life can still know that it is over.
Task<Result<bool>> Fencing::fence(Term, Incarnation victim, HostId host) {
  co_return co_await confirm_dead(victim, std::move(host));
}

}  // namespace scoutfs
