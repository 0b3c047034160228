// What is mounted where, without asking any filesystem: a mount whose daemon hangs, hangs
// whoever looks at it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace scoutfs::cli {

struct MountEntry {
  std::string directory;
  std::string type;  // "fuse.scoutfs" or "fuseblk.scoutfs"
  std::string source;
};

// The mounts of this process's view, oldest first.
std::vector<MountEntry> all_mounts();
// An entry of mountinfo(5); nullopt if it is none.
std::optional<MountEntry> parse_mount_line(const std::string& line);

// The newest mount at `directory` (contains: or that `directory` is in); nullopt: no scoutfs.
enum class Match : std::uint8_t { exact, contains };
std::optional<MountEntry> find_scoutfs_mount(const std::string& directory, Match match);

// Absolute and without ".", ".." and a slash at the end; nothing is looked up.
std::string plain_path(const std::string& path);

// What the daemon of the mount at `directory` says of itself: its "status" answer. nullopt: no
// daemon answers for it.
std::optional<nlohmann::json> ask_daemon_of(const std::string& directory);

}  // namespace scoutfs::cli
