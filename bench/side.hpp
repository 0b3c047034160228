// What both sides of the LSM benchmark do, and the data they do it with.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "engine/lsm/compaction.hpp"

namespace scoutfs::bench {

inline constexpr std::size_t kKeySize = 26;    // bytes
inline constexpr std::size_t kValueSize = 60;  // bytes

struct Settings {
  std::string directory = "/dev/shm";
  std::uint64_t item_count = 5'000'000;
  std::uint64_t batch_size = 10'000;
  std::uint64_t read_count = 1'000'000;
  std::uint64_t cache_bytes = 2ULL << 30;
  std::string phases = "sorted,random";
  lsm::CompactionOptions compaction;
};

// Keys like those of a directory tree: a zone, an inode number, a type, a position and a hash.
// They ascend with `i`.
inline void make_key(std::uint64_t i, std::string& out) {
  out.clear();
  Writer writer(out);
  writer.put(std::uint8_t{0x40});
  writer.put_big(std::uint64_t{1'000} + i / 8);
  writer.put(std::uint8_t{3});
  writer.put_big(i % 8);
  writer.put_big(mix(i, 1));
}
// The first half is noise.
inline void make_value(std::uint64_t i, std::string& out) {
  out.assign(kValueSize, 'v');
  for (std::size_t at = 0; at < kValueSize / 2; at += 8) {
    const std::uint64_t bits = mix(i, at + 2);
    std::memcpy(out.data() + at, &bits, std::min<std::size_t>(8, kValueSize / 2 - at));
  }
}

// Wall-clock seconds since the start of the measurement.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// One store on one directory, emptied at the start.
class Side {
 public:
  virtual ~Side() = default;
  virtual std::string name() const = 0;
  // Durable on return.
  virtual void write_batch(const std::vector<std::uint64_t>& items) = 0;
  // Until nothing is left to be merged.
  virtual void settle() = 0;
  // Bytes written so far, logs included.
  virtual std::uint64_t bytes_written() const = 0;
  virtual std::map<std::string, std::uint64_t> shape() const = 0;
  // Again with an empty cache.
  virtual void reopen() = 0;
  // How many of the items are there.
  virtual std::uint64_t read(const std::vector<std::uint64_t>& items) = 0;
  // How many items there are in all, in key order; adds up the sizes of keys and values.
  virtual std::uint64_t scan(std::uint64_t& bytes) = 0;
};

std::unique_ptr<Side> make_lsm_side(const Settings& settings);
std::unique_ptr<Side> make_rocks_side(const Settings& settings);

}  // namespace scoutfs::bench
