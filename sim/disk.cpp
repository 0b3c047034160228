#include "sim/disk.hpp"

#include <algorithm>
#include <utility>

#include "engine/base/codec.hpp"

namespace scoutfs::sim {

struct SharedDisk::Write {
  enum class State : std::uint8_t { in_flight, landed, dropped };
  struct Piece {
    std::uint64_t first = 0;  // index into `blocks`
    std::uint64_t count = 0;
    TimeNs lands_ns = 0;
    std::uint64_t generation = 0;  // an event of an older one is void
    State state = State::in_flight;
  };
  std::shared_ptr<DiskPath> path;
  std::uint64_t first = 0;  // device block
  Blocks blocks;
  Durability durability = Durability::after_flush;
  std::vector<Piece> pieces;
  std::uint64_t connection = 0;  // it is sent on
  std::uint64_t completion = 0;  // order of completions; 0: not complete
  std::uint64_t submission = 0;  // an event of an earlier one is void
  bool at_host = false;          // in the queue of a node that stands still
  std::optional<Done> done;
  std::uint64_t number = 0;  // for an observer
  bool failed = false;       // its sender will be told so
  bool in_doubt = false;     // no flush covers it any more
};

struct DiskPath {
  unsigned node = 0;
  TimeNs free_ns = 0;  // when it can take the next request
  bool dropped = false;
  bool lost = false;             // without a connection
  std::uint64_t connection = 0;  // those that were lost so far
  TimeNs lost_until_ns = 0;
  bool fenced = false;
  bool confirmed = false;
  bool settling = false;                  // drained; the fence is being remembered
  std::vector<SharedDisk::Done> fencing;  // who waits for the fence
  DiskErrors::Counts errors;
  std::vector<std::shared_ptr<SharedDisk::Write>> in_flight;
};

SharedDisk::SharedDisk(EventQueue& events, Trace& trace, OracleBoard& board, SimRandom random,
                       DiskOptions options)
    : events_(events),
      trace_(trace),
      board_(board),
      random_(random),
      options_(options),
      errors_(SimRandom(random.next(), Stream::disk_errors), options.errors),
      current_(options.block_count),
      durable_(options.block_count) {}

SharedDisk::~SharedDisk() {
  // A write and its path refer to each other.
  for (const std::shared_ptr<DiskPath>& path : paths_) path->in_flight.clear();
}

void SharedDisk::load(const Image& image) {
  SCOUTFS_ASSERT(image.block_count() == options_.block_count);
  SCOUTFS_ASSERT(completions_ == 0);
  current_ = image;
  durable_ = image;
}

std::shared_ptr<DiskPath> SharedDisk::open_path(unsigned node) {
  auto path = std::make_shared<DiskPath>();
  path->node = node;
  paths_.push_back(path);
  return path;
}

SharedDisk::Times SharedDisk::draw_times(DiskPath& path) {
  SCOUTFS_ASSERT(!path.dropped);
  const bool calm = requests_++ >= options_.calm_from;
  const TimeNs starts = std::max(events_.now_ns(), path.free_ns) + options_.service_ns;
  path.free_ns = starts;
  const bool slow = random_.chance(options_.slow_per_1000, 1000);
  const TimeNs latency_max = slow ? options_.slow_ns : options_.latency_max_ns;
  const TimeNs latency = random_.between(options_.latency_min_ns, latency_max);
  return {.starts_ns = starts, .ends_ns = starts + (calm ? options_.latency_min_ns : latency)};
}

void SharedDisk::read(const std::shared_ptr<DiskPath>& path, BlockNo first, std::uint64_t count,
                      const ReadDone& done) {
  SCOUTFS_ASSERT(first.value + count <= options_.block_count);
  const Times times = draw_times(*path);
  const bool fails = errors_.read_fails(path->node, {first, count});
  events_.at(times.ends_ns,
             [this, path, sent_on = path->connection, first, count, done, fails] {
               if (path->dropped) return;
               trace_.event(events_.now_ns(), path->node, EventKind::disk_read, first.value);
               const std::optional<Errc> wrong = broken(*path, sent_on);
               if (wrong == Errc::fenced) ++refused_;
               if (wrong.has_value()) return done.set(fail(*wrong));
               if (fails) {
                 ++path->errors.reads;
                 trace_.line(events_.now_ns(), path->node, "reading {} blocks at {} fails",
                             count, first.value);
                 return done.set(fail(Errc::io_error));
               }
               Blocks blocks;
               blocks.reserve(count);
               for (std::uint64_t i = 0; i < count; ++i)
                 blocks.push_back(current_.block(first.value + i));
               done.set(std::move(blocks));
             });
}

void SharedDisk::cut_into_pieces(Write& write, std::uint64_t count, Times times) {
  std::uint64_t at = 0;
  while (at < count) {
    const bool whole = random_.chance(1, 2) || write.pieces.size() == 3;
    const std::uint64_t size = whole ? count - at : random_.between(1, count - at);
    write.pieces.push_back({.first = at,
                            .count = size,
                            .lands_ns = random_.between(times.starts_ns, times.ends_ns),
                            .generation = write.submission << 32,
                            .state = Write::State::in_flight});
    at += size;
  }
}

void SharedDisk::write(const std::shared_ptr<DiskPath>& path, BlockNo first,
                       std::span<const std::byte> data, Durability durability,
                       const Done& done) {
  const std::uint64_t count = data.size() / kBlockSize;
  SCOUTFS_ASSERT(data.size() % kBlockSize == 0);
  SCOUTFS_ASSERT(first.value + count <= options_.block_count);
  trace_.event(events_.now_ns(), path->node, EventKind::disk_write,
               checksum64(as_text(data), first.value));
  trace_.line(events_.now_ns(), path->node, "writes {} blocks at {}{}", count, first.value,
              durability == Durability::on_completion ? ", durably" : "");
  auto write = std::make_shared<Write>();
  write->path = path;
  write->connection = path->connection;
  write->first = first.value;
  write->durability = durability;
  write->blocks.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    write->blocks.push_back(make_block(data.subspan(i * kBlockSize, kBlockSize)));
  }
  write->done = done;
  write->number = requests_;
  if (Observer* observer = trace_.observer()) {
    observer->write_begun(events_.now_ns(),
                          {.number = write->number,
                           .node = path->node,
                           .first = first,
                           .blocks = count,
                           .durable = durability == Durability::on_completion});
  }
  submit(write);
}

