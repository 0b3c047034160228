#include "cli/fence_service.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "cli/mounts.hpp"
#include "cli/volume.hpp"
#include "engine/cluster/quorum_region.hpp"
#include "engine/lsm/durable_tree.hpp"
#include "iscsi/iscsi_device.hpp"
#include "nbd/control_client.hpp"
#include "node/block_reservation.hpp"
#include "node/nbd_service.hpp"
#include "node/open_device.hpp"

namespace scoutfs::cli {

namespace {

using iscsi::IscsiDevice;
using nbd::NbdDevice;
using nlohmann::json;

// ---- The disk server of this project ----

std::string when(std::int64_t wall_ns) {
  if (wall_ns == 0) return "-";
  const auto seconds = static_cast<std::time_t>(wall_ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, size);
}

class NbdFences final : public FenceService {
 public:
  NbdFences(node::EventLoop& loop, std::string device, nbd::Ticket ticket)
      : loop_(loop), device_(std::move(device)), ticket_(std::move(ticket)) {}

  std::optional<json> clients(std::string& why) override {
    nbd::ControlClient control(device_, ticket_);
    const Result<json> status = control.status();
    if (status.has_value()) return *status;
    why = control.why();
    return std::nullopt;
  }

  void print(const json& status) const override {
    fmt::print("newest term {}, {} fences so far\n",
               status["term"].value("number", std::uint64_t{0}),
               status.value("generation", std::uint64_t{0}));
    fmt::print("{:<16}  {:<6}  {:>5}  {:<16}  {:>5}  {:<20}  {:<20}\n", "rid", "role", "epoch",
               "node", "conns", "since", "last i/o");
    for (const json& client : status.value("clients", json::array())) {
      fmt::print("{:<16}  {:<6}  {:>5}  {:<16}  {:>5}  {:<20}  {:<20}\n",
                 client.value("rid", ""), client.value("role", ""),
                 client.value("epoch", std::uint64_t{0}), client.value("node", ""),
                 client.value("connections", 0U),
                 when(client.value("since_ns", std::int64_t{0})),
                 when(client.value("last_io_ns", std::int64_t{0})));
    }
    for (const json& fenced : status.value("fenced", json::array())) {
      fmt::print("{:<16}  fenced  up to epoch {}\n", fenced.value("rid", ""),
                 fenced.value("epoch", std::uint64_t{0}));
    }
  }

  std::unique_ptr<DeviceLink> connect(Rid canary, std::string& why) override {
    NbdDevice::Options as_canary;
    as_canary.ticket = ticket_;
    as_canary.ticket->identity.who = {canary, Epoch{1}};
    as_canary.ticket->identity.node = "canary";
    const NbdDevice::Patience patience;
    auto opened = loop_.run(NbdDevice::open(loop_, device_, as_canary, why, patience));
    return opened.has_value() ? std::move(*opened) : nullptr;
  }

  bool fence(Rid victim, std::string& why) override {
    nbd::ControlClient control(device_, ticket_);
    const Incarnation whole{victim, Epoch{~std::uint64_t{0}}};
    if (control.fence(std::nullopt, whole).has_value()) return true;
    why = control.why();
    return false;
  }

 private:
  node::EventLoop& loop_;
  std::string device_;
  nbd::Ticket ticket_;
};

// ---- A logical unit with persistent reservations ----

// What mounts say of themselves, by their rids.
Task<std::map<std::uint64_t, std::string>> names_of(BlockDevice& device) {
  std::map<std::uint64_t, std::string> names;
  const auto volume = co_await lsm::read_superblock(device);
  if (!volume.has_value()) co_return names;
  cluster::QuorumRegion region(device, volume->fsid);
  const auto blocks = co_await region.read_all();
  if (!blocks.has_value()) co_return names;
  for (const auto& block : *blocks) {
    if (!block.has_value()) continue;
    names[block->who.rid.value] = block->name;
    if (block->leader != Rid{}) names[block->leader.value] = block->name + " (leader)";
  }
  co_return names;
}

class IscsiFences final : public FenceService {
 public:
  IscsiFences(node::EventLoop& loop, std::string device)
      : loop_(loop), device_(std::move(device)) {}

  std::optional<json> clients(std::string& why) override {
    const auto guest = open(Rid{random_.id()}, IscsiDevice::Role::guest, why);
    if (guest == nullptr) return std::nullopt;
    const auto keys = loop_.run(guest->registered());
    const auto holder = loop_.run(guest->holder());
    const auto names = loop_.run(names_of(*guest));
    leave(*guest);
    if (!keys.has_value() || !holder.has_value()) {
      why = fmt::format("'{}' does not tell who is registered", device_);
      return std::nullopt;
    }
    json rows = json::array();
    for (const iscsi::ReservationKey key : *keys) {
      if (key == guest->key()) continue;
      const auto name = names.find(key);
      rows.push_back({{"rid", node::hex(key)},
                      {"node", name == names.end() ? "" : name->second},
                      {"holds_reservation", key == *holder}});
    }
    return json{{"clients", std::move(rows)}};
  }

