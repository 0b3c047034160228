#include "cli/mount_options.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "node/loop/log_sink.hpp"

namespace scoutfs::cli {

namespace {

using node::MountConfig;

constexpr std::array kHelp{
    MountOptionHelp{"cluster=NAME", "the name that mkfs gave the cluster; default scoutfs"},
    MountOptionHelp{
        "listen=IP[:PORT]",
        "address at which other nodes reach this one; default 127.0.0.1. Without a "
        "port: the one that mkfs -Q configured for this address, else any free one"},
    MountOptionHelp{"slot=NR", "take this quorum slot instead of one's own or a free one"},
    MountOptionHelp{"commit=MS", "record changes at this age, milliseconds; default 1000"},
    MountOptionHelp{"heartbeat=MS",
                    "how often nodes tell each other that they are alive, 20 to 600, default "
                    "200; a leader that is silent for 5 of them is replaced. The same on all "
                    "nodes"},
    MountOptionHelp{"disk_wait=SECONDS",
                    "how long to try to get a lost connection to the disk back; default 60"},
    MountOptionHelp{"item_cache=SIZE", "memory for items, as 64M (K, M and G are known)"},
    MountOptionHelp{"segment_cache=SIZE", "memory for blocks of segments"},
    MountOptionHelp{"local_locks",
                    "fcntl and flock locks hold on this node alone; without, "
                    "they are refused (ENOLCK)"},
    MountOptionHelp{"deliver_sync=yes|no",
                    "whether sync(2) and syncfs(2) reach the volume, by a private loop "
                    "device; default: yes where that can be had (Linux 6.18)"},
    MountOptionHelp{"noatime", "never update access times; default is relatime"},
    MountOptionHelp{
        "cache=none|attr|full",
        "what the kernel may cache: nothing; attributes and file pages; names too (from "
        "Linux 6.16 on). Default: the most that it can"},
    MountOptionHelp{
        "cache_settle=MS",
        "milliseconds, default 10: no names and attributes are cached for a while under a "
        "lock that was held shorter, nor pages of files that were changed within 100 "
        "times this"},
    MountOptionHelp{"on-fence=HOW",
                    "what operations do once this mount was fenced: eio (the default) has them "
                    "fail, freeze has them wait until the mount ends, exit ends the process"},
    MountOptionHelp{"fence=agent:PROGRAM|none",
                    "for a disk whose server cannot fence: the program (an absolute path) ends "
                    "a lost node; or who is silent is taken for dead, which may damage the "
                    "volume. Without, what a lost node holds stays reserved"},
    MountOptionHelp{"log=FILE", "append the log to this file instead of the system's log"},
    MountOptionHelp{"log_level=LEVEL", "debug, info, warning or error; default info"},
    MountOptionHelp{"metrics=IP:PORT", "serve Prometheus metrics at this address"},
};

// For mount(8) itself, or what is so anyway: nothing to do here.
constexpr std::array kNothingToDo{"rw",       "defaults", "auto",   "noauto", "user",
                                  "nouser",   "users",    "owner",  "group",  "nofail",
                                  "suid",     "dev",      "exec",   "async",  "atime",
                                  "diratime", "relatime", "nomand", "loud",   "silent"};
// The kernel's own, which it enforces.
constexpr std::array kKernelFlags{"ro",   "nosuid",  "nodev",     "noexec",
                                  "sync", "dirsync", "nodiratime"};

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "64M": bytes.
std::optional<std::uint64_t> size(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty()) {
    const std::size_t unit = std::string_view("KMGT").find(text.back());
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  const auto value = number<std::uint64_t>(text);
  if (!value.has_value() || *value > std::numeric_limits<std::uint64_t>::max() >> shift) {
    return std::nullopt;
  }
  return *value << shift;
}

enum class Outcome : std::uint8_t { taken, bad_value, unknown };

Outcome set_size(std::string_view value, std::uint64_t& out) {
  constexpr std::uint64_t kCacheMin = 1u << 20;
  const auto bytes = size(value);
  if (!bytes.has_value() || *bytes < kCacheMin) return Outcome::bad_value;
  out = *bytes;
  return Outcome::taken;
}

Outcome set_address(std::string_view value, Address& out) {
  const auto address = parse_address(value);
  // Not multicast, broadcast or a network of zero.
  if (!address.has_value() || address->ip >> 28 >= 0xe || address->ip >> 24 == 0) {
    return Outcome::bad_value;
  }
  out = *address;
  return Outcome::taken;
}

// The text of an option that must not be empty.
Outcome set_text(std::string_view value, std::string& out) {
  if (value.empty()) return Outcome::bad_value;
  out = value;
  return Outcome::taken;
}

Outcome set_slot(std::string_view value, MountConfig& config) {
  const auto slot = number<std::uint16_t>(value);
  if (!slot.has_value() || *slot >= format::kSlotsMax) return Outcome::bad_value;
  config.engine.slot = *slot;
  return Outcome::taken;
}

Outcome set_commit(std::string_view value, MountConfig& config) {
  constexpr std::uint64_t kAgeMax = 3'600'000;  // milliseconds
  const auto age = number<std::uint64_t>(value);
  if (!age.has_value() || *age == 0 || *age > kAgeMax) return Outcome::bad_value;
  config.engine.commit_interval_ns = *age * kMillisecond;
  return Outcome::taken;
}

// What is counted in heartbeats grows and shrinks along.
Outcome set_heartbeat(std::string_view value, MountConfig& config) {
  constexpr std::uint64_t kMin = 20, kMax = 600;  // milliseconds
  const auto heartbeat = number<std::uint64_t>(value);
  if (!heartbeat.has_value() || *heartbeat < kMin || *heartbeat > kMax) {
    return Outcome::bad_value;
  }
  MountOptions& engine = config.engine;
  const MountOptions usual;
  engine.heartbeat_ns = *heartbeat * kMillisecond;
  engine.silence_ns = usual.silence_ns / usual.heartbeat_ns * engine.heartbeat_ns;
  engine.lease_ns = usual.lease_ns * *heartbeat / (usual.heartbeat_ns / kMillisecond);
  return Outcome::taken;
}

Outcome set_cache(std::string_view value, MountConfig& config) {
  config.cache = node::parse_cache_mode(value);
  return config.cache.has_value() ? Outcome::taken : Outcome::bad_value;
}

Outcome set_cache_settle(std::string_view value, MountConfig& config) {
  constexpr std::uint64_t kSettleMax = 60'000;  // milliseconds
  const auto settle = number<std::uint64_t>(value);
  if (!settle.has_value() || *settle > kSettleMax) return Outcome::bad_value;
  config.cache_settle_ns = *settle * kMillisecond;
  return Outcome::taken;
}

Outcome set_disk_wait(std::string_view value, MountConfig& config) {
  constexpr std::uint64_t kWaitMax = 86'400;  // seconds
  const auto wait = number<std::uint64_t>(value);
  if (!wait.has_value() || *wait > kWaitMax) return Outcome::bad_value;
  config.disk_wait_ns = *wait * kSecond;
  return Outcome::taken;
}

Outcome set_on_fence(std::string_view value, MountConfig& config) {
  if (value == "eio") {
    config.engine.on_fence = OnFence::eio;
  } else if (value == "freeze") {
    config.engine.on_fence = OnFence::freeze;
  } else if (value == "exit") {
    config.engine.on_fence = OnFence::exit;
  } else {
    return Outcome::bad_value;
  }
  return Outcome::taken;
}

Outcome set_fence(std::string_view value, MountConfig& config) {
  constexpr std::string_view kAgent = "agent:";
  using By = node::FenceChoice::By;
  if (value == "none") {
    config.fence = {.by = By::nobody, .agent = ""};
    return Outcome::taken;
  }
  if (!value.starts_with(kAgent)) return Outcome::bad_value;
  const std::string_view program = value.substr(kAgent.size());
  if (!program.starts_with('/')) return Outcome::bad_value;
  config.fence = {.by = By::agent, .agent = std::string(program)};
  return Outcome::taken;
}

Outcome set_log_level(std::string_view value, MountConfig& config) {
  const auto level = node::parse_log_level(value);
  if (!level.has_value()) return Outcome::bad_value;
  config.log_level = *level;
  return Outcome::taken;
}

Outcome set_cluster(std::string_view value, MountConfig& config) {
  if (value.size() > format::kClusterNameMax) return Outcome::bad_value;
  return set_text(value, config.engine.cluster);
}

Outcome set_sync_delivery(std::string_view value, MountConfig& config) {
  if (value != "yes" && value != "no") return Outcome::bad_value;
  config.sync_delivery =
      value == "yes" ? node::SyncDelivery::always : node::SyncDelivery::never;
  return Outcome::taken;
}

Outcome set_valued(std::string_view name, std::string_view value, MountConfig& config) {
  if (name == "cluster") return set_cluster(value, config);
  if (name == "listen") return set_address(value, config.engine.listen);
  if (name == "slot") return set_slot(value, config);
  if (name == "commit") return set_commit(value, config);
  if (name == "heartbeat") return set_heartbeat(value, config);
  if (name == "disk_wait") return set_disk_wait(value, config);
  if (name == "fence") return set_fence(value, config);
  if (name == "on-fence") return set_on_fence(value, config);
  if (name == "deliver_sync") return set_sync_delivery(value, config);
  if (name == "item_cache") return set_size(value, config.engine.item_cache_bytes);
  if (name == "segment_cache") return set_size(value, config.engine.segment_cache_bytes);
  if (name == "cache") return set_cache(value, config);
  if (name == "cache_settle") return set_cache_settle(value, config);
  if (name == "log") return set_text(value, config.log_file);
  if (name == "log_level") return set_log_level(value, config);
  if (name == "metrics") {
    Address address;
    if (set_address(value, address) != Outcome::taken || address.port == 0) {
      return Outcome::bad_value;
    }
    return set_text(value, config.metrics_address);
  }
  if (name == "comment") return Outcome::taken;
  return Outcome::unknown;
}

Outcome set_flag(std::string_view name, MountConfig& config) {
  if (name == "local_locks") {
    config.local_locks = true;
    return Outcome::taken;
  }
  if (name == "_netdev") {
    config.needs_network = true;
    return Outcome::taken;
  }
  if (name == "noatime") {
    config.engine.fs.atime = false;
    return Outcome::taken;
  }
  if (std::find(kKernelFlags.begin(), kKernelFlags.end(), name) != kKernelFlags.end()) {
    config.kernel_flags.emplace_back(name);
    return Outcome::taken;
  }
  const bool known =
      std::find(kNothingToDo.begin(), kNothingToDo.end(), name) != kNothingToDo.end() ||
      name.starts_with("x-");
  return known ? Outcome::taken : Outcome::unknown;
}

Outcome set_option(std::string_view option, MountConfig& config) {
  const std::size_t equals = option.find('=');
  if (option.starts_with("x-")) return Outcome::taken;
  if (equals == std::string_view::npos) return set_flag(option, config);
  return set_valued(option.substr(0, equals), option.substr(equals + 1), config);
}

// "NAME=VALUE" as the help has it, for the error; empty if there is no such name.
std::string_view form_of(std::string_view option) {
  const std::string_view name = option.substr(0, option.find('='));
  for (const MountOptionHelp& help : kHelp) {
    if (help.name.substr(0, help.name.find('=')) == name) return help.name;
  }
  return "";
}

}  // namespace

std::span<const MountOptionHelp> mount_option_help() {
  return kHelp;
}

bool apply_mount_options(std::string_view options, Unknown unknown, MountConfig& config,
                         std::string& why) {
  while (!options.empty()) {
    const std::size_t comma = std::min(options.find(','), options.size());
    const std::string_view option = options.substr(0, comma);
    options.remove_prefix(std::min(comma + 1, options.size()));
    if (option.empty()) continue;
    switch (set_option(option, config)) {
      case Outcome::taken:
        break;
      case Outcome::bad_value:
        why = fmt::format("bad mount option '{}', give {}", option, form_of(option));
        return false;
      case Outcome::unknown:
        if (unknown == Unknown::ignore) break;
        why = form_of(option).empty()
                  ? fmt::format("unknown mount option '{}'; see scoutfs mount --help", option)
                  : fmt::format("bad mount option '{}', give {}", option, form_of(option));
        return false;
    }
  }
  return true;
}

}  // namespace scoutfs::cli
