// DiskFile: the file or block device that a disk server serves.
//
// One process at a time: it is locked, and the lock lives until the last thread of that process
// has ended. So whoever has the lock knows that no request of an earlier server still runs.
//
// Durability is the kernel's: a forced write waits for its own bytes, a flush for all. After a
// failed flush nothing written before it can be trusted to be on the disk, and the kernel
// reports that only once: from then on every write and flush fails, until the server is started
// again.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "engine/base/result.hpp"
#include "engine/env/block_device.hpp"
#include "engine/format/volume.hpp"
#include "node/loop/unique_fd.hpp"

namespace scoutfs::nbd {

// What is on a disk, as far as a disk server cares.
struct FoundVolume {
  enum class Kind : std::uint8_t { none, known, unknown };  // unknown: of another format hash
  Kind kind = Kind::none;
  Fsid fsid;           // of a known one
  std::string secret;  // of a known one
};

class DiskFile {
 public:
  // Waits for the lock, `patience_ms` at most. Errors: not_found, access_denied, invalid
  // (neither file nor block device), busy (another process serves it), io_error; `why` tells.
  Result<void> open(const std::string& path, unsigned patience_ms, std::string& why);

  std::uint64_t size_bytes() const { return size_bytes_; }
  bool is_block_device() const { return is_block_device_; }
  // All of it, or io_error. Any thread.
  Result<void> read(std::uint64_t offset, std::span<std::byte> out) const;
  Result<void> write(std::uint64_t offset, std::span<const std::byte> data,
                     Durability durability);
  Result<void> flush();

  // Reads both superblocks. Tries again while a copy is being written.
  Result<FoundVolume> find_volume() const;

 private:
  node::UniqueFd fd_;
  std::uint64_t size_bytes_ = 0;
  bool is_block_device_ = false;
  std::atomic<bool> failed_ = false;
};

}  // namespace scoutfs::nbd