std::optional<Errc> SharedDisk::broken(const DiskPath& path, std::uint64_t connection) {
  if (path.fenced) return Errc::fenced;
  if (path.lost || connection != path.connection) return Errc::disconnected;
  return std::nullopt;
}

// The write reaches the array now.
void SharedDisk::submit(const std::shared_ptr<Write>& write) {
  DiskPath& path = *write->path;
  const Times times = draw_times(path);
  const std::optional<Errc> wrong = broken(path, write->connection);
  if (wrong == Errc::fenced) ++refused_;
  if (wrong.has_value()) {
    events_.at(times.ends_ns, [this, write, wrong] {
      observe_end(*write, false);
      write->done->set(fail(*wrong));
    });
    return;
  }
  const std::uint64_t submission = ++write->submission;
  cut_into_pieces(*write, write->blocks.size(), times);
  write->failed = draw_failure(*write);
  path.in_flight.push_back(write);
  for (std::size_t i = 0; i < write->pieces.size(); ++i) {
    const std::uint64_t generation = write->pieces[i].generation;
    events_.at(write->pieces[i].lands_ns,
               [this, write, i, generation] { land(write, i, generation); });
  }
  events_.at(times.ends_ns, [this, write, submission] { end(write, submission); });
}

void SharedDisk::end(const std::shared_ptr<Write>& write, std::uint64_t submission) {
  const DiskPath& path = *write->path;
  if (path.dropped || write->connection != path.connection) return;
  if (write->submission != submission) return;
  observe_end(*write, !write->failed && !path.fenced);
  if (write->failed) return end_failed(write);
  complete(write);
  // A fence waited for it; who sent it is told of the fence all the same.
  if (path.fenced) return write->done->set(fail(Errc::fenced));
  write->done->set(Result<void>{});
}

void SharedDisk::observe_end(const Write& write, bool well) const {
  if (Observer* observer = trace_.observer())
    observer->write_ended(events_.now_ns(), write.number, well);
}

