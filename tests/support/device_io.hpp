// Blocks of a device as text, for tests.
#pragma once

#include <span>
#include <string>

#include "engine/base/codec.hpp"
#include "engine/env/block_device.hpp"

namespace scoutfs::testing {

inline Task<Result<void>> put(BlockDevice& device, BlockNo at, std::string bytes,
                              Durability durability = Durability::after_flush) {
  co_return co_await device.write(at, as_bytes(bytes), durability);
}

inline Task<Result<std::string>> get(BlockDevice& device, BlockNo at,
                                     std::size_t size = kBlockSize) {
  std::string bytes(size, '?');
  SCOUTFS_CO_CHECK(co_await device.read(at, std::as_writable_bytes(std::span<char>(bytes))));
  co_return bytes;
}

}  // namespace scoutfs::testing
