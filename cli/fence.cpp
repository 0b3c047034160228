// scoutfs fence: what the disk's server knows of its clients, a proof that it can shut one out,
// and an operator's way to do so.
#include <fmt/core.h>

#include <charconv>
#include <ctime>
#include <functional>

#include "cli/command.hpp"
#include "cli/mounts.hpp"
#include "cli/volume.hpp"
#include "nbd/control_client.hpp"
#include "node/disk.hpp"
#include "node/open_device.hpp"
#include "node/status_json.hpp"

namespace scoutfs::cli {

namespace {

using nbd::NbdDevice;
using nlohmann::json;

struct Options {
  std::string target;  // a device, or a path of a mount
  std::string rid;
  bool yes = false;
  bool json = false;
};

// The server of a volume's disk, and how to speak to it.
struct Server {
  std::string device;
  std::optional<nbd::Ticket> ticket;  // nullopt: it cannot fence
};

// False: `why` says what is wrong.
bool find_server(const std::string& target, node::EventLoop& loop, Server& server,
                 std::string& why) {
  server.device = target;
  if (!node::is_nbd_uri(target)) {
    const auto mount = find_scoutfs_mount(plain_path(target), Match::contains);
    if (mount.has_value()) server.device = mount->source;
  }
  if (!node::is_nbd_uri(server.device)) return true;
  NbdDevice::Options options;
  options.access = NbdDevice::Access::read_only;
  const NbdDevice::Patience patience;
  const auto plain = loop.run(NbdDevice::open(loop, server.device, options, why, patience));
  if (!plain.has_value()) return false;
  server.ticket = loop.run(node::ticket_for(**plain, "scoutfs-fence"));
  if (server.ticket.has_value() || !(*plain)->offer().has_value()) return true;
  why = fmt::format("'{}' holds no volume of this version: there is nobody to fence",
                    server.device);
  return false;
}

std::string level_of(const Server& server) {
  const FenceLevel level = server.ticket.has_value() ? FenceLevel::storage : FenceLevel::host;
  return std::string(to_string(level));
}

std::string explain_level(const Server& server) {
  if (server.ticket.has_value()) return "storage: the disk's server shuts a client out";
  return "host: only the death of processes of a mount's own host is known; a silent node of "
         "another host cannot be fenced. Serve the disk with nbdkit-scoutfs-plugin.so";
}

// ---- list ----

std::string when(std::int64_t wall_ns) {
  if (wall_ns == 0) return "-";
  const auto seconds = static_cast<std::time_t>(wall_ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, size);
}

void print_clients(const json& status) {
  fmt::print("{:<16}  {:<6}  {:>5}  {:<16}  {:>5}  {:<20}  {:<20}\n", "rid", "role", "epoch",
             "node", "conns", "since", "last i/o");
  for (const json& client : status.value("clients", json::array())) {
    fmt::print("{:<16}  {:<6}  {:>5}  {:<16}  {:>5}  {:<20}  {:<20}\n", client.value("rid", ""),
               client.value("role", ""), client.value("epoch", std::uint64_t{0}),
               client.value("node", ""), client.value("connections", 0U),
               when(client.value("since_ns", std::int64_t{0})),
               when(client.value("last_io_ns", std::int64_t{0})));
  }
  for (const json& fenced : status.value("fenced", json::array())) {
    fmt::print("{:<16}  fenced  up to epoch {}\n", fenced.value("rid", ""),
               fenced.value("epoch", std::uint64_t{0}));
  }
}

int list(const Options& options) {
  node::EventLoop loop;
  Server server;
  std::string why;
  if (!find_server(options.target, loop, server, why)) return failed("fence list", why);
  json out{{"device", server.device}, {"level", level_of(server)}};
  if (server.ticket.has_value()) {
    nbd::ControlClient control(server.device, *server.ticket);
    const Result<json> status = control.status();
    if (!status.has_value()) return failed("fence list", control.why());
    out["server"] = *status;
  }
  if (options.json) {
    print_json(out);
    return kOk;
  }
  fmt::print("level {}\n", explain_level(server));
  if (out.contains("server")) {
    const json& term = out["server"]["term"];
    fmt::print("newest term {}, {} fences so far\n", term.value("number", std::uint64_t{0}),
               out["server"].value("generation", std::uint64_t{0}));
    print_clients(out["server"]);
  }
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
Task<bool> carried_out(NbdDevice& device, Request request, std::string* block) {
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
std::vector<Step> try_canary(node::EventLoop& loop, const Server& server, Request request) {
  std::vector<Step> steps;
  std::string why;
  node::SystemRandom random;
  NbdDevice::Options as_canary;
  as_canary.ticket = server.ticket;
  as_canary.ticket->identity.who = {Rid{random.id()}, Epoch{1}};
  as_canary.ticket->identity.node = "canary";
  const NbdDevice::Patience patience;
  auto opened = loop.run(NbdDevice::open(loop, server.device, as_canary, why, patience));
  steps.push_back({"a new client is admitted", opened.has_value()});
  if (!opened.has_value()) return steps;
  NbdDevice& canary = **opened;
  const std::string what = request == Request::read ? "read" : "write";
  std::string block(kBlockSize, '\0');
  bool works = loop.run(carried_out(canary, Request::read, &block));
  works = works && loop.run(carried_out(canary, request, &block));
  steps.push_back({"its " + what + "s are carried out", works});
  nbd::ControlClient control(server.device, *server.ticket);
  const Incarnation who = as_canary.ticket->identity.who;
  steps.push_back({"a fence of it is confirmed", control.fence(std::nullopt, who).has_value()});
  steps.push_back({"a " + what + " on its open connection is refused",
                   !loop.run(carried_out(canary, request, &block))});
  steps.push_back(
      {"it cannot connect anew", failed_with(loop.run(canary.reconnect()), Errc::fenced)});
  return steps;
}

int test(const Options& options) {
  node::EventLoop loop;
  Server server;
  std::string why;
  if (!find_server(options.target, loop, server, why)) return failed("fence test", why);
  std::vector<Step> steps;
  for (const Request request : {Request::write, Request::read}) {
    if (!server.ticket.has_value()) break;
    const std::vector<Step> more = try_canary(loop, server, request);
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
    print_json({{"device", server.device},
                {"level", level_of(server)},
                {"passed", passed},
                {"steps", std::move(rows)}});
  } else {
    fmt::print("level {}\n", explain_level(server));
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
  Server server;
  std::string why;
  if (!find_server(options.target, loop, server, why)) return failed("fence now", why);
  if (!server.ticket.has_value()) {
    return failed("fence now", fmt::format("the disk's server cannot fence: level {}",
                                           explain_level(server)));
  }
  nbd::ControlClient control(server.device, *server.ticket);
  const Incarnation victim{Rid{rid}, Epoch{~std::uint64_t{0}}};
  if (!control.fence(std::nullopt, victim).has_value()) {
    return failed("fence now", control.why());
  }
  if (options.json) {
    print_json({{"device", server.device}, {"rid", node::hex(rid)}, {"fenced", true}});
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
