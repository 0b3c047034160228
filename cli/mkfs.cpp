// scoutfs mkfs: makes a volume of a device.
#include <fmt/core.h>

#include <charconv>
#include <set>

#include "cli/command.hpp"
#include "cli/signatures.hpp"
#include "cli/volume.hpp"
#include "engine/mount/mount.hpp"
#include "node/status_json.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  std::string device;
  bool force = false;
  bool json = false;
  std::vector<std::string> slots;
  std::string cluster = "scoutfs";
};

// Errors: invalid; `why` says what is wrong with it.
Result<format::SlotConfig> parse_slot(const std::string& text, std::string& why) {
  why = fmt::format("-Q '{}': give NR,ADDR,PORT, as 0,192.168.1.10,7000", text);
  const std::size_t first = text.find(',');
  const std::size_t second = first == std::string::npos ? first : text.find(',', first + 1);
  if (second == std::string::npos) return fail(Errc::invalid);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + first, number);
  if (error != std::errc{} || end != text.data() + first) return fail(Errc::invalid);
  SCOUTFS_TRY(const Address address, parse_address(text.substr(first + 1, second - first - 1) +
                                                   ":" + text.substr(second + 1)));
  if (number >= format::kSlotsMax) {
    why = fmt::format("-Q '{}': slots are numbered 0 to {}", text, format::kSlotsMax - 1);
    return fail(Errc::invalid);
  }
  if (address.ip == 0 || address.port == 0) {
    why = fmt::format("-Q '{}': name an address and a port that other hosts can reach", text);
    return fail(Errc::invalid);
  }
  return format::SlotConfig{.slot = static_cast<std::uint8_t>(number), .address = address};
}

Result<std::vector<format::SlotConfig>> parse_slots(const std::vector<std::string>& texts,
                                                    std::string& why) {
  std::vector<format::SlotConfig> slots;
  std::set<std::uint8_t> numbers;
  std::set<Address> addresses;
  for (const std::string& text : texts) {
    SCOUTFS_TRY(const format::SlotConfig slot, parse_slot(text, why));
    if (!numbers.insert(slot.slot).second) {
      why = fmt::format("slot {} is given twice", slot.slot);
      return fail(Errc::invalid);
    }
    if (!addresses.insert(slot.address).second) {
      why = fmt::format("address {} is given twice", to_string(slot.address));
      return fail(Errc::invalid);
    }
    slots.push_back(slot);
  }
  std::sort(slots.begin(), slots.end(),
            [](const auto& a, const auto& b) { return a.slot < b.slot; });
  return slots;
}

void print_text(const Options& options, const format::Superblock& volume, FenceLevel level) {
  const auto line = [](std::string_view name, const std::string& value) {
    fmt::print("  {:<20}{}\n", fmt::format("{}:", name), value);
  };
  const auto blocks = [](std::uint64_t count) {
    return fmt::format("{} ({})", count, scaled(count * kBlockSize));
  };
  fmt::print("Created scoutfs filesystem:\n");
  line("device path", options.device);
  line("fsid", fmt::format("{:x}", volume.fsid.value));
  line("format hash", fmt::format("{:x}", format::format_hash()));
  line("uuid", node::uuid_text(volume.uuid));
  line("cluster name", volume.cluster);
  line("device bytes", sized(volume.device_blocks * kBlockSize));
  line("device blocks", blocks(volume.device_blocks));
  line("journal blocks", blocks(volume.journal.count));
  line("free blocks", blocks(volume.space.count));
  line("fencing", level == FenceLevel::storage
                      ? "storage: the disk's server shuts a lost node out"
                      : "host: a silent node of another host cannot be fenced");
  if (volume.slots.empty()) line("quorum slots", "open: given out as hosts join");
  for (const format::SlotConfig& slot : volume.slots) {
    line(fmt::format("quorum slot {}", slot.slot), to_string(slot.address));
  }
}