void SharedDisk::end_failed(const std::shared_ptr<Write>& write) {
  DiskPath& path = *write->path;
  ++path.errors.writes;
  trace_.line(events_.now_ns(), path.node, "writing {} blocks at {} fails",
              write->blocks.size(), write->first);
  std::erase(path.in_flight, write);
  settle_fence(write->path);
  write->done->set(fail(path.fenced ? Errc::fenced : Errc::io_error));
}

bool SharedDisk::draw_failure(Write& write) {
  if (!errors_.write_fails(write.path->node, {BlockNo{write.first}, write.blocks.size()})) {
    return false;
  }
  for (Write::Piece& piece : write.pieces) {
    if (random_.chance(1, 2)) piece.state = Write::State::dropped;
  }
  return true;
}

const DiskErrors::Counts& SharedDisk::errors_of(const DiskPath& path) const {
  return path.errors;
}

void SharedDisk::land(const std::shared_ptr<Write>& write, std::size_t number,
                      std::uint64_t generation) {
  Write::Piece& piece = write->pieces[number];
  if (piece.state != Write::State::in_flight || piece.generation != generation) return;
  if (write->path->confirmed) {
    board_.fail("fence", "a write landed after its incarnation was fenced or confirmed dead");
  }
  const bool orphaned = write->path->dropped || write->connection != write->path->connection;
  if (orphaned && !write->path->dropped && !write->path->lost) {
    board_.fail("fence", "a write of a lost connection landed after a new one was admitted");
  }
  piece.state = Write::State::landed;
  if (orphaned && trace_.observer() != nullptr)
    trace_.observer()->write_landed_late(events_.now_ns(), write->number);
  for (std::uint64_t i = piece.first; i < piece.first + piece.count; ++i) {
    current_.set(write->first + i, write->blocks[i]);
    versions_[write->first + i].push_back({write, write->blocks[i]});
  }
  trace_.event(events_.now_ns(), write->path->node, EventKind::disk_land,
               mix(write->first + piece.first, piece.count));
  if (orphaned) finish_if_dead(write);
}

template <class Covers>
void SharedDisk::settle(std::uint64_t block, const Covers& covers) {
  const auto found = versions_.find(block);
  if (found == versions_.end()) return;
  std::vector<Version>& versions = found->second;
  for (std::size_t i = versions.size(); i-- > 0;) {
    if (!covers(*versions[i].write)) continue;
    durable_.set(block, versions[i].bytes);
    versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    break;
  }
  if (versions.empty()) versions_.erase(found);
}

void SharedDisk::complete(const std::shared_ptr<Write>& write) {
  write->completion = ++completions_;
  std::erase(write->path->in_flight, write);
  settle_fence(write->path);
  if (write->durability != Durability::on_completion) return;
  for (std::uint64_t i = 0; i < write->blocks.size(); ++i) {
    settle(write->first + i, [&write](const Write& other) { return &other == write.get(); });
  }
  if (on_durable_) on_durable_(BlockNo{write->first});
}

void SharedDisk::flush(const std::shared_ptr<DiskPath>& path, const Done& done) {
  const Times times = draw_times(*path);
  // It covers what had completed when it began.
  const std::uint64_t covered = completions_;
  const bool fails = errors_.flush_fails(path->node);
  events_.at(times.ends_ns, [this, path, sent_on = path->connection, covered, done, fails] {
    if (path->dropped) return;
    trace_.event(events_.now_ns(), path->node, EventKind::disk_flush, covered);
    const std::optional<Errc> wrong = broken(*path, sent_on);
    if (wrong == Errc::fenced) ++refused_;
    if (wrong.has_value()) return done.set(fail(*wrong));
    const auto covers = [covered](const Write& write) {
      return write.completion != 0 && write.completion <= covered && !write.in_doubt;
    };
    if (fails) {
      ++path->errors.flushes;
      trace_.line(events_.now_ns(), path->node, "the flush fails");
      for (auto& [block, versions] : versions_) {
        for (Version& version : versions) {
          if (version.write->path == path && covers(*version.write))
            version.write->in_doubt = true;
        }
      }
      return done.set(fail(Errc::io_error));
    }
    std::vector<std::uint64_t> blocks;
    blocks.reserve(versions_.size());
    for (const auto& [block, versions] : versions_) blocks.push_back(block);
    for (const std::uint64_t block : blocks) settle(block, covers);
    trace_.line(events_.now_ns(), path->node, "flushed");
    done.set(Result<void>{});
  });
}

