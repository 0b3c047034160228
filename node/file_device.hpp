// FileDevice: a BlockDevice that is an image file or a block device of this host.
//
// The engine's thread must not wait for a disk, so a few helper threads issue the system calls
// and post the results back to the loop. The file is opened for direct I/O where that works:
// several hosts may share a block device, and the page cache of one would not see the writes of
// another. Nobody locks the file: mounts of one host share it.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/env/block_device.hpp"
#include "node/loop/event_loop.hpp"
#include "node/loop/unique_fd.hpp"

namespace scoutfs::node {

class FileDevice : public BlockDevice {
 public:
  enum class Access : std::uint8_t { read_only, read_write };

  // The loop must outlive the device. On failure `why` says what to tell the operator.
  // Errors: not_found, access_denied, invalid (neither a file nor a block device, or smaller
  // than a block), io_error.
  static Result<std::unique_ptr<FileDevice>> open(EventLoop& loop, const std::string& path,
                                                  Access access, std::string& why);
  // Waits for what is in flight.
  ~FileDevice() override;

  std::uint64_t block_count() const override { return block_count_; }
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override;
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override;
  Task<Result<void>> flush() override;

  bool direct() const { return direct_; }

 private:
  struct Request;
  class Pending;
  static constexpr std::size_t kThreads = 8;  // requests at the kernel at once

  FileDevice(EventLoop& loop, UniqueFd fd, std::uint64_t block_count, bool direct);
  void submit(std::shared_ptr<Request> request);
  void serve();
  void perform(Request& request) const;

  EventLoop& loop_;
  UniqueFd fd_;
  std::uint64_t block_count_;
  bool direct_;
  std::mutex mutex_;  // queue_, closing_
  std::condition_variable work_;
  std::deque<std::shared_ptr<Request>> queue_;  // bounded by what the engine has in flight
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace scoutfs::node
