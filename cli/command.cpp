#include "cli/command.hpp"

#include <fmt/core.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "cli/sim.hpp"
#include "engine/format/volume.hpp"

namespace scoutfs::cli {

Commands::Commands() : app_("A clustered archival POSIX filesystem.", "scoutfs") {
  app_.require_subcommand(1);
  app_.set_version_flag("--version",
                        fmt::format("scoutfs, format hash {:016x}", format::format_hash()));
}

CLI::App* Commands::add(std::string name, std::string description, std::function<int()> run,
                        CLI::App* parent) {
  CLI::App* const command = (parent == nullptr ? &app_ : parent)
                                ->add_subcommand(std::move(name), std::move(description));
  command->callback([this, run = std::move(run)] { exit_code_ = run(); });
  return command;
}

CLI::App* Commands::add_group(std::string name, std::string description) {
  CLI::App* const group = app_.add_subcommand(std::move(name), std::move(description));
  group->require_subcommand(1);
  return group;
}

int Commands::usage_error(const std::string& message) {
  std::string name = "scoutfs";
  for (const CLI::App* at = &app_; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    name += " " + at->get_name();
  }
  fmt::print(stderr, "{}: {}; try {} --help\n", name, message, name);
  return kUsage;
}

int Commands::run(std::vector<std::string> arguments) {
  if (arguments.empty()) {
    fmt::print(stderr, "{}", app_.help());
    return kUsage;
  }
  const auto named = [&](const CLI::App* command) {
    return command->get_name() == arguments.front();
  };
  if (!arguments.front().starts_with('-') && app_.get_subcommands(named).empty()) {
    return usage_error(fmt::format("unrecognized command: '{}'", arguments.front()));
  }
  try {
    std::reverse(arguments.begin(), arguments.end());
    app_.parse(arguments);
  } catch (const CLI::Success& done) {
    return app_.exit(done);  // help or version: printed
  } catch (const CLI::RuntimeError& error) {
    exit_code_ = error.get_exit_code();  // of a command that ends by it
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  if (std::fflush(stdout) != 0 || std::cout.flush().fail()) {
    return failed("", fmt::format("cannot write the output: {}", std::strerror(errno)));
  }
  return exit_code_;
}

void add_all(Commands& commands) {
  add_mkfs(commands);
  add_mount(commands);
  add_umount(commands);
  add_walk_inodes(commands);
  add_stat(commands);
  add_statfs(commands);
  add_df(commands);
  add_ino_path(commands);
  add_check(commands);
  add_print(commands);
  add_status(commands);
  add_fence(commands);
  add_sim_command(commands.app());
  add_completion(commands);
  add_man_pages(commands);
  // Now: a subcommand would inherit it.
  commands.app().footer(
      "See scoutfs COMMAND --help. Exit codes: 0 it worked, 1 it did not, 2 the command line "
      "is "
      "wrong.");
}

int failed(std::string_view command, std::string_view message) {
  fmt::print(stderr, "scoutfs{}{}: {}\n", command.empty() ? "" : " ", command, message);
  return kFailed;
}

int misused(std::string_view command, std::string_view message) {
  failed(command, message);
  return kUsage;
}

void print_json(const nlohmann::json& document) {
  // Names on a volume are bytes; what is not UTF-8 is replaced.
  fmt::print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string scaled(std::uint64_t bytes) {
  static constexpr std::array kUnits{"B", "KB", "MB", "GB", "TB", "PB", "EB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.2f} {}", value, kUnits[unit]);
}

std::string sized(std::uint64_t bytes) {
  return fmt::format("{} ({})", bytes, scaled(bytes));
}

void PathArgument::add_to(CLI::App& command) {
  auto* const first = command.add_option("path", positional, "any path of the mounted volume");
  command
      .add_option("-p,--path", option,
                  "the same; without either, $SCOUTFS_MOUNT_PATH or the current directory")
      ->excludes(first);
}

std::string PathArgument::get() const {
  if (!positional.empty()) return positional;
  if (!option.empty()) return option;
  const char* const fallback = std::getenv("SCOUTFS_MOUNT_PATH");
  return fallback == nullptr || *fallback == '\0' ? "." : fallback;
}

std::string explain_errno(const std::string& path, int error) {
  switch (error) {
    case ENOTTY:
      return fmt::format("'{}' is not on a mounted scoutfs volume", path);
    case ENOTCONN:
      return fmt::format("'{}': the mount's daemon is gone; unmount it and mount again", path);
    case EPERM:
      return fmt::format("'{}': only root may ask this", path);
    default:
      return fmt::format("'{}': {}", path, std::strerror(error));
  }
}

}  // namespace scoutfs::cli