void SharedDisk::leave_to_chance(const std::shared_ptr<Write>& write, TimeNs late_ns) {
  for (std::size_t i = 0; i < write->pieces.size(); ++i) {
    Write::Piece& piece = write->pieces[i];
    if (piece.state != Write::State::in_flight) continue;
    const std::uint64_t fate = random_.below(3);
    if (fate == 0) piece.state = Write::State::dropped;
    if (fate == 1) {
      ++late_writes_;
      const std::uint64_t generation = ++piece.generation;
      piece.lands_ns = std::max(piece.lands_ns, events_.now_ns()) + random_.below(late_ns);
      events_.at(piece.lands_ns, [this, write, i, generation] { land(write, i, generation); });
    }
  }
  finish_if_dead(write);
}

void SharedDisk::drop_path(const std::shared_ptr<DiskPath>& path) {
  SCOUTFS_ASSERT(!path->dropped);
  path->dropped = true;
  // What had not left its queue never will.
  std::erase_if(path->in_flight, [](const auto& write) { return write->at_host; });
  const std::vector<std::shared_ptr<Write>> in_flight = path->in_flight;
  // What a lost path carried was left to chance before.
  if (path->lost) return;
  for (const std::shared_ptr<Write>& write : in_flight) {
    leave_to_chance(write, options_.late_write_ns);
  }
}

void SharedDisk::lose_path(const std::shared_ptr<DiskPath>& path, TimeNs lasts_ns) {
  SCOUTFS_ASSERT(!path->dropped);
  const TimeNs until_ns = lasts_ns == kForever ? kForever : events_.now_ns() + lasts_ns;
  path->lost_until_ns = std::max(path->lost_until_ns, until_ns);
  if (path->lost) return;
  path->lost = true;
  ++path->connection;
  trace_.line(events_.now_ns(), path->node, "loses its connection to the disk");
  const std::vector<std::shared_ptr<Write>> in_flight = path->in_flight;
  std::erase_if(path->in_flight, [](const auto& write) { return write->at_host; });
  for (const std::shared_ptr<Write>& write : in_flight) {
    if (write->at_host) continue;  // it is told when it leaves its queue
    leave_to_chance(write, options_.late_write_ns);
    events_.after(random_.below(options_.slow_ns), [write] {
      write->done->set(fail(*broken(*write->path, write->connection)));
    });
  }
}

void SharedDisk::lose_all_paths(TimeNs lasts_ns) {
  const std::vector<std::shared_ptr<DiskPath>> paths = paths_;
  for (const std::shared_ptr<DiskPath>& path : paths) {
    if (!path->dropped) lose_path(path, lasts_ns);
  }
}

void SharedDisk::reconnect(const std::shared_ptr<DiskPath>& path, const Done& done) {
  events_.after(options_.latency_max_ns, [this, path, done] { admit(path, done); });
}

void SharedDisk::admit(const std::shared_ptr<DiskPath>& path, const Done& done) {
  if (path->dropped) return;
  if (path->fenced) return done.set(fail(Errc::fenced));
  if (events_.now_ns() < path->lost_until_ns) return done.set(fail(Errc::disconnected));
  // Whoever reconnects has given the old connection up, lost or not.
  if (!path->lost) lose_path(path, 0);
  if (!path->in_flight.empty()) {
    events_.after(kMillisecond, [this, path, done] { admit(path, done); });
    return;
  }
  path->lost = false;
  board_.ran("fence");
  trace_.line(events_.now_ns(), path->node, "has a new connection to the disk");
  done.set(Result<void>{});
}

bool SharedDisk::lost(const DiskPath& path) {
  return path.lost;
}

