// Blocks of a device as text, for tests.
#pragma once

#include <span>
#include <string>

#include "engine/async/scope.hpp"
#include "engine/base/codec.hpp"
#include "engine/env/block_device.hpp"
#include "tests/support/node_files.hpp"

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

inline Task<void> write_one(BlockDevice& device, std::uint64_t at, std::uint64_t* written) {
  const Durability durability =
      at % 2 == 0 ? Durability::after_flush : Durability::on_completion;
  const Result<void> result =
      co_await put(device, BlockNo(at), pattern(at, kBlockSize), durability);
  if (result.has_value()) ++*written;
}

// Writes the first `count` blocks all at once, then reads them. How many were written and hold
// their own data.
template <class Loop>
std::uint64_t write_at_once(Loop& loop, BlockDevice& device, std::uint64_t count) {
  std::uint64_t written = 0;
  {
    TaskScope scope(loop.scheduler());
    for (std::uint64_t i = 0; i < count; ++i) scope.spawn(write_one(device, i, &written));
    loop.run(scope.drain());
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const Result<std::string> found = loop.run(get(device, BlockNo{i}));
    if (!found.has_value() || *found != pattern(i, kBlockSize)) --written;
  }
  return written;
}

}  // namespace scoutfs::testing
