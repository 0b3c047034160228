// LiveDisk: the simulated array (sim/disk.hpp) for real clients: its virtual time is the
// host's.
//
// Each connection is a path of its own. A request is submitted to the array, and the thread
// that brought it sleeps until the array has answered; one thread of the disk's own lets the
// events happen when they are due. Everything lies in memory and ends with the process.
//
// What chance decides (latencies, the order in which pieces land, what a cut keeps) is drawn
// from the seed; which requests come when is the clients' doing, so a run does not repeat.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/async/scope.hpp"
#include "sim/disk.hpp"

namespace scoutfs::sim {

class LiveDisk {
 public:
  struct Options {
    std::uint64_t seed = 1;
    DiskOptions disk;
  };
  explicit LiveDisk(Options options);
  // Requires: no client is left.
  ~LiveDisk();

  // A connection. Its requests are whole blocks within the disk. Errors of all: disconnected,
  // of a connection that was cut and of all when the power was.
  class Client {
   public:
    Client(LiveDisk& disk, std::shared_ptr<DiskPath> path)
        : disk_(disk), path_(std::move(path)) {}
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    Result<void> read(BlockNo first, std::span<std::byte> out);
    Result<void> write(BlockNo first, std::span<const std::byte> data, Durability durability);
    Result<void> flush();

   private:
    LiveDisk& disk_;
    std::shared_ptr<DiskPath> path_;
  };
  // Errors: disconnected (the power is off).
  Result<std::unique_ptr<Client>> connect();

  // Ends all connections and keeps of what was not durable what `mode` and the seed say. Nobody
  // is admitted until power_on(). False: it is off already.
  bool power_cut(CutMode mode);
  void power_on();
  // Ends all connections; what they had in flight lands or does not, in time.
  void disconnect();

  struct Status {
    bool on = true;
    std::uint64_t clients = 0;  // connections that have not ended
    std::uint64_t requests = 0;
    std::uint64_t volatile_blocks = 0;  // that a power cut could undo
    std::uint64_t cuts = 0;
  };
  Status status();
  std::uint64_t block_count() const { return disk_.options().block_count; }

 private:
  using Lock = std::unique_lock<std::mutex>;
  struct VirtualClock final : Clock {
    explicit VirtualClock(const EventQueue& queue) : events(queue) {}
    TimeNs now_ns() const override { return events.now_ns(); }
    TimeNs wall_ns() const override { return events.now_ns(); }
    const EventQueue& events;
  };

  // What was due has happened, and virtual time is the host's.
  void catch_up();
  void drive(const std::stop_token& stop);
  void drop_paths();
  template <class T>
  Result<T> answer(Lock& lock, const DiskPath& path, OneShot<Result<T>> done);
  template <class T>
  Task<void> take(OneShot<Result<T>> done, std::optional<Result<T>>* out);

  std::mutex mutex_;  // guards everything below
  EventQueue events_;
  Trace trace_;
  OracleBoard board_;
  VirtualClock clock_{events_};
  Scheduler scheduler_{clock_};
  SharedDisk disk_;
  TaskScope answers_{scheduler_};
  std::vector<std::shared_ptr<DiskPath>> paths_;  // of clients that have not ended
  unsigned next_client_ = 0;
  bool on_ = true;
  std::uint64_t cuts_ = 0;
  TimeNs begin_ns_ = 0;                    // of the host's clock
  std::condition_variable_any submitted_;  // there may be an earlier event
  std::condition_variable_any answered_;   // some request may have its answer
  std::jthread driver_;
};

}  // namespace scoutfs::sim
