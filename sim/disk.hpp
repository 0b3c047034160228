// SharedDisk: the storage array that every node writes to, as an actor of the simulation.
//
// A write lands piece by piece, in any order, between its submission and its completion; what
// has landed is seen by every node. It is in the array's volatile cache until a flush that
// started after its completion has ended, or until its own completion if it asked for that. A
// power cut keeps, of each block, its durable bytes or any version that was not durable yet,
// and may mix them at sectors of 512 bytes.
//
// A request may fail (disk_errors.hpp). Of a write that fails each piece lands or does not; no
// flush covers it. A flush that fails leaves everything of its path that had completed and was
// not durable in doubt for good: no later flush covers that either.
//
// A path is one incarnation's way to the array. When the process dies its requests live on:
// each piece of a write in flight lands in time, lands late, or never. A node that stands still
// keeps some of its requests in its own queue and sends them when it wakes.
//
// A path can lose its connection while its process lives: what was in flight then ends as at a
// death, for the process it has failed. A new connection is admitted when nothing of the old
// one can land any more (protocol rule 12); the array audits that as well.
//
// The array fences a path: from then on it refuses what arrives there, it finishes or drops
// what has arrived, remembers the fence, and only then says so. Once it has confirmed a death
// or a fence, nothing of that path may land any more; the array audits it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/sync.hpp"
#include "engine/env/lasting_device.hpp"
#include "sim/disk_errors.hpp"
#include "sim/event_queue.hpp"
#include "sim/image.hpp"
#include "sim/oracle_board.hpp"
#include "sim/random.hpp"
#include "sim/trace.hpp"

namespace scoutfs::sim {

inline constexpr std::size_t kSectorSize = 512;  // bytes; what a torn write is made of

struct DiskOptions {
  std::uint64_t block_count = 8192;
  TimeNs latency_min_ns = 30 * kMicrosecond;
  TimeNs latency_max_ns = 400 * kMicrosecond;
  TimeNs service_ns = 5 * kMicrosecond;  // a path takes one request each
  // Out of 1000 requests: slow, up to `slow_ns`.
  std::uint64_t slow_per_1000 = 5;
  TimeNs slow_ns = 100 * kMillisecond;
  TimeNs late_write_ns = 3 * kSecond;  // how late a dead node's write may land
  ErrorRates errors;
  std::uint64_t calm_from = ~0ULL;  // from this request on each has the shortest latency
};

// What a power cut does to what was not durable.
enum class CutMode : std::uint8_t {
  keeps_all,  // the newest version of each block
  keeps_none,
  any_blocks,   // each block one of its versions
  any_sectors,  // each sector one of its block's versions
};

struct DiskPath;

class SharedDisk {
 public:
  friend class SimDevice;
  using Blocks = std::vector<BlockRef>;
  using ReadDone = OneShot<Result<Blocks>>;
  using Done = OneShot<Result<void>>;
  struct Write;

  SharedDisk(EventQueue& events, Trace& trace, OracleBoard& board, SimRandom random,
             DiskOptions options);
  SharedDisk(const SharedDisk&) = delete;
  SharedDisk& operator=(const SharedDisk&) = delete;
  ~SharedDisk();

  const DiskOptions& options() const { return options_; }
  // Replaces all that is on it, durably. Requires: nothing was written yet.
  void load(const Image& image);

  std::shared_ptr<DiskPath> open_path(unsigned node);
  void read(const std::shared_ptr<DiskPath>& path, BlockNo first, std::uint64_t count,
            const ReadDone& done);
  void write(const std::shared_ptr<DiskPath>& path, BlockNo first,
             std::span<const std::byte> data, Durability durability, const Done& done);
  void flush(const std::shared_ptr<DiskPath>& path, const Done& done);

  // The process at this end died. What it had in flight is settled by chance, over time.
  void drop_path(const std::shared_ptr<DiskPath>& path);
  // Requires: dropped. True when nothing of it can land any more.
  bool drained(const DiskPath& path) const;
  // The array vouches for it. Requires: drained.
  void confirm_dead(DiskPath& path);
  // The handle was closed in good order. What was not answered is settled by chance.
  void close_path(const std::shared_ptr<DiskPath>& path) {
    if (!dropped(*path)) drop_path(path);
  }
  // Refuses all that arrives from now on; `done` when nothing of the path lands any more.
  void fence(const std::shared_ptr<DiskPath>& path, const Done& done);
  // Nothing of it may land from now on, though it is not refused.
  static void distrust(DiskPath& path);
  static bool fenced(const DiskPath& path);   // it refuses
  static bool dropped(const DiskPath& path);  // nobody holds it
  static bool harmless(
      const DiskPath& path);  // confirmed, or nobody holds it and it is drained
  static bool confirmed(const DiskPath& path);  // nothing of it lands any more
  // The node stands still: what it has not sent yet leaves its queue then.
  void hold_path(const std::shared_ptr<DiskPath>& path, TimeNs until_ns);
  // The connection is gone, and cannot be made anew for so long; what is in flight ends as at a
  // death, and every request with disconnected.
  void lose_path(const std::shared_ptr<DiskPath>& path, TimeNs lasts_ns = kForever);
  // All of them: the array's server is started anew.
  void lose_all_paths(TimeNs lasts_ns);
  // A new connection of the path. Done when nothing of the old one lands any more. Errors:
  // disconnected (not yet), fenced.
  void reconnect(const std::shared_ptr<DiskPath>& path, const Done& done);
  static bool lost(const DiskPath& path);

