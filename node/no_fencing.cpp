#include "node/no_fencing.hpp"

#include "node/victim_block.hpp"

namespace scoutfs::node {

Task<Result<bool>> NoFencing::fence(Term, Incarnation victim, HostId host) {
  SCOUTFS_CO_TRY(const bool dead, co_await host_.confirm_dead(victim, host));
  if (dead) co_return Result<bool>(true);
  SCOUTFS_CO_TRY(const Victim found, co_await find_victim(device_, victim, std::move(host)));
  if (found.block.has_value() && found.block->leads()) co_return Result<bool>(false);
  log_.error("{:x} is not fenced and taken for dead all the same (fence=none)",
             victim.rid.value);
  co_return Result<bool>(true);
}

Task<Result<bool>> NoFencing::confirm_dead(Incarnation victim, HostId host) {
  co_return co_await host_.confirm_dead(victim, std::move(host));
}

}  // namespace scoutfs::node
