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
  std::uint64_t completion = 0;  // order of completions; 0: not complete
};

struct DiskPath {
  unsigned node = 0;
  TimeNs free_ns = 0;  // when it can take the next request
  bool dropped = false;
  bool confirmed = false;
  std::vector<std::shared_ptr<SharedDisk::Write>> in_flight;
};

SharedDisk::SharedDisk(EventQueue& events, Trace& trace, OracleBoard& board, SimRandom random,
                       DiskOptions options)
    : events_(events),
      trace_(trace),
      board_(board),
      random_(random),
      options_(options),
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
  ++requests_;
  const TimeNs starts = std::max(events_.now_ns(), path.free_ns) + options_.service_ns;
  path.free_ns = starts;
  const bool slow = random_.chance(options_.slow_per_1000, 1000);
  const TimeNs latency_max = slow ? options_.slow_ns : options_.latency_max_ns;
  return {.starts_ns = starts,
          .ends_ns = starts + random_.between(options_.latency_min_ns, latency_max)};
}

void SharedDisk::read(const std::shared_ptr<DiskPath>& path, BlockNo first, std::uint64_t count,
                      const ReadDone& done) {
  SCOUTFS_ASSERT(first.value + count <= options_.block_count);
  const Times times = draw_times(*path);
  const bool fails = random_.chance(options_.read_errors, 1'000'000);
  events_.at(times.ends_ns, [this, path, first, count, done, fails] {
    if (path->dropped) return;
    trace_.event(events_.now_ns(), path->node, EventKind::disk_read, first.value);
    if (fails) return done.set(fail(Errc::io_error));
    Blocks blocks;
    blocks.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) blocks.push_back(current_.block(first.value + i));
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
                            .generation = 0,
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
  const Times times = draw_times(*path);
  trace_.event(events_.now_ns(), path->node, EventKind::disk_write,
               checksum64(as_text(data), first.value));
  trace_.line(events_.now_ns(), path->node, "writes {} blocks at {}{}", count, first.value,
              durability == Durability::on_completion ? ", durably" : "");
  if (random_.chance(options_.write_errors, 1'000'000)) {
    events_.at(times.ends_ns, [done] { done.set(fail(Errc::io_error)); });
    return;
  }
  auto write = std::make_shared<Write>();
  write->path = path;
  write->first = first.value;
  write->durability = durability;
  write->blocks.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    write->blocks.push_back(make_block(data.subspan(i * kBlockSize, kBlockSize)));
  }
  cut_into_pieces(*write, count, times);
  path->in_flight.push_back(write);
  for (std::size_t i = 0; i < write->pieces.size(); ++i) {
    events_.at(write->pieces[i].lands_ns, [this, write, i] { land(write, i, 0); });
  }
  events_.at(times.ends_ns, [this, write, done] {
    if (write->path->dropped) return;
    complete(write);
    done.set(Result<void>{});
  });
}

void SharedDisk::land(const std::shared_ptr<Write>& write, std::size_t number,
                      std::uint64_t generation) {
  Write::Piece& piece = write->pieces[number];
  if (piece.state != Write::State::in_flight || piece.generation != generation) return;
  if (write->path->confirmed) {
    board_.fail("fence", "a write landed after its incarnation was confirmed dead");
  }
  piece.state = Write::State::landed;
  for (std::uint64_t i = piece.first; i < piece.first + piece.count; ++i) {
    current_.set(write->first + i, write->blocks[i]);
    versions_[write->first + i].push_back({write, write->blocks[i]});
  }
  trace_.event(events_.now_ns(), write->path->node, EventKind::disk_land,
               mix(write->first + piece.first, piece.count));
  if (write->path->dropped) finish_if_dead(write);
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
  const bool fails = random_.chance(options_.write_errors, 1'000'000);
  events_.at(times.ends_ns, [this, path, covered, done, fails] {
    if (path->dropped) return;
    trace_.event(events_.now_ns(), path->node, EventKind::disk_flush, covered);
    trace_.line(events_.now_ns(), path->node, "flushed");
    if (fails) return done.set(fail(Errc::io_error));
    std::vector<std::uint64_t> blocks;
    blocks.reserve(versions_.size());
    for (const auto& [block, versions] : versions_) blocks.push_back(block);
    for (const std::uint64_t block : blocks) {
      settle(block, [covered](const Write& write) {
        return write.completion != 0 && write.completion <= covered;
      });
    }
    done.set(Result<void>{});
  });
}

void SharedDisk::drop_path(const std::shared_ptr<DiskPath>& path) {
  SCOUTFS_ASSERT(!path->dropped);
  path->dropped = true;
  const std::vector<std::shared_ptr<Write>> in_flight = path->in_flight;
  for (const std::shared_ptr<Write>& write : in_flight) {
    for (std::size_t i = 0; i < write->pieces.size(); ++i) {
      Write::Piece& piece = write->pieces[i];
      if (piece.state != Write::State::in_flight) continue;
      const std::uint64_t fate = random_.below(3);
      if (fate == 0) piece.state = Write::State::dropped;
      if (fate == 1) {
        ++late_writes_;
        const std::uint64_t generation = ++piece.generation;
        piece.lands_ns += random_.below(options_.late_write_ns);
        events_.at(piece.lands_ns,
                   [this, write, i, generation] { land(write, i, generation); });
      }
    }
    finish_if_dead(write);
  }
}

void SharedDisk::finish_if_dead(const std::shared_ptr<Write>& write) {
  bool whole = true;
  for (const Write::Piece& piece : write->pieces) {
    if (piece.state == Write::State::in_flight) return;
    if (piece.state == Write::State::dropped) whole = false;
  }
  if (whole) {
    complete(write);
  } else {
    std::erase(write->path->in_flight, write);
  }
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

Task<Result<void>> SimDevice::read(BlockNo first, std::span<std::byte> out) {
  SCOUTFS_ASSERT(out.size() % kBlockSize == 0);
  const SharedDisk::ReadDone done(scheduler_);
  disk_.read(path_, first, out.size() / kBlockSize, done);
  Result<SharedDisk::Blocks> blocks = co_await done.wait();
  if (!blocks.has_value()) co_return std::unexpected(blocks.error());
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    copy_block((*blocks)[i], out.data() + i * kBlockSize);
  }
  co_return Result<void>{};
}

Task<Result<void>> SimDevice::write(BlockNo first, std::span<const std::byte> data,
                                    Durability durability) {
  const SharedDisk::Done done(scheduler_);
  disk_.write(path_, first, data, durability, done);
  co_return co_await done.wait();
}

Task<Result<void>> SimDevice::flush() {
  const SharedDisk::Done done(scheduler_);
  disk_.flush(path_, done);
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
