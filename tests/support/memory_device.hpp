// MemoryDevice: a BlockDevice for tests, with a volatile cache, power cuts and injected errors.
//
// Reads see every write that was started. What a power cut leaves is the flushed image plus any
// subset of the block writes that were not durable yet: those since the last flush that
// completed, and those in flight. A block survives whole, in any of its unflushed versions or
// its flushed one.
//
// Requests complete at once, or, with set_scheduler(), after everything that was ready has run,
// so that requests are in flight together.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/async/scheduler.hpp"
#include "engine/base/hash.hpp"
#include "engine/env/block_device.hpp"

namespace scoutfs::testing {

class MemoryDevice : public BlockDevice {
 public:
  // A write as it was asked for.
  struct Recorded {
    BlockNo first;
    std::uint64_t count = 0;  // blocks
    Durability durability = Durability::after_flush;
  };
  struct Counters {
    std::uint64_t reads = 0, blocks_read = 0, writes = 0, blocks_written = 0, flushes = 0;
  };

  explicit MemoryDevice(std::uint64_t block_count) : block_count_(block_count) {}

  // nullptr: requests complete at once. Otherwise the scheduler must outlive the requests.
  void set_scheduler(Scheduler* scheduler) { scheduler_ = scheduler; }

  std::uint64_t block_count() const override { return block_count_; }

  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override {
    check(first, out.size());
    if (scheduler_ != nullptr) co_await Yield(*scheduler_);
    const std::uint64_t count = out.size() / kBlockSize;
    ++counters_.reads;
    counters_.blocks_read += count;
    if (fails(first.value, count, bad_reads_, reads_until_error_))
      co_return fail(Errc::io_error);
    for (std::uint64_t i = 0; i < count; ++i) {
      std::memcpy(out.data() + i * kBlockSize, block(first.value + i).data(), kBlockSize);
    }
    co_return Result<void>{};
  }

  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override {
    check(first, data.size());
    const std::uint64_t count = data.size() / kBlockSize;
    ++counters_.writes;
    counters_.blocks_written += count;
    if (recording_) recorded_.push_back({first, count, durability});
    if (fails(first.value, count, bad_writes_, writes_until_error_)) {
      if (scheduler_ != nullptr) co_await Yield(*scheduler_);
      co_return fail(Errc::io_error);
    }
    const std::uint64_t ticket = next_ticket_++;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto* from = reinterpret_cast<const char*>(data.data()) + i * kBlockSize;
      pending_.push_back({ticket, first.value + i, std::string(from, kBlockSize), false});
      current_[first.value + i] = pending_.back().bytes;
    }
    if (scheduler_ != nullptr) co_await Yield(*scheduler_);
    complete(ticket, durability);
    co_return Result<void>{};
  }

  Task<Result<void>> flush() override {
    ++counters_.flushes;
    // Only what had completed when the flush began is covered.
    std::set<std::uint64_t> covered;
    for (const Pending& pending : pending_) {
      if (pending.completed) covered.insert(pending.ticket);
    }
    if (scheduler_ != nullptr) co_await Yield(*scheduler_);
    if (flushes_until_error_ > 0 && --flushes_until_error_ == 0) co_return fail(Errc::io_error);
    settle([&covered](const Pending& pending) { return covered.contains(pending.ticket); });
    co_return Result<void>{};
  }

