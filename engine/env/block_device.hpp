// BlockDevice: the only door to the shared disk.
//
// Implementations: nbd/ (libnbd), node/ (image files and block devices), sim/ (a simulated disk
// with faults), tests (memory).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/async/task.hpp"
#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"

namespace scoutfs {

// Volatile: durable after a flush() that starts after the write completed. Durable: durable
// when the write completes (forced unit access).
enum class Durability : std::uint8_t { after_flush, on_completion };

// Positions are blocks of kBlockSize bytes; buffers are whole blocks.
//
// Ownership: the caller's buffer stays valid and, for reads, untouched until the Task
// completes. Ordering: none between requests in flight, not even to one block. A request that
// starts after another has completed sees its effect. Visibility: a completed write is seen by
// every node. Failure: a lost connection fails what is in flight with disconnected, and nothing
// is replayed. Fencing: once the incarnation that opened the device is fenced, every request
// ends with fenced, for good; nothing of a request made after that reaches the disk.
class BlockDevice {
 public:
  virtual ~BlockDevice() = default;

  virtual std::uint64_t block_count() const = 0;

  // Errors: io_error, disconnected, fenced; then `out` holds unspecified bytes.
  virtual Task<Result<void>> read(BlockNo first, std::span<std::byte> out) = 0;

  // Each block is written whole or not at all; several blocks in any order and part.
  // Errors: io_error, disconnected, fenced: each block holds its old or its new bytes. After
  // fenced that is settled: nothing of it lands any more.
  virtual Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                                   Durability durability) = 0;

  // Errors: as write(); then no write since the last successful flush may be assumed durable.
  virtual Task<Result<void>> flush() = 0;
};

}  // namespace scoutfs
