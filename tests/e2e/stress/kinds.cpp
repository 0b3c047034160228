#include "tests/e2e/stress/kinds.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <vector>

#include "node/loop/unique_fd.hpp"

namespace scoutfs::stress {

namespace {

using node::UniqueFd;

int error_of(bool worked) {
  return worked ? 0 : errno;
}

UniqueFd open_file(const std::string& path, int flags) {
  return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC, 0644));
}

int make_empty(const Subject& subject) {
  return error_of(static_cast<bool>(open_file(subject.path, O_CREAT | O_EXCL | O_WRONLY)));
}

// ---- Common ways to look ----

Sight stat_value(const std::string& path, std::uint64_t (*value)(const struct stat&)) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) return {.error = errno};
  return {.value = value(info)};
}

Sight fstat_value(int fd, std::uint64_t (*value)(const struct stat&)) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return {.error = errno};
  return {.value = value(info)};
}

std::uint64_t size_in(const struct stat& info) {
  return static_cast<std::uint64_t>(info.st_size);
}
std::uint64_t mtime_in(const struct stat& info) {
  return static_cast<std::uint64_t>(info.st_mtim.tv_sec);
}
std::uint64_t mode_in(const struct stat& info) {
  return info.st_mode & 0777;
}
std::uint64_t nlink_in(const struct stat& info) {
  return info.st_nlink;
}

Sight exists(const std::string& path) {
  struct stat info{};
  if (lstat(path.c_str(), &info) == 0) return {.value = 1};
  if (errno == ENOENT) return {.value = 0};
  return {.error = errno};
}

Sight listed(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  DIR* const dir = opendir(path.substr(0, slash).c_str());
  if (dir == nullptr) return {.error = errno};
  const std::string_view name = std::string_view(path).substr(slash + 1);
  std::uint64_t found = 0;
  errno = 0;
  // A name that goes and comes back while the directory is read may be seen twice.
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name == name) found = 1;
  }
  const int error = errno;
  closedir(dir);
  return {.value = found, .error = error};
}

// How many bytes reading from the beginning gives.
Sight length_of(int fd) {
  std::vector<char> buffer(1 << 20);
  const ssize_t got = pread(fd, buffer.data(), buffer.size(), 0);
  if (got < 0) return {.error = errno};
  return {.value = static_cast<std::uint64_t>(got)};
}

Sight length_at(const std::string& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  return fd ? length_of(fd.get()) : Sight{.error = errno};
}

Sight number_at(int fd, off_t offset) {
  std::uint64_t number = 0;
  const ssize_t got = pread(fd, &number, sizeof(number), offset);
  if (got < 0) return {.error = errno};
  return {.value = got == sizeof(number) ? number : ~std::uint64_t{0}};
}

std::uint64_t parity(std::uint64_t version) {
  return version % 2;
}
std::uint64_t other_parity(std::uint64_t version) {
  return 1 - version % 2;
}
std::uint64_t itself(std::uint64_t version) {
  return version;
}

// ---- Sizes ----

// Grows and shrinks, over page borders and inside pages.
std::uint64_t size_of(std::uint64_t version) {
  return version * 977 % 9001;
}

int change_size(const Subject& subject, std::uint64_t version) {
  return error_of(truncate(subject.path.c_str(), static_cast<off_t>(size_of(version))) == 0);
}

constexpr std::array kSizeLooks{
    Look{"size by stat", [](const Subject& s) { return stat_value(s.path, size_in); }, size_of},
    Look{"size by fstat", [](const Subject& s) { return fstat_value(s.fd, size_in); }, size_of},
    Look{"length by read", [](const Subject& s) { return length_of(s.fd); }, size_of, true},
    Look{"length by open and read", [](const Subject& s) { return length_at(s.path); }, size_of,
         true},
};

int append_byte(const Subject& subject, std::uint64_t) {
  const UniqueFd fd = open_file(subject.path, O_WRONLY | O_APPEND);
  return error_of(fd && write(fd.get(), "x", 1) == 1);
}

constexpr std::array kAppendLooks{
    Look{"appended size by fstat", [](const Subject& s) { return fstat_value(s.fd, size_in); },
         itself},
    Look{"appended length by read", [](const Subject& s) { return length_of(s.fd); }, itself,
         true},
};

// ---- Contents ----

