// What one node needs to run in a benchmark: a memory device, a network of one, real time.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/scope.hpp"
#include "engine/async/sync.hpp"
#include "engine/env/env.hpp"

namespace scoutfs::bench {

class RealClock final : public Clock {
 public:
  TimeNs now_ns() const override {
    return static_cast<TimeNs>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  TimeNs wall_ns() const override {
    return static_cast<TimeNs>(std::chrono::system_clock::now().time_since_epoch().count());
  }
};

// Requests complete after everything that was ready has run.
class FlatDevice final : public BlockDevice {
 public:
  FlatDevice(Scheduler& scheduler, std::uint64_t blocks)
      : scheduler_(scheduler), bytes_(blocks * kBlockSize) {}
  std::uint64_t block_count() const override { return bytes_.size() / kBlockSize; }
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override {
    co_await Yield(scheduler_);
    std::memcpy(out.data(), bytes_.data() + first.value * kBlockSize, out.size());
    co_return Result<void>{};
  }
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability) override {
    std::memcpy(bytes_.data() + first.value * kBlockSize, data.data(), data.size());
    written_ += data.size();
    co_await Yield(scheduler_);
    co_return Result<void>{};
  }
  Task<Result<void>> flush() override {
    co_await Yield(scheduler_);
    co_return Result<void>{};
  }
  std::uint64_t bytes_written() const { return written_; }

 private:
  Scheduler& scheduler_;
  std::vector<std::byte> bytes_;
  std::uint64_t written_ = 0;
};

class Pipe {
 public:
  explicit Pipe(Scheduler& scheduler) : queue(scheduler) {}
  WaitQueue queue;
  std::deque<std::string> messages;
  bool closed = false;
};

class PipeEnd final : public Connection {
 public:
  PipeEnd(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : in_(std::move(in)), out_(std::move(out)) {}
  ~PipeEnd() override { close(); }
  void send(std::string message) override {
    out_->messages.push_back(std::move(message));
    out_->queue.wake_all();
  }
  Task<Result<std::string>> receive() override {
    const std::shared_ptr<Pipe> in = in_;
    while (in->messages.empty() && !in->closed) co_await in->queue.wait();
    if (in->messages.empty()) co_return fail(Errc::disconnected);
    std::string message = std::move(in->messages.front());
    in->messages.pop_front();
    co_return message;
  }
  void close() override {
    for (const auto& pipe : {in_, out_}) {
      pipe->closed = true;
      pipe->queue.wake_all();
    }
  }
  Address peer() const override { return {}; }

 private:
  std::shared_ptr<Pipe> in_, out_;
};

class LoopNetwork final : public Network {
 public:
  void secure(Fsid, std::uint64_t, std::string_view) override {}
  explicit LoopNetwork(Scheduler& scheduler) : scheduler_(scheduler), incoming_(scheduler) {}
  Result<Address> listen(Address address) override {
    closed_ = false;
    address.port = 1;
    return address;
  }
  Task<Result<std::unique_ptr<Connection>>> accept() override {
    while (waiting_.empty() && !closed_) co_await incoming_.wait();
    if (closed_) co_return fail(Errc::stopping);
    std::unique_ptr<Connection> connection = std::move(waiting_.front());
    waiting_.pop_front();
    co_return connection;
  }
  void close_listener() override {
    closed_ = true;
    incoming_.wake_all();
  }
  Task<Result<std::unique_ptr<Connection>>> connect(Address) override {
    const auto there = std::make_shared<Pipe>(scheduler_);
    const auto back = std::make_shared<Pipe>(scheduler_);
    waiting_.push_back(std::make_unique<PipeEnd>(there, back));
    incoming_.wake_all();
    co_await Yield(scheduler_);
    co_return std::make_unique<PipeEnd>(back, there);
  }

 private:
  Scheduler& scheduler_;
  WaitQueue incoming_;
  std::deque<std::unique_ptr<Connection>> waiting_;
  bool closed_ = false;
};

class SplitMix final : public Random {
 public:
  std::uint64_t next() override {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_ = 1;
};

class NoFencing final : public Fencing {
 public:
  FenceLevel level() const override { return FenceLevel::host; }
  Task<Result<bool>> confirm_dead(Incarnation, HostId) override { co_return true; }
};

class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel level) : level_(level) {}
  void write(LogLevel, std::string_view message) override {
    fmt::print(stderr, "{}\n", message);
  }
  bool enabled(LogLevel level) const override { return level >= level_; }

 private:
  LogLevel level_;
};

}  // namespace scoutfs::bench