void SharedDisk::hold_path(const std::shared_ptr<DiskPath>& path, TimeNs until_ns) {
  for (const std::shared_ptr<Write>& write : path->in_flight) {
    const bool begun = std::ranges::any_of(write->pieces, [](const Write::Piece& piece) {
      return piece.state != Write::State::in_flight;
    });
    if (begun || write->at_host || path->lost || random_.chance(1, 2)) continue;
    write->at_host = true;
    ++write->submission;
    for (Write::Piece& piece : write->pieces) piece.state = Write::State::dropped;
    events_.at(until_ns, [this, write] { arrive(write); });
  }
}

void SharedDisk::arrive(const std::shared_ptr<Write>& write) {
  if (write->path->dropped) return;
  trace_.line(events_.now_ns(), write->path->node, "sends what it had not: blocks at {}",
              write->first);
  std::erase(write->path->in_flight, write);
  write->at_host = false;
  write->pieces.clear();
  submit(write);
}

void SharedDisk::finish_if_dead(const std::shared_ptr<Write>& write) {
  bool whole = true;
  for (const Write::Piece& piece : write->pieces) {
    if (piece.state == Write::State::in_flight) return;
    if (piece.state == Write::State::dropped) whole = false;
  }
  if (whole) return complete(write);
  std::erase(write->path->in_flight, write);
  settle_fence(write->path);
}

bool SharedDisk::drained(const DiskPath& path) const {
  SCOUTFS_ASSERT(path.dropped);
  return path.in_flight.empty();
}

void SharedDisk::confirm_dead(DiskPath& path) {
  SCOUTFS_ASSERT(drained(path));
  path.confirmed = true;
  board_.ran("fence");
  std::erase_if(
      paths_, [&path](const std::shared_ptr<DiskPath>& other) { return other.get() == &path; });
}

// ---- Fencing ----

bool SharedDisk::fenced(const DiskPath& path) {
  return path.fenced;
}

void SharedDisk::distrust(DiskPath& path) {
  path.confirmed = true;
}

bool SharedDisk::dropped(const DiskPath& path) {
  return path.dropped;
}

bool SharedDisk::harmless(const DiskPath& path) {
  return path.confirmed || (path.dropped && path.in_flight.empty());
}

bool SharedDisk::confirmed(const DiskPath& path) {
  return path.confirmed;
}

void SharedDisk::fence(const std::shared_ptr<DiskPath>& path, const Done& done) {
  path->fencing.push_back(done);
  if (!path->fenced) {
    path->fenced = true;
    trace_.line(events_.now_ns(), path->node, "is being fenced at the storage");
    // What a node that stands still has in its own queue has not arrived and will be refused.
    std::erase_if(path->in_flight, [](const auto& write) { return write->at_host; });
    // What comes late from a dead node or a lost path is finished or dropped now.
    const std::vector<std::shared_ptr<Write>> in_flight = path->in_flight;
    for (const std::shared_ptr<Write>& write : in_flight) {
      if (path->dropped || write->connection != path->connection) {
        leave_to_chance(write, options_.slow_ns);
      }
    }
  }
  settle_fence(path);
}

void SharedDisk::settle_fence(const std::shared_ptr<DiskPath>& path) {
  if (path->fencing.empty() || path->settling || !path->in_flight.empty()) return;
  path->settling = true;
  const TimeNs remembered = random_.between(options_.latency_min_ns, options_.latency_max_ns);
  events_.after(remembered, [this, path] {
    path->settling = false;
    path->confirmed = true;
    board_.ran("fence");
    trace_.event(events_.now_ns(), path->node, EventKind::disk_fence, path->node);
    trace_.line(events_.now_ns(), path->node, "is fenced at the storage");
    if (on_fenced_) on_fenced_();
    const std::vector<Done> waiting = std::exchange(path->fencing, {});
    for (const Done& done : waiting) done.set(Result<void>{});
  });
}

BlockRef SharedDisk::choose(const std::vector<BlockRef>& candidates, CutMode mode) {
  switch (mode) {
    case CutMode::keeps_all:
      return candidates.back();
    case CutMode::keeps_none:
      return candidates.front();
    case CutMode::any_blocks:
      return random_.pick(candidates);
    case CutMode::any_sectors:
      break;
  }
  auto mixed = std::make_shared<BlockBytes>();
  for (std::size_t at = 0; at < kBlockSize; at += kSectorSize) {
    const BlockRef& from = random_.pick(candidates);
    if (from == nullptr) {
      std::memset(mixed->data() + at, 0, kSectorSize);
    } else {
      std::memcpy(mixed->data() + at, from->data() + at, kSectorSize);
    }
  }
  return mixed;
}

