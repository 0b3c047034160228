// scoutfs print: what is on a volume, item by item.
#include "engine/check/print.hpp"

#include <fmt/core.h>

#include "cli/command.hpp"
#include "cli/volume.hpp"
#include "engine/check/check.hpp"

namespace scoutfs::cli {

namespace {

struct Options {
  std::string device;
  bool server = false;
  bool json = false;
};

using Print = std::string (*)(std::string_view key, std::string_view value);

int run(const Options& options) {
  OfflineVolume volume;
  std::string why;
  if (!volume.open(options.device, OfflineVolume::Access::read_only, why)) {
    return failed("print", why);
  }
  if (volume.is_mounted(options.device, why)) return failed("print", why);
  const Print print = options.server ? &check::print_server_item : &check::print_item;
  bool first = true;
  check::VisitItem visit = [&](std::string_view key, std::string_view value) {
    const std::string text = print(key, value);
    if (options.json) {
      fmt::print("{}\n{}", first ? "[" : ",", nlohmann::json(text).dump());
    } else {
      fmt::print("{}\n", text);
    }
    first = false;
  };
  Scheduler& scheduler = volume.loop().scheduler();
  const Result<void> result = volume.loop().run(
      options.server ? check::visit_server_items(scheduler, volume.device(), std::move(visit))
                     : check::visit_items(scheduler, volume.device(), std::move(visit)));
  if (options.json) fmt::print("{}\n]\n", first ? "[" : "");
  if (!result.has_value()) {
    return failed("print", explain_volume(options.device, result.error().code));
  }
  return kOk;
}

}  // namespace

void add_print(Commands& commands) {
  auto options = std::make_shared<Options>();
  CLI::App* const command =
      commands.add("print", "Print every item of a volume that nobody has mounted.",
                   [options] { return run(*options); });
  command
      ->add_option("device", options->device,
                   "an NBD or iSCSI URI, a block device or an image file")
      ->required();
  command->add_flag("--server", options->server,
                    "the leader's own items: segments, space, members");
  command->add_flag("--json", options->json, "print a JSON array of the lines");
}

}  // namespace scoutfs::cli