void print_volume_json(const Options& options, const format::Superblock& volume,
                       FenceLevel level) {
  nlohmann::json slots = nlohmann::json::array();
  for (const format::SlotConfig& slot : volume.slots) {
    slots.push_back({{"slot", slot.slot}, {"address", to_string(slot.address)}});
  }
  print_json({{"device", options.device},
              {"fsid", node::hex(volume.fsid.value)},
              {"format_hash", node::hex(format::format_hash())},
              {"uuid", node::uuid_text(volume.uuid)},
              {"cluster", volume.cluster},
              {"device_bytes", volume.device_blocks * kBlockSize},
              {"device_blocks", volume.device_blocks},
              {"journal_blocks", volume.journal.count},
              {"free_blocks", volume.space.count},
              {"fence_level", std::string(to_string(level))},
              {"quorum_slots", std::move(slots)}});
}

std::string explain(const Options& options, std::uint64_t device_blocks, Errc code) {
  switch (code) {
    case Errc::exists:
      return fmt::format("'{}' holds a scoutfs volume; give -f to destroy it", options.device);
    case Errc::no_space:
      return fmt::format("'{}' has {} bytes; a volume needs at least {}", options.device,
                         device_blocks * kBlockSize, format::kDeviceBlocksMin * kBlockSize);
    default:
      return explain_volume(options.device, code);
  }
}

int run(const Options& options) {
  std::string why;
  const auto slots = parse_slots(options.slots, why);
  if (!slots.has_value()) return misused("mkfs", why);
  if (options.cluster.empty() || options.cluster.size() > format::kClusterNameMax) {
    return misused("mkfs",
                   fmt::format("the cluster name has 1 to {} bytes", format::kClusterNameMax));
  }
  OfflineVolume volume;
  if (!volume.open_to_format(options.device, options.force, why)) return failed("mkfs", why);
  const std::uint64_t device_blocks = volume.device().block_count();
  if (device_blocks < format::kDeviceBlocksMin) {
    return failed("mkfs", explain(options, device_blocks, Errc::no_space));
  }
  if (volume.is_mounted(options.device, why)) return failed("mkfs", why);
  if (!options.force) {
    const auto found = volume.loop().run(find_signature(volume.device()));
    if (!found.has_value()) {
      return failed("mkfs", explain(options, device_blocks, found.error().code));
    }
    if (!found->empty()) {
      return failed(
          "mkfs", fmt::format("'{}' holds {}; give -f to destroy it", options.device, *found));
    }
  }
  if (options.force && !volume.shut_others_out(options.device, why)) {
    return failed("mkfs", why);
  }
  FormatOptions format;
  format.cluster = options.cluster;
  format.slots = *slots;
  format.force = options.force;
  const auto made = volume.loop().run(format_volume(volume.env(), std::move(format)));
  if (!made.has_value()) {
    return failed("mkfs", explain(options, device_blocks, made.error().code));
  }
  if (options.json) {
    print_volume_json(options, *made, volume.fence_level());
  } else {
    print_text(options, *made, volume.fence_level());
  }
  return kOk;
}

}  // namespace

void add_mkfs(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      commands.add("mkfs", "Make a volume of a device; destroys what was there.",
                   [options] { return run(*options); });
  command
      ->add_option("device", options->device,
                   "an NBD or iSCSI URI, a block device or an image file")
      ->required();
  command->add_flag("-f,--force", options->force,
                    "overwrite a volume or another filesystem that is there");
  command
      ->add_option("-Q,--quorum-slot", options->slots,
                   "NR,ADDR,PORT: the host at that address may lead in slot NR; repeatable. "
                   "Without, slots are given out as hosts join")
      ->expected(1)
      ->take_all();
  command->add_option("--cluster", options->cluster,
                      "name that a mount must give as cluster=; default scoutfs");
  command->add_flag("--json", options->json, "print JSON");
}

}  // namespace scoutfs::cli
