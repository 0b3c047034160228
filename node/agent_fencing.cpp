#include "node/agent_fencing.hpp"

#include <fmt/core.h>

#include "node/status_json.hpp"
#include "node/victim_block.hpp"

namespace scoutfs::node {

Task<Variables> AgentFencing::describe(Incarnation victim, HostId host) {
  Variables variables{{"SCOUTFS_RID", hex(victim.rid.value)},
                      {"SCOUTFS_EPOCH", fmt::format("{}", victim.epoch.value)},
                      {"SCOUTFS_MACHINE", host.machine},
                      {"SCOUTFS_BOOT", host.boot},
                      {"SCOUTFS_PROCESS", fmt::format("{}", host.process)},
                      {"SCOUTFS_PROCESS_START", fmt::format("{}", host.process_start)},
                      {"SCOUTFS_FSID", ""},
                      {"SCOUTFS_NODE", ""},
                      {"SCOUTFS_ADDRESS", ""}};
  const Result<Victim> found = co_await find_victim(device_, victim, std::move(host));
  if (!found.has_value()) {
    log_.warn("the fence agent is not told who {:x} is: {}", victim.rid.value,
              to_string(found.error().code));
    co_return variables;
  }
  variables["SCOUTFS_FSID"] = hex(found->fsid.value);
  if (found->block.has_value()) {
    variables["SCOUTFS_NODE"] = found->block->name;
    variables["SCOUTFS_ADDRESS"] = to_string(found->block->address);
  }
  co_return variables;
}

Task<Result<bool>> AgentFencing::fence(Term, Incarnation victim, HostId host) {
  SCOUTFS_CO_TRY(const bool dead, co_await confirm_dead(victim, host));
  if (dead) co_return Result<bool>(true);
  if (host == host_id()) co_return Result<bool>(false);
  const Rid rid = victim.rid;
  const auto earliest = not_before_ns_.find(rid);
  if (earliest != not_before_ns_.end() && loop_.clock().now_ns() < earliest->second) {
    co_return Result<bool>(false);
  }
  if (!running_.insert(rid).second) co_return Result<bool>(false);
  const Variables variables = co_await describe(victim, std::move(host));
  const std::string& node = variables.at("SCOUTFS_NODE");
  log_.warn("fence agent: '{}' is run for {:x} ({})", options_.program, rid.value, node);
  std::function<ProgramEnd(const std::stop_token&)> work =
      [options = options_, variables](const std::stop_token& stop) {
        const std::vector<std::string> words{options.program,
                                             "fence",
                                             variables.at("SCOUTFS_NODE"),
                                             variables.at("SCOUTFS_ADDRESS"),
                                             variables.at("SCOUTFS_RID"),
                                             variables.at("SCOUTFS_EPOCH")};
        return run_program(words, variables, options.patience_ns, stop);
      };
  const ProgramEnd end = co_await calls_.run(std::move(work));
  // What the victim had sent to the disk ends meanwhile.
  if (end.succeeded()) co_await Sleep(loop_.scheduler(), HostFencing::kGrace);
  running_.erase(rid);
  not_before_ns_[rid] = loop_.clock().now_ns() + options_.pause_ns;
  if (end.succeeded()) {
    log_.warn("fence agent: {:x} ({}) is dead; the program {}", rid.value, node,
              to_string(end));
    over_.insert(rid);
    not_before_ns_.erase(rid);
  } else {
    log_.error("fence agent: {:x} ({}) is not fenced; the program {}", rid.value, node,
               to_string(end));
  }
  co_return Result<bool>(end.succeeded());
}

Task<Result<bool>> AgentFencing::confirm_dead(Incarnation victim, HostId host) {
  if (over_.contains(victim.rid)) co_return Result<bool>(true);
  co_return co_await host_.confirm_dead(victim, std::move(host));
}

}  // namespace scoutfs::node