  // The machine loses power: of the block writes that are not durable, those survive for which
  // `keeps` is true; it gets their index in the order of the writes. Requests in flight must
  // have been destroyed (Scheduler::kill) or have no frame any more.
  void power_cut(const std::function<bool(std::size_t)>& keeps) {
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (keeps(i)) durable_[pending_[i].block] = std::move(pending_[i].bytes);
    }
    pending_.clear();
    current_ = durable_;
  }
  // The same with a coin for each write. `odds` of 256 survive.
  void power_cut(std::uint64_t seed, std::uint64_t odds = 128) {
    power_cut([seed, odds](std::size_t i) { return mix(seed, i) % 256 < odds; });
  }
  // The writes in flight of a process that died come to their end, as a fence makes sure: those
  // for which `keeps` is true are in the device's cache, the others never happened.
  void drain(const std::function<bool(std::size_t)>& keeps) {
    std::vector<Pending> rest;
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (!pending_[i].completed && !keeps(i)) continue;
      pending_[i].completed = true;
      rest.push_back(std::move(pending_[i]));
    }
    pending_ = std::move(rest);
    current_ = durable_;
    for (const Pending& pending : pending_) current_[pending.block] = pending.bytes;
  }
  std::size_t unflushed_count() const { return pending_.size(); }

  // Every request that touches the block fails with io_error.
  void add_bad_read(BlockNo block) { bad_reads_.insert(block.value); }
  void add_bad_write(BlockNo block) { bad_writes_.insert(block.value); }
  // The n-th request from now (1: the next) fails, once. 0: none.
  void fail_read(std::uint64_t n) { reads_until_error_ = n; }
  void fail_write(std::uint64_t n) { writes_until_error_ = n; }
  void fail_flush(std::uint64_t n) { flushes_until_error_ = n; }
  void clear_errors() {
    bad_reads_.clear();
    bad_writes_.clear();
    reads_until_error_ = writes_until_error_ = flushes_until_error_ = 0;
  }

  // Bytes as a reader would see them, past every error; put() is durable at once.
  std::string peek(BlockNo first, std::uint64_t count) const {
    std::string out;
    for (std::uint64_t i = 0; i < count; ++i) out += block(first.value + i);
    return out;
  }
  void put(BlockNo first, std::string_view bytes) {
    check(first, bytes.size());
    for (std::uint64_t i = 0; i < bytes.size() / kBlockSize; ++i) {
      durable_[first.value + i] = std::string(bytes.substr(i * kBlockSize, kBlockSize));
      current_[first.value + i] = durable_[first.value + i];
    }
  }
  void flip_bit(BlockNo block_no, std::uint64_t bit) {
    std::string bytes = block(block_no.value);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    put(block_no, bytes);
  }

  void set_recording(bool recording) { recording_ = recording; }
  std::vector<Recorded> take_recorded() { return std::exchange(recorded_, {}); }
  const Counters& counters() const { return counters_; }

 private:
  struct Pending {
    std::uint64_t ticket = 0;
    std::uint64_t block = 0;
    std::string bytes;
    bool completed = false;
  };

  void check(BlockNo first, std::size_t size) const {
    SCOUTFS_ASSERT(size % kBlockSize == 0);
    SCOUTFS_ASSERT(first.value + size / kBlockSize <= block_count_);
  }
  const std::string& block(std::uint64_t number) const {
    static const std::string kZero(kBlockSize, '\0');
    const auto it = current_.find(number);
    return it == current_.end() ? kZero : it->second;
  }
  static bool fails(std::uint64_t first, std::uint64_t count,
                    const std::set<std::uint64_t>& bad, std::uint64_t& until_error) {
    if (until_error > 0 && --until_error == 0) return true;
    const auto it = bad.lower_bound(first);
    return it != bad.end() && *it < first + count;
  }
  void complete(std::uint64_t ticket, Durability durability) {
    if (durability == Durability::on_completion) {
      settle([ticket](const Pending& pending) { return pending.ticket == ticket; });
      return;
    }
    for (Pending& pending : pending_) {
      if (pending.ticket == ticket) pending.completed = true;
    }
  }
  // Makes the chosen writes durable; what a block held before them is gone.
  void settle(const std::function<bool(const Pending&)>& chosen) {
    std::map<std::uint64_t, std::size_t> newest;  // block -> index of its newest chosen write
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (chosen(pending_[i])) newest[pending_[i].block] = i;
    }
    std::vector<Pending> rest;
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      Pending& pending = pending_[i];
      const auto it = newest.find(pending.block);
      if (it == newest.end() || i > it->second) {
        rest.push_back(std::move(pending));
      } else if (i == it->second) {
        durable_[pending.block] = std::move(pending.bytes);
      }
    }
    pending_ = std::move(rest);
  }

  std::uint64_t block_count_;
  Scheduler* scheduler_ = nullptr;
  std::map<std::uint64_t, std::string> durable_;
  std::map<std::uint64_t, std::string> current_;
  std::vector<Pending> pending_;  // writes that a power cut may undo, oldest first
  std::uint64_t next_ticket_ = 1;
  std::set<std::uint64_t> bad_reads_;
  std::set<std::uint64_t> bad_writes_;
  std::uint64_t reads_until_error_ = 0;
  std::uint64_t writes_until_error_ = 0;
  std::uint64_t flushes_until_error_ = 0;
  bool recording_ = false;
  std::vector<Recorded> recorded_;
  Counters counters_;
};

}  // namespace scoutfs::testing