int change_content(const Subject& subject, std::uint64_t version) {
  const std::vector<std::uint64_t> words(kContentBytes / sizeof(version), version);
  const UniqueFd fd = open_file(subject.path, O_WRONLY | O_CREAT);
  return error_of(fd && pwrite(fd.get(), words.data(), kContentBytes, 0) ==
                            static_cast<ssize_t>(kContentBytes));
}

int prepare_content(const Subject& subject) {
  return change_content(subject, 0);
}

constexpr std::array kContentLooks{
    Look{"first page by read", [](const Subject& s) { return number_at(s.fd, 0); }, itself},
    Look{"second page by read", [](const Subject& s) { return number_at(s.fd, 4096); }, itself},
    Look{"second page by mapping",
         [](const Subject& s) {
           if (s.mapping == nullptr) return number_at(s.fd, 4800);
           return Sight{.value = s.mapping[600]};
         },
         itself},
    Look{"second page by private mapping",
         [](const Subject& s) {
           if (s.private_mapping == nullptr) return number_at(s.fd, 4800);
           return Sight{.value = s.private_mapping[600]};
         },
         itself},
    Look{"first page by open and read",
         [](const Subject& s) {
           const UniqueFd fd = open_file(s.path, O_RDONLY);
           return fd ? number_at(fd.get(), 8) : Sight{.error = errno};
         },
         itself},
};

// ---- Attributes ----

int change_mtime(const Subject& subject, std::uint64_t version) {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                             {.tv_sec = static_cast<time_t>(version), .tv_nsec = 0}};
  return error_of(utimensat(AT_FDCWD, subject.path.c_str(), times, 0) == 0);
}
int prepare_mtime(const Subject& subject) {
  const int error = make_empty(subject);
  return error != 0 ? error : change_mtime(subject, 0);
}
constexpr std::array kMtimeLooks{
    Look{"mtime by stat", [](const Subject& s) { return stat_value(s.path, mtime_in); },
         itself},
    Look{"mtime by fstat", [](const Subject& s) { return fstat_value(s.fd, mtime_in); },
         itself},
};

std::uint64_t mode_of(std::uint64_t version) {
  return version % 512;
}
int change_mode(const Subject& subject, std::uint64_t version) {
  return error_of(chmod(subject.path.c_str(), static_cast<mode_t>(mode_of(version))) == 0);
}
int prepare_mode(const Subject& subject) {
  const int error = make_empty(subject);
  return error != 0 ? error : change_mode(subject, 0);
}
constexpr std::array kModeLooks{
    Look{"mode by stat", [](const Subject& s) { return stat_value(s.path, mode_in); }, mode_of},
    Look{"mode by fstat", [](const Subject& s) { return fstat_value(s.fd, mode_in); }, mode_of},
};

int change_xattr(const Subject& subject, std::uint64_t version) {
  return error_of(
      setxattr(subject.path.c_str(), "user.version", &version, sizeof(version), 0) == 0);
}
int prepare_xattr(const Subject& subject) {
  const int error = make_empty(subject);
  return error != 0 ? error : change_xattr(subject, 0);
}
Sight xattr_of(const Subject& subject) {
  std::uint64_t version = 0;
  const ssize_t got = getxattr(subject.path.c_str(), "user.version", &version, sizeof(version));
  return got < 0 ? Sight{.error = errno} : Sight{.value = version};
}
constexpr std::array kXattrLooks{Look{"extended attribute", xattr_of, itself}};

std::uint64_t links_of(std::uint64_t version) {
  return 1 + version % 2;
}
int change_links(const Subject& subject, std::uint64_t version) {
  if (version % 2 == 0) return error_of(unlink(subject.other.c_str()) == 0);
  return error_of(link(subject.path.c_str(), subject.other.c_str()) == 0);
}
constexpr std::array kLinkLooks{
    Look{"links by stat", [](const Subject& s) { return stat_value(s.path, nlink_in); },
         links_of},
    Look{"links by fstat", [](const Subject& s) { return fstat_value(s.fd, nlink_in); },
         links_of},
    Look{"second name", [](const Subject& s) { return exists(s.other); }, parity},
    Look{"second name listed", [](const Subject& s) { return listed(s.other); }, parity},
};

// ---- Names ----

int nothing_yet(const Subject&) {
  return 0;
}

