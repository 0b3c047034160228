// scoutfs status: what a mount and its cluster are doing. It asks the daemon, never the mounted
// filesystem, so it answers when that hangs.
#include <fmt/core.h>

#include <filesystem>

#include "cli/command.hpp"
#include "cli/fields.hpp"
#include "cli/mounts.hpp"
#include "node/no_fencing.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  PathArgument path;
  bool json = false;
};

// The mount that holds `path`, by the names the kernel shows.
std::optional<MountEntry> mount_of(const std::string& path) {
  auto entry = find_scoutfs_mount(plain_path(path), Match::contains);
  if (entry.has_value()) return entry;
  // Perhaps by a symlink.
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  if (error) return std::nullopt;
  return find_scoutfs_mount(real.string(), Match::contains);
}

std::string or_else(const std::string& text, const char* otherwise) {
  return text.empty() ? otherwise : text;
}

std::string leader_text(const nlohmann::json& status) {
  if (!status.contains("leader_slot") || status["leader_slot"].is_null()) return "none";
  const bool known = status.contains("leader_rid") && status["leader_rid"].is_string();
  return fmt::format("{}slot {} at {}, rid {}, term {}",
                     status.value("leader", false) ? "this node, " : "",
                     status["leader_slot"].dump(), status.value("leader_address", ""),
                     known ? status["leader_rid"].get<std::string>() : "not known",
                     status["term"].value("number", 0ULL));
}

std::string voters_text(const nlohmann::json& status) {
  std::string text;
  if (!status.contains("voters")) return "none";
  for (const nlohmann::json& slot : status["voters"]) {
    text += fmt::format("{}{}", text.empty() ? "slot " : ", ", slot.dump());
  }
  return text.empty() ? "none" : text;
}

std::string fence_text(const std::string& level, const std::string& agent) {
  if (level == "storage") return "storage (the disk or its server shuts a lost node out)";
  if (level == "agent") return fmt::format("agent ({} ends a lost node)", agent);
  if (level == "none") return fmt::format("none; WARNING: {}", node::NoFencing::kWarning);
  return level + " (a silent node cannot be fenced; what it holds stays reserved)";
}

void print_members(const nlohmann::json& members) {
  for (const nlohmann::json& member : members) {
    const char* const state = member.value("lost", false)        ? "lost"
                              : member.value("connected", false) ? "connected"
                                                                 : "not connected";
    fmt::print("  slot {:<3} {:<24} {:<22} rid {} {}, oldest open seq {}\n",
               member.value("slot", 0), member.value("name", ""), member.value("address", ""),
               member.value("rid", ""), state, member.value("oldest_open_seq", 0ULL));
    const std::string standing = member.value("standing", "");
    if (standing.empty()) continue;
    fmt::print("           {}; others wait for {} of its locks\n", standing,
               member.value("locks_waited_for", 0ULL));
  }
}

void print_text(const nlohmann::json& answer) {
  const nlohmann::json status = answer.value("status", nlohmann::json::object());
  const auto field = [&](const char* name) {
    return status.contains(name) ? status[name] : nlohmann::json(0);
  };
  const auto text = [&](const char* name) { return answer.value(name, ""); };
  Fields fields{
      {"directory", text("directory")},
      {"device", text("device")},
      {"cluster", text("cluster")},
      {"fsid", text("fsid")},
      {"rid", status.value("rid", "")},
      {"process", answer.value("process", 0)},
      {"cache mode", answer.value("cache", "none")},
      {"delivers sync", answer.value("delivers_sync", false) ? "yes" : "no"},
      {"slot", field("slot")},
      {"leader", leader_text(status)},
      {"voters", voters_text(status)},
      {"connected", status.value("connected", false) ? "yes" : "no"},
      {"fencing", fence_text(text("fence_level"), text("fence_agent"))},
      {"disk", answer.value("disk_connected", true) ? "connected" : "connection lost"},
      {"lease", status.value("fenced", false)        ? "over: this mount was fenced"
                : status.value("lease_valid", false) ? "valid"
                                                     : "run out; operations wait for the next"},
      {"waits for", or_else(status.value("waits_for", ""), "nothing")},
      {"open seq", field("open_seq")},
      {"recorded seq", field("last_recorded_seq")},
      {"dirty bytes", field("dirty_bytes")},
      {"unrecorded", fmt::format("{} transactions", field("unrecorded_transactions").dump())},
      {"locks", field("locks")},
      {"requests",
       fmt::format("{} answered or under way, {} under way", answer.value("requests", 0ULL),
                   answer.value("requests_in_flight", 0ULL))},
  };
  if (!text("failure").empty()) fields.emplace_back("failure", text("failure"));
  if (status.value("leader", false)) {
    fields.emplace_back("segments",
                        fmt::format("{}, {} of them in level 0", field("segments").dump(),
                                    field("level0_segments").dump()));
    fields.emplace_back(
        "backlog", fmt::format("{} blocks to compact", field("compaction_debt_blocks").dump()));
    fields.emplace_back("free blocks", field("free_blocks"));
    fields.emplace_back("replaced blocks", field("replaced_blocks"));
  }
  print_fields(fields, "");
  if (status.contains("members") && !status["members"].empty()) {
    fmt::print("members\n");
    print_members(status["members"]);
  }
}

int run(const Options& options) {
  const std::string path = options.path.get();
  const auto entry = mount_of(path);
  if (!entry.has_value()) {
    return failed("status", fmt::format("'{}' is not on a mounted scoutfs volume", path));
  }
  const auto answer = ask_daemon_of(entry->directory);
  if (!answer.has_value()) {
    return failed("status",
                  fmt::format("no daemon answers for the mount on '{}'; only root may "
                              "ask, and a mount whose daemon died must be unmounted",
                              entry->directory));
  }
  if (options.json) {
    nlohmann::json document = *answer;
    document.erase("ok");
    print_json(document);
  } else {
    print_text(*answer);
  }
  return kOk;
}

}  // namespace

void add_status(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = commands.add(
      "status", "Show leader, members, backlog and what a mount waits for (root only).",
      [options] { return run(*options); });
  options->path.add_to(*command);
  command->add_flag("--json", options->json, "print JSON");
}

}  // namespace scoutfs::cli