  void print(const json& status) const override {
    fmt::print("{:<16}  {:<16}  {}\n", "rid", "node", "reservation");
    for (const json& client : status.value("clients", json::array())) {
      fmt::print("{:<16}  {:<16}  {}\n", client.value("rid", ""), client.value("node", ""),
                 client.value("holds_reservation", false) ? "holds it" : "");
    }
  }

  std::unique_ptr<DeviceLink> connect(Rid canary, std::string& why) override {
    std::unique_ptr<IscsiDevice> device = open(canary, IscsiDevice::Role::member, why);
    if (device == nullptr || !loop_.run(device->claim()).has_value()) return nullptr;
    return device;
  }

  bool fence(Rid victim, std::string& why) override {
    const auto own = open(Rid{random_.id()}, IscsiDevice::Role::member, why);
    if (own == nullptr) return false;
    const Result<void> fenced = loop_.run(own->fence(iscsi::key_of(victim)));
    leave(*own);
    if (fenced.has_value()) return true;
    why = fmt::format("'{}' does not fence: {}", device_, to_string(fenced.error().code));
    return false;
  }

 private:
  std::unique_ptr<IscsiDevice> open(Rid who, IscsiDevice::Role role, std::string& why) {
    auto opened = loop_.run(IscsiDevice::open(loop_, device_, iscsi::key_of(who), role, why));
    return opened.has_value() ? std::move(*opened) : nullptr;
  }
  // A key that stays is shown until it is fenced, and does no harm.
  void leave(IscsiDevice& device) {
    const Result<void> left = loop_.run(device.leave());
    if (left.has_value()) return;
    fmt::print(stderr, "scoutfs: a key stays registered at '{}': {}\n", device_,
               to_string(left.error().code));
  }

  node::EventLoop& loop_;
  std::string device_;
  node::SystemRandom random_;
};

bool find_nbd(node::EventLoop& loop, FencedDevice& found, std::string& why) {
  NbdDevice::Options options;
  options.access = NbdDevice::Access::read_only;
  const NbdDevice::Patience patience;
  const auto plain = loop.run(NbdDevice::open(loop, found.device, options, why, patience));
  if (!plain.has_value()) return false;
  const auto ticket = loop.run(node::ticket_for(**plain, "scoutfs-fence"));
  if (ticket.has_value()) {
    found.service = std::make_unique<NbdFences>(loop, found.device, *ticket);
    found.level = FenceLevel::storage;
    return true;
  }
  if (!(*plain)->offer().has_value()) return true;
  why = fmt::format("'{}' holds no volume of this version: there is nobody to fence",
                    found.device);
  return false;
}

bool find_iscsi(node::EventLoop& loop, FencedDevice& found, std::string& why) {
  OfflineVolume volume;
  if (!volume.open(found.device, OfflineVolume::Access::read_only, why)) return false;
  const auto superblock = volume.loop().run(lsm::read_superblock(volume.device()));
  if (!superblock.has_value()) {
    why = explain_volume(found.device, superblock.error().code);
    return false;
  }
  found.service = std::make_unique<IscsiFences>(loop, found.device);
  found.level = FenceLevel::storage;
  return true;
}

}  // namespace

namespace {

// The level in force at a mount, which may have options of its own.
FenceLevel level_of_mount(const std::string& directory) {
  const auto answer = ask_daemon_of(directory);
  if (!answer.has_value()) return FenceLevel::host;
  const std::string name = answer->value("fence_level", "");
  for (const FenceLevel level : {FenceLevel::none, FenceLevel::agent, FenceLevel::storage}) {
    if (name == to_string(level)) return level;
  }
  return FenceLevel::host;
}

}  // namespace

bool find_fence_service(const std::string& target, node::EventLoop& loop, FencedDevice& found,
                        std::string& why) {
  found.device = target;
  if (!node::is_uri(target)) {
    const auto mount = find_scoutfs_mount(plain_path(target), Match::contains);
    if (mount.has_value()) {
      found.device = mount->source;
      found.level = level_of_mount(mount->directory);
    }
  }
  if (node::is_nbd_uri(found.device)) return find_nbd(loop, found, why);
  if (node::is_iscsi_uri(found.device)) return find_iscsi(loop, found, why);
  if (node::BlockReservation::can_fence(found.device)) found.level = FenceLevel::storage;
  return true;
}

}  // namespace scoutfs::cli
