#include "cli/mounts.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "node/admin_socket.hpp"
#include "node/mount_config.hpp"

namespace scoutfs::cli {

namespace {

// mountinfo writes a space, tab, newline and backslash as \ooo.
std::string unescape(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      const auto digit = [&](std::size_t at) { return text[at] - '0'; };
      out += static_cast<char>(digit(i + 1) * 64 + digit(i + 2) * 8 + digit(i + 3));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool contains(const std::string& directory, const std::string& path) {
  if (directory == "/") return true;
  return path == directory || path.starts_with(directory + "/");
}

}  // namespace

std::optional<MountEntry> parse_mount_line(const std::string& line) {
  // 36 35 98:0 /root /directory options [optional fields...] - type source super-options
  std::istringstream words(line);
  std::string skipped, directory, word, type, source;
  words >> skipped >> skipped >> skipped >> skipped >> directory >> skipped;
  while (words >> word && word != "-") {
  }
  if (!(words >> type >> source)) return std::nullopt;
  return MountEntry{
      .directory = unescape(directory), .type = unescape(type), .source = unescape(source)};
}

std::vector<MountEntry> all_mounts() {
  std::vector<MountEntry> mounts;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    auto entry = parse_mount_line(line);
    if (entry.has_value()) mounts.push_back(std::move(*entry));
  }
  return mounts;
}

std::optional<MountEntry> find_scoutfs_mount(const std::string& directory, Match match) {
  const std::vector<MountEntry> mounts = all_mounts();
  const MountEntry* found = nullptr;
  for (const MountEntry& entry : mounts) {
    const bool here = match == Match::exact ? entry.directory == directory
                                            : contains(entry.directory, directory);
    // Of nested mounts the innermost counts, of stacked ones the newest.
    if (here && (found == nullptr || entry.directory.size() >= found->directory.size())) {
      found = &entry;
    }
  }
  if (found == nullptr || !found->type.ends_with(".scoutfs")) return std::nullopt;
  return *found;
}

std::string plain_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  std::string plain = error ? path : absolute.lexically_normal().string();
  while (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
  return plain;
}

std::optional<nlohmann::json> ask_daemon_of(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> sockets;
  for (const auto& entry :
       std::filesystem::directory_iterator(node::MountConfig().run_directory, error)) {
    if (entry.path().extension() == ".sock") sockets.push_back(entry.path());
  }
  std::sort(sockets.begin(), sockets.end());
  for (const std::string& socket : sockets) {
    const auto line = node::ask_daemon(socket, R"({"cmd":"status"})");
    if (!line.has_value()) continue;  // left behind by a daemon that died
    const auto answer = nlohmann::json::parse(*line, nullptr, false);
    if (!answer.is_object() || !answer.value("ok", false)) continue;
    if (plain_path(answer.value("directory", "")) == directory) return answer;
  }
  return std::nullopt;
}

}  // namespace scoutfs::cli