int change_file(const Subject& subject, std::uint64_t version) {
  return version % 2 == 1 ? make_empty(subject) : error_of(unlink(subject.path.c_str()) == 0);
}
int change_directory(const Subject& subject, std::uint64_t version) {
  const char* const path = subject.path.c_str();
  return error_of((version % 2 == 1 ? mkdir(path, 0755) : rmdir(path)) == 0);
}
constexpr std::array kNameLooks{
    Look{"name", [](const Subject& s) { return exists(s.path); }, parity},
    Look{"name listed", [](const Subject& s) { return listed(s.path); }, parity},
    Look{"name by open",
         [](const Subject& s) {
           if (open_file(s.path, O_RDONLY)) return Sight{.value = 1};
           return Sight{.error = errno == ENOENT ? 0 : errno};
         },
         parity},
};

// The first is looked up on the way: of a directory that another node has moved, the kernel
// must know the new place before it can be renamed (ESTALE).
int change_place(const Subject& subject, std::uint64_t version) {
  const bool away = version % 2 == 1;
  const std::string& from = away ? subject.path : subject.other;
  const std::string& to = away ? subject.other : subject.path;
  const Sight there = exists(from);
  if (there.error != 0) return there.error;
  return error_of(rename(from.c_str(), to.c_str()) == 0);
}
int prepare_moved_directory(const Subject& subject) {
  return error_of(mkdir(subject.path.c_str(), 0755) == 0);
}
constexpr std::array kPlaceLooks{
    Look{"old name", [](const Subject& s) { return exists(s.path); }, other_parity},
    Look{"new name", [](const Subject& s) { return exists(s.other); }, parity},
    Look{"old name listed", [](const Subject& s) { return listed(s.path); }, other_parity},
    Look{"new name listed", [](const Subject& s) { return listed(s.other); }, parity},
};

// A new file takes the place of the one before. (It may be there from a change that the kernel
// asked to be tried again.)
int change_replaced(const Subject& subject, std::uint64_t version) {
  const UniqueFd fd = open_file(subject.other, O_CREAT | O_TRUNC | O_WRONLY);
  if (!fd) return errno;
  if (ftruncate(fd.get(), static_cast<off_t>(size_of(version))) != 0) return errno;
  return error_of(rename(subject.other.c_str(), subject.path.c_str()) == 0);
}
int prepare_replaced(const Subject& subject) {
  return change_replaced(subject, 0);
}
constexpr std::array kReplacedLooks{
    Look{"size of what replaced it",
         [](const Subject& s) { return stat_value(s.path, size_in); }, size_of},
    Look{"length of what replaced it", [](const Subject& s) { return length_at(s.path); },
         size_of, true},
};

int change_symlink(const Subject& subject, std::uint64_t version) {
  const int made = symlink(std::to_string(version).c_str(), subject.other.c_str());
  if (made != 0 && errno != EEXIST) return errno;
  return error_of(rename(subject.other.c_str(), subject.path.c_str()) == 0);
}
int prepare_symlink(const Subject& subject) {
  return change_symlink(subject, 0);
}
Sight target_of(const Subject& subject) {
  std::array<char, 32> text{};
  const ssize_t got = readlink(subject.path.c_str(), text.data(), text.size());
  if (got < 0) return {.error = errno};
  std::uint64_t version = ~std::uint64_t{0};
  std::from_chars(text.data(), text.data() + got, version);
  return {.value = version};
}
constexpr std::array kSymlinkLooks{Look{"symlink's target", target_of, itself}};

constexpr std::array kKinds{
    Kind{"size", make_empty, change_size, kSizeLooks, true},
    Kind{"append", make_empty, append_byte, kAppendLooks, true},
    Kind{"content", prepare_content, change_content, kContentLooks, true},
    Kind{"mtime", prepare_mtime, change_mtime, kMtimeLooks, true},
    Kind{"mode", prepare_mode, change_mode, kModeLooks, true},
    Kind{"xattr", prepare_xattr, change_xattr, kXattrLooks, false},
    Kind{"links", make_empty, change_links, kLinkLooks, true},
    Kind{"file", nothing_yet, change_file, kNameLooks, false},
    Kind{"directory", nothing_yet, change_directory, kNameLooks, false},
    Kind{"move", make_empty, change_place, kPlaceLooks, false},
    Kind{"moved directory", prepare_moved_directory, change_place, kPlaceLooks, false},
    Kind{"replaced", prepare_replaced, change_replaced, kReplacedLooks, false},
    Kind{"symlink", prepare_symlink, change_symlink, kSymlinkLooks, false},
};

}  // namespace

std::span<const Kind> kinds() {
  return kKinds;
}

}  // namespace scoutfs::stress
