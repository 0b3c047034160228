// The `scoutfs` command: its subcommands, and what they share.
//
// Each subcommand is one file that adds itself: its arguments, its description, and what to
// run. Help, man pages and shell completion are all made from these definitions.
//
// Exit codes: 0 it worked, 1 it did not, 2 the command line is wrong. An error is one line on
// standard error that says what is wrong and, where there is something, what to do.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace scoutfs::cli {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

class Commands {
 public:
  Commands();

  // A new subcommand of `parent`, of the command itself if that is null. `run` is called when
  // it was chosen and its arguments could be read; what it returns is the exit code.
  CLI::App* add(std::string name, std::string description, std::function<int()> run,
                CLI::App* parent = nullptr);
  // A subcommand that only holds others.
  CLI::App* add_group(std::string name, std::string description);

  CLI::App& app() { return app_; }
  // Parses and runs. The exit code.
  int run(std::vector<std::string> arguments);

 private:
  int usage_error(const std::string& message);

  CLI::App app_;
  int exit_code_ = kOk;
};

// One for each file.
void add_mkfs(Commands& commands);
void add_mount(Commands& commands);
void add_umount(Commands& commands);
void add_walk_inodes(Commands& commands);
void add_stat(Commands& commands);
void add_statfs(Commands& commands);
void add_df(Commands& commands);
void add_ino_path(Commands& commands);
void add_check(Commands& commands);
void add_print(Commands& commands);
void add_status(Commands& commands);
void add_fence(Commands& commands);
void add_completion(Commands& commands);
void add_man_pages(Commands& commands);
void add_all(Commands& commands);

// Prints "scoutfs COMMAND: MESSAGE" to standard error. Returns kFailed.
int failed(std::string_view command, std::string_view message);
// The same with kUsage.
int misused(std::string_view command, std::string_view message);
// One document on standard output.
void print_json(const nlohmann::json& document);

// "N (x.xx UNIT)": a number of bytes and the same in the largest fitting unit of 1024.
std::string sized(std::uint64_t bytes);
// "x.xx UNIT".
std::string scaled(std::uint64_t bytes);

// The volume's path of a query: positional, or -p, or $SCOUTFS_MOUNT_PATH, or ".".
struct PathArgument {
  std::string positional, option;
  void add_to(CLI::App& command);
  std::string get() const;
};

// Says in words why a question about a mounted volume failed.
std::string explain_errno(const std::string& path, int error);

}  // namespace scoutfs::cli
