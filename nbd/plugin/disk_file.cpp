#include "nbd/plugin/disk_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/base/codec.hpp"

namespace scoutfs::nbd {

namespace {

Errc code_of(int error) {
  if (error == ENOENT) return Errc::not_found;
  if (error == EACCES || error == EPERM || error == EROFS) return Errc::access_denied;
  return Errc::io_error;
}

bool lock(int fd, unsigned patience_ms) {
  constexpr unsigned kStepMs = 20;
  for (unsigned waited_ms = 0;; waited_ms += kStepMs) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    if (waited_ms >= patience_ms) return false;
    usleep(kStepMs * 1000);
  }
}

}  // namespace

Result<void> DiskFile::open(const std::string& path, unsigned patience_ms, std::string& why) {
  fd_.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd_) {
    const int error = errno;
    why = fmt::format("cannot open '{}': {}", path, std::strerror(error));
    return fail(code_of(error));
  }
  struct stat info{};
  if (fstat(fd_.get(), &info) != 0) {
    why = fmt::format("cannot examine '{}': {}", path, std::strerror(errno));
    return fail(Errc::io_error);
  }
  is_block_device_ = S_ISBLK(info.st_mode);
  if (is_block_device_) {
    if (ioctl(fd_.get(), BLKGETSIZE64, &size_bytes_) != 0) {
      why = fmt::format("cannot tell the size of '{}': {}", path, std::strerror(errno));
      return fail(Errc::io_error);
    }
  } else if (S_ISREG(info.st_mode)) {
    size_bytes_ = static_cast<std::uint64_t>(info.st_size);
  } else {
    why = fmt::format("'{}' is neither a file nor a block device", path);
    return fail(Errc::invalid);
  }
  if (!lock(fd_.get(), patience_ms)) {
    why = fmt::format("'{}' is locked: another process serves it", path);
    return fail(Errc::busy);
  }
  return {};
}

Result<void> DiskFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(Errc::io_error);
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Result<void> DiskFile::write(std::uint64_t offset, std::span<const std::byte> data,
                             Durability durability) {
  if (failed_) return fail(Errc::io_error);
  const int flags = durability == Durability::on_completion ? RWF_DSYNC : 0;
  while (!data.empty()) {
    // Never written through: the call is a write.
    const iovec piece{.iov_base = const_cast<std::byte*>(data.data()), .iov_len = data.size()};
    const ssize_t put = ::pwritev2(fd_.get(), &piece, 1, static_cast<off_t>(offset), flags);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      // Whether what the kernel holds of it will reach the disk is unknown.
      if (durability == Durability::on_completion) failed_ = true;
      return fail(Errc::io_error);
    }
    offset += static_cast<std::uint64_t>(put);
    data = data.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> DiskFile::flush() {
  if (failed_) return fail(Errc::io_error);
  if (::fdatasync(fd_.get()) == 0) return {};
  failed_ = true;
  return fail(Errc::io_error);
}

Result<FoundVolume> DiskFile::find_volume() const {
  constexpr std::size_t kImageSize = format::kSuperblockBlocks * kBlockSize;
  constexpr int kAttempts = 3;
  FoundVolume found;
  if (size_bytes_ < (format::kSuperblockFirst + 2 * format::kSuperblockBlocks) * kBlockSize) {
    return found;
  }
  std::string image(kImageSize, '\0');
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    for (std::uint64_t copy = 0; copy < 2; ++copy) {
      const std::span<std::byte> out{reinterpret_cast<std::byte*>(image.data()), image.size()};
      SCOUTFS_CHECK(read(format::superblock_at(copy).value * kBlockSize, out));
      const Result<format::Superblock> superblock = format::decode_superblock(image);
      if (superblock.has_value()) {
        found.kind = FoundVolume::Kind::known;
        found.fsid = superblock->fsid;
        found.secret.assign(superblock->secret.data(), superblock->secret.size());
        return found;
      }
      if (superblock.error().code == Errc::unsupported) found.kind = FoundVolume::Kind::unknown;
    }
    if (found.kind == FoundVolume::Kind::unknown) break;
  }
  return found;
}

}  // namespace scoutfs::nbd
