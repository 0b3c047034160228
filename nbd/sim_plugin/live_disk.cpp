#include "nbd/sim_plugin/live_disk.hpp"

#include <chrono>

namespace scoutfs::sim {

namespace {

using Nanoseconds = std::chrono::nanoseconds;
using HostClock = std::chrono::steady_clock;

TimeNs host_now_ns() {
  const auto since =
      std::chrono::duration_cast<Nanoseconds>(HostClock::now().time_since_epoch());
  return static_cast<TimeNs>(since.count());
}

}  // namespace

LiveDisk::LiveDisk(Options options)
    : disk_(events_, trace_, board_, SimRandom(options.seed, Stream::disk), options.disk),
      begin_ns_(host_now_ns()),
      driver_([this](const std::stop_token& stop) { drive(stop); }) {}

LiveDisk::~LiveDisk() {
  driver_.request_stop();
  driver_.join();
  SCOUTFS_ASSERT(paths_.empty());
  // What was in flight when its client went has no one to tell.
  events_.clear();
}

void LiveDisk::catch_up() {
  const TimeNs now_ns = host_now_ns() - begin_ns_;
  while (events_.next_ns() <= now_ns) events_.run_next();
  if (events_.now_ns() < now_ns) events_.advance(now_ns);
  scheduler_.run();
}

void LiveDisk::drive(const std::stop_token& stop) {
  Lock lock(mutex_);
  while (!stop.stop_requested()) {
    catch_up();
    answered_.notify_all();
    const TimeNs next_ns = events_.next_ns();
    const auto earlier = [this, next_ns] { return events_.next_ns() < next_ns; };
    if (next_ns == kForever) {
      submitted_.wait(lock, stop, earlier);
    } else {
      const HostClock::time_point due{Nanoseconds(begin_ns_ + next_ns)};
      submitted_.wait_until(lock, stop, due, earlier);
    }
  }
}

template <class T>
Task<void> LiveDisk::take(OneShot<Result<T>> done, std::optional<Result<T>>* out) {
  Result<T> result = co_await done.wait();
  out->emplace(std::move(result));
}

template <class T>
Result<T> LiveDisk::answer(Lock& lock, const DiskPath& path, OneShot<Result<T>> done) {
  std::optional<Result<T>> out;
  answers_.spawn(take<T>(done, &out));
  submitted_.notify_all();
  while (!out.has_value()) {
    // Of a path that was dropped nobody is told anything.
    if (SharedDisk::dropped(path)) done.set(fail(Errc::disconnected));
    scheduler_.run();
    if (!out.has_value()) answered_.wait(lock);
  }
  return *std::move(out);
}

Result<std::unique_ptr<LiveDisk::Client>> LiveDisk::connect() {
  const Lock lock(mutex_);
  if (!on_) return fail(Errc::disconnected);
  catch_up();
  paths_.push_back(disk_.open_path(next_client_++));
  return std::make_unique<Client>(*this, paths_.back());
}

LiveDisk::Client::~Client() {
  const Lock lock(disk_.mutex_);
  disk_.catch_up();
  disk_.disk_.close_path(path_);
  std::erase(disk_.paths_, path_);
  disk_.submitted_.notify_all();
}

Result<void> LiveDisk::Client::read(BlockNo first, std::span<std::byte> out) {
  Lock lock(disk_.mutex_);
  if (SharedDisk::dropped(*path_)) return fail(Errc::disconnected);
  disk_.catch_up();
  const SharedDisk::ReadDone done(disk_.scheduler_);
  disk_.disk_.read(path_, first, out.size() / kBlockSize, done);
  SCOUTFS_TRY(const SharedDisk::Blocks blocks,
              disk_.answer<SharedDisk::Blocks>(lock, *path_, done));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    copy_block(blocks[i], out.data() + i * kBlockSize);
  }
  return {};
}

Result<void> LiveDisk::Client::write(BlockNo first, std::span<const std::byte> data,
                                     Durability durability) {
  Lock lock(disk_.mutex_);
  if (SharedDisk::dropped(*path_)) return fail(Errc::disconnected);
  disk_.catch_up();
  const SharedDisk::Done done(disk_.scheduler_);
  disk_.disk_.write(path_, first, data, durability, done);
  return disk_.answer<void>(lock, *path_, done);
}

Result<void> LiveDisk::Client::flush() {
  Lock lock(disk_.mutex_);
  if (SharedDisk::dropped(*path_)) return fail(Errc::disconnected);
  disk_.catch_up();
  const SharedDisk::Done done(disk_.scheduler_);
  disk_.disk_.flush(path_, done);
  return disk_.answer<void>(lock, *path_, done);
}

void LiveDisk::drop_paths() {
  for (const std::shared_ptr<DiskPath>& path : paths_) disk_.close_path(path);
  answered_.notify_all();
  submitted_.notify_all();
}

bool LiveDisk::power_cut(CutMode mode) {
  const Lock lock(mutex_);
  if (!on_) return false;
  catch_up();
  on_ = false;
  ++cuts_;
  drop_paths();
  disk_.power_cut(mode);
  return true;
}

void LiveDisk::power_on() {
  const Lock lock(mutex_);
  on_ = true;
}

void LiveDisk::disconnect() {
  const Lock lock(mutex_);
  catch_up();
  drop_paths();
}

LiveDisk::Status LiveDisk::status() {
  const Lock lock(mutex_);
  return {.on = on_,
          .clients = paths_.size(),
          .requests = disk_.requests(),
          .volatile_blocks = disk_.volatile_blocks(),
          .cuts = cuts_};
}

}  // namespace scoutfs::sim
