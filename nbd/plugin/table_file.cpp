#include "nbd/plugin/table_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "node/loop/unique_fd.hpp"

namespace scoutfs::nbd {

namespace {

constexpr std::size_t kFileSizeMax = 16u << 20;  // bytes; a full table is smaller

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<FenceTable> TableFile::load() const {
  const node::UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(errno == ENOENT ? Errc::not_found : Errc::io_error);
  std::string bytes;
  std::array<char, 65536> piece;
  while (true) {
    const ssize_t got = ::read(fd.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Errc::io_error);
    if (got == 0) break;
    bytes.append(piece.data(), static_cast<std::size_t>(got));
    if (bytes.size() > kFileSizeMax) return fail(Errc::too_large);
  }
  return FenceTable::decode(bytes);
}

Result<void> TableFile::store(const FenceTable& table) const {
  if (path_.empty()) return fail(Errc::io_error);
  const std::string next = path_ + ".new";
  const std::string bytes = FenceTable::encode(table);
  node::UniqueFd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return fail(Errc::io_error);
  if (!write_all(fd.get(), bytes)) return fail(Errc::io_error);
  if (::fsync(fd.get()) != 0) return fail(Errc::io_error);
  if (::rename(next.c_str(), path_.c_str()) != 0) return fail(Errc::io_error);
  const node::UniqueFd folder(
      ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return fail(Errc::io_error);
  return {};
}

}  // namespace scoutfs::nbd
