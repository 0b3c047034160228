// scoutfs fence: what the disk's server knows of its clients, a proof that it can shut one out,
// and an operator's way to do so.
#include <fmt/core.h>

#include <charconv>
#include <vector>

#include "cli/command.hpp"
#include "cli/fence_service.hpp"
#include "engine/base/codec.hpp"
#include "engine/format/volume.hpp"
#include "node/no_fencing.hpp"

namespace scoutfs::cli {

namespace {

using nlohmann::json;

struct Options {
  std::string target;  // a device, or a path of a mount
  std::string rid;
  bool yes = false;
  bool json = false;
};

std::string level_of(const FencedDevice& disk) {
  return std::string(to_string(disk.level));
}

std::string explain_level(const FencedDevice& disk) {
  if (disk.service != nullptr) return "storage: the disk's server shuts a client out";
  switch (disk.level) {
    case FenceLevel::storage:
      return "storage: reservations of the device shut a host out; the kernel tells nothing of "
             "them and lets nobody try, ask the device's own tools";
    case FenceLevel::agent:
      return "agent: a program of yours ends a lost node; try it on a host that you can lose";
    case FenceLevel::none:
      return fmt::format("none: {}", node::NoFencing::kWarning);
    case FenceLevel::host:
      break;
  }
  return "host: only the death of processes of a mount's own host is known; a silent node of "
         "another host cannot be fenced. Serve the disk with nbdkit-scoutfs-plugin.so or as "
         "iSCSI with persistent reservations, or mount with fence=agent:PROGRAM";
}

// ---- list ----

int list(const Options& options) {
  node::EventLoop loop;
  FencedDevice disk;
  std::string why;
  if (!find_fence_service(options.target, loop, disk, why)) return failed("fence list", why);
  json out{{"device", disk.device}, {"level", level_of(disk)}};
  if (disk.service != nullptr) {
    const std::optional<json> status = disk.service->clients(why);
    if (!status.has_value()) return failed("fence list", why);
    out["server"] = *status;
  }
  if (options.json) {
    print_json(out);
    return kOk;
  }
  fmt::print("level {}\n", explain_level(disk));
  if (disk.service != nullptr) disk.service->print(out["server"]);
  return kOk;
}

// ---- test ----

// One claim, tried.
struct Step {
  std::string what;
  bool passed = false;
};

// In a block that no volume uses.
constexpr BlockNo kUnused{format::kSuperblockFirst - 1};

enum class Request : std::uint8_t { read, write };

// What it writes is what is there.
Task<bool> carried_out(BlockDevice& device, Request request, std::string* block) {
  if (request == Request::read) {
    const Result<void> done =
        co_await device.read(kUnused, std::as_writable_bytes(std::span(*block)));
    co_return done.has_value();
  }
  const std::string_view bytes = *block;
  const Result<void> done =
      co_await device.write(kUnused, as_bytes(bytes), Durability::on_completion);
  co_return done.has_value();
}

// A client of its own, shut out while it is connected.
std::vector<Step> try_canary(node::EventLoop& loop, FenceService& service, Request request) {
  std::vector<Step> steps;
  std::string why;
  node::SystemRandom random;
  const Rid who{random.id()};
  const std::unique_ptr<DeviceLink> canary = service.connect(who, why);
  steps.push_back({"a new client is admitted", canary != nullptr});
  if (canary == nullptr) return steps;
  const std::string what = request == Request::read ? "read" : "write";
  std::string block(kBlockSize, '\0');
  bool works = loop.run(carried_out(*canary, Request::read, &block));
  works = works && loop.run(carried_out(*canary, request, &block));
  steps.push_back({"its " + what + "s are carried out", works});
  steps.push_back({"a fence of it is confirmed", service.fence(who, why)});
  steps.push_back({"a " + what + " on its open connection is refused",
                   !loop.run(carried_out(*canary, request, &block))});
  steps.push_back(
      {"it cannot connect anew", failed_with(loop.run(canary->reconnect()), Errc::fenced)});
  return steps;
}

int test(const Options& options) {
  node::EventLoop loop;
  FencedDevice disk;
  std::string why;
  if (!find_fence_service(options.target, loop, disk, why)) return failed("fence test", why);
  std::vector<Step> steps;
  for (const Request request : {Request::write, Request::read}) {
    if (disk.service == nullptr) break;
    const std::vector<Step> more = try_canary(loop, *disk.service, request);
    steps.insert(steps.end(), more.begin(), more.end());
  }
  bool passed = !steps.empty();
  json rows = json::array();
  for (const Step& step : steps) {
    passed = passed && step.passed;
    rows.push_back({{"step", step.what}, {"passed", step.passed}});
    if (!options.json) fmt::print("{}  {}\n", step.passed ? "PASS" : "FAIL", step.what);
  }
  if (options.json) {
    print_json({{"device", disk.device},
                {"level", level_of(disk)},
                {"passed", passed},
                {"steps", std::move(rows)}});
  } else {
    fmt::print("level {}\n", explain_level(disk));
  }
  return passed ? kOk : kFailed;
}

// ---- now ----

int fence_now(const Options& options) {
  std::uint64_t rid = 0;
  const char* const end = options.rid.data() + options.rid.size();
  const auto [stop, error] = std::from_chars(options.rid.data(), end, rid, 16);
  if (error != std::errc{} || stop != end || rid == 0) {
    return misused("fence now",
                   fmt::format("'{}' is no rid: see scoutfs fence list", options.rid));
  }
  if (!options.yes) {
    return misused("fence now",
                   "this ends that mount for good, whatever it is doing; give --yes to do it");
  }
  node::EventLoop loop;
  FencedDevice disk;
  std::string why;
  if (!find_fence_service(options.target, loop, disk, why)) return failed("fence now", why);
  if (disk.service == nullptr) {
    return failed("fence now",
                  fmt::format("nobody can be asked to fence: level {}", explain_level(disk)));
  }
  if (!disk.service->fence(Rid{rid}, why)) return failed("fence now", why);
  if (options.json) {
    print_json({{"device", disk.device}, {"rid", node::hex(rid)}, {"fenced", true}});
  } else {
    fmt::print("{} is fenced: nothing of it reaches the disk any more\n", node::hex(rid));
  }
  return kOk;
}

void add(Commands& commands, CLI::App* group, std::string name, std::string description,
         int (*run)(const Options&), bool with_rid) {
  auto options = std::make_shared<Options>();
  CLI::App* const command = commands.add(
      std::move(name), std::move(description), [options, run] { return run(*options); }, group);
  command->add_option("device", options->target, "the volume's device, or a path of its mount")
      ->required();
  if (with_rid) {
    command->add_option("rid", options->rid, "whom, as fence list shows it")->required();
    command->add_flag("--yes", options->yes, "really do it");
  }
  command->add_flag("--json", options->json, "print JSON");
}

}  // namespace

void add_fence(Commands& commands) {
  CLI::App* const group = commands.add_group(
      "fence", "Who may use the disk of a volume, and how to shut somebody out.");
  add(commands, group, "list", "Show the disk server's clients, fences and newest term.", list,
      false);
  add(commands, group, "test",
      "Prove that the disk's server shuts a client out, with a client of its own.", test,
      false);
  add(commands, group, "now",
      "Shut a client out for good, on an operator's word. What it held is taken over.",
      fence_now, true);
}

}  // namespace scoutfs::cli