  // Requires: every path is dropped.
  void power_cut(CutMode mode);

  // What a reader sees now; what a power cut that keeps nothing leaves.
  const Image& image() const { return current_; }
  const Image& durable_image() const { return durable_; }
  DiskErrors& errors() { return errors_; }
  // How often requests of this path failed.
  const DiskErrors::Counts& errors_of(const DiskPath& path) const;
  // Told when a write that asked for it has become durable, before its writer is.
  void set_on_durable(std::function<void(BlockNo first)> callback) {
    on_durable_ = std::move(callback);
  }
  // Told when a fence is complete, before who asked for it is.
  void set_on_fenced(std::function<void()> callback) { on_fenced_ = std::move(callback); }
  // Told what a node is told of a request that failed.
  void set_on_failed(std::function<void(unsigned node, Errc error)> callback) {
    on_failed_ = std::move(callback);
  }
  // Blocks that a power cut could undo.
  std::size_t volatile_blocks() const { return versions_.size(); }
  std::uint64_t requests() const { return requests_; }
  std::uint64_t late_writes() const { return late_writes_; }
  std::uint64_t refused() const { return refused_; }  // requests of fenced paths

 private:
  // A version of a block that a power cut may keep.
  struct Version {
    std::shared_ptr<Write> write;
    BlockRef bytes;
  };

  struct Times {
    TimeNs starts_ns = 0;
    TimeNs ends_ns = 0;
  };
  Times draw_times(DiskPath& path);
  // What is wrong with the way of a request that ends now; nullopt: nothing.
  static std::optional<Errc> broken(const DiskPath& path, std::uint64_t connection);
  void admit(const std::shared_ptr<DiskPath>& path, const Done& done);
  void submit(const std::shared_ptr<Write>& write);
  void arrive(const std::shared_ptr<Write>& write);
  void end(const std::shared_ptr<Write>& write, std::uint64_t submission);
  void end_failed(const std::shared_ptr<Write>& write);
  void observe_end(const Write& write, bool well) const;
  // Each piece in flight lands in time, late by up to `late_ns`, or never.
  void leave_to_chance(const std::shared_ptr<Write>& write, TimeNs late_ns);
  void settle_fence(const std::shared_ptr<DiskPath>& path);
  void cut_into_pieces(Write& write, std::uint64_t count, Times times);
  void land(const std::shared_ptr<Write>& write, std::size_t piece, std::uint64_t generation);
  void complete(const std::shared_ptr<Write>& write);
  // Draws that it fails, and which of its pieces land all the same.
  bool draw_failure(Write& write);
  void finish_if_dead(const std::shared_ptr<Write>& write);
  // Makes durable the newest version of the block that `covers` says yes to, and drops the
  // older.
  template <class Covers>
  void settle(std::uint64_t block, const Covers& covers);
  BlockRef choose(const std::vector<BlockRef>& candidates, CutMode mode);

  EventQueue& events_;
  Trace& trace_;
  OracleBoard& board_;
  SimRandom random_;
  DiskOptions options_;
  DiskErrors errors_;
  Image current_;
  Image durable_;
  std::map<std::uint64_t, std::vector<Version>> versions_;  // not durable, in landing order
  std::vector<std::shared_ptr<DiskPath>> paths_;            // those with something in flight
  std::function<void(BlockNo first)> on_durable_;
  std::function<void()> on_fenced_;
  std::function<void(unsigned, Errc)> on_failed_;
  std::uint64_t completions_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t late_writes_ = 0;
  std::uint64_t refused_ = 0;
};

// One incarnation's device.
class SimDevice final : public DeviceLink {
 public:
  SimDevice(SharedDisk& disk, std::shared_ptr<DiskPath> path, Scheduler& scheduler)
      : disk_(disk), path_(std::move(path)), scheduler_(scheduler) {}

  std::uint64_t block_count() const override { return disk_.options().block_count; }
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override;
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override;
  Task<Result<void>> flush() override;
  Task<Result<void>> reconnect() override;

 private:
  void tell_failure(const Error& error) const;

  SharedDisk& disk_;
  std::shared_ptr<DiskPath> path_;
  Scheduler& scheduler_;
};

// An image as a device, without time or faults: for offline checks.
class ImageDevice final : public BlockDevice {
 public:
  explicit ImageDevice(Image image) : image_(std::move(image)) {}
  std::uint64_t block_count() const override { return image_.block_count(); }
  Task<Result<void>> read(BlockNo first, std::span<std::byte> out) override;
  Task<Result<void>> write(BlockNo first, std::span<const std::byte> data,
                           Durability durability) override;
  Task<Result<void>> flush() override;
  const Image& image() const { return image_; }

 private:
  Image image_;
};

}  // namespace scoutfs::sim
