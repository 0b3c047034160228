// A file as a BlockDevice, with requests that complete at once.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "engine/env/block_device.hpp"

namespace scoutfs::bench {

class FileDevice : public BlockDevice {
 public:
  FileDevice(const std::string& path, std::uint64_t block_count) : block_count_(block_count) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    SCOUTFS_ASSERT(fd_ >= 0);
    // Nothing is left behind, however the process ends.
    ::unlink(path.c_str());
    const int sized = ::ftruncate(fd_, static_cast<off_t>(block_count * kBlockSize));
    SCOUTFS_ASSERT(sized == 0);
  }
  FileDevice(const FileDevice&) = delete;
  FileDevice& operator=(const FileDevice&) = delete;
  ~FileDevice() override { ::close(fd_); }

  std::uint64_t block_count() const override { return block_count_; }
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override {
    const ssize_t size = ::pread(fd_, out.data(), out.size(), offset(first));
    if (size != static_cast<ssize_t>(out.size())) co_return fail(Errc::io_error);
    co_return Result<void>{};
  }
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override {
    bytes_written_ += data.size();
    const ssize_t size = ::pwrite(fd_, data.data(), data.size(), offset(first));
    if (size != static_cast<ssize_t>(data.size())) co_return fail(Errc::io_error);
    if (durability == Durability::on_completion) co_return sync();
    co_return Result<void>{};
  }
  Task<Result<void>> flush() override { co_return sync(); }

  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  static off_t offset(BlockNo first) { return static_cast<off_t>(first.value * kBlockSize); }
  Result<void> sync() const {
    if (::fdatasync(fd_) != 0) return fail(Errc::io_error);
    return {};
  }

  int fd_;
  std::uint64_t block_count_;
  std::uint64_t bytes_written_ = 0;
};

}  // namespace scoutfs::bench