void SharedDisk::power_cut(CutMode mode) {
  // Each block's candidates: durable, then those that landed, then those that had not yet.
  std::map<std::uint64_t, std::vector<BlockRef>> candidates;
  const auto candidates_of = [this, &candidates](std::uint64_t block) -> auto& {
    std::vector<BlockRef>& list = candidates[block];
    if (list.empty()) list.push_back(durable_.block(block));
    return list;
  };
  for (const auto& [block, versions] : versions_) {
    for (const Version& version : versions) candidates_of(block).push_back(version.bytes);
  }
  for (const std::shared_ptr<DiskPath>& path : paths_) {
    SCOUTFS_ASSERT(path->dropped);
    for (const std::shared_ptr<Write>& write : path->in_flight) {
      for (Write::Piece& piece : write->pieces) {
        if (piece.state != Write::State::in_flight) continue;
        piece.state = Write::State::dropped;
        for (std::uint64_t i = piece.first; i < piece.first + piece.count; ++i) {
          candidates_of(write->first + i).push_back(write->blocks[i]);
        }
      }
    }
    path->in_flight.clear();
  }
  std::uint64_t digest = 0;
  for (const auto& [block, list] : candidates) {
    durable_.set(block, choose(list, mode));
    digest = mix(digest, block, list.size());
  }
  versions_.clear();
  current_ = durable_;
  trace_.event(events_.now_ns(), kWorld, EventKind::disk_cut, digest);
  trace_.line(events_.now_ns(), kWorld, "power cut: {} blocks were not durable",
              candidates.size());
}

void SimDevice::tell_failure(const Error& error) const {
  if (disk_.on_failed_) disk_.on_failed_(path_->node, error.code);
}

Task<Result<void>> SimDevice::read(BlockNo first, std::span<std::byte> out) {
  SCOUTFS_ASSERT(out.size() % kBlockSize == 0);
  const SharedDisk::ReadDone done(scheduler_);
  disk_.read(path_, first, out.size() / kBlockSize, done);
  Result<SharedDisk::Blocks> blocks = co_await done.wait();
  if (!blocks.has_value()) {
    tell_failure(blocks.error());
    co_return std::unexpected(blocks.error());
  }
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    copy_block((*blocks)[i], out.data() + i * kBlockSize);
  }
  co_return Result<void>{};
}

Task<Result<void>> SimDevice::write(BlockNo first, std::span<const std::byte> data,
                                    Durability durability) {
  const SharedDisk::Done done(scheduler_);
  disk_.write(path_, first, data, durability, done);
  const Result<void> written = co_await done.wait();
  if (!written.has_value()) tell_failure(written.error());
  co_return written;
}

Task<Result<void>> SimDevice::flush() {
  const SharedDisk::Done done(scheduler_);
  disk_.flush(path_, done);
  const Result<void> flushed = co_await done.wait();
  if (!flushed.has_value()) tell_failure(flushed.error());
  co_return flushed;
}

Task<Result<void>> SimDevice::reconnect() {
  const SharedDisk::Done done(scheduler_);
  disk_.reconnect(path_, done);
  co_return co_await done.wait();
}

Task<Result<void>> ImageDevice::read(BlockNo first, std::span<std::byte> out) {
  for (std::size_t i = 0; i < out.size() / kBlockSize; ++i) {
    copy_block(image_.block(first.value + i), out.data() + i * kBlockSize);
  }
  co_return Result<void>{};
}

Task<Result<void>> ImageDevice::write(BlockNo first, std::span<const std::byte> data,
                                      Durability) {
  for (std::size_t i = 0; i < data.size() / kBlockSize; ++i) {
    image_.set(first.value + i, make_block(data.subspan(i * kBlockSize, kBlockSize)));
  }
  co_return Result<void>{};
}

Task<Result<void>> ImageDevice::flush() {
  co_return Result<void>{};
}

}  // namespace scoutfs::sim
