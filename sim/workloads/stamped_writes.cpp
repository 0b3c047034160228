#include "sim/workloads/stamped_writes.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "sim/plan.hpp"

namespace scoutfs::sim {

namespace {

constexpr std::uint64_t kUnit = 8;  // bytes; each says of which write it is

// stamped_data() adds 31 times its number to each byte of a unit. The lowest byte of these
// stamps is 0, so that the lowest of a unit tells its number, up to multiples of 256; the
// highest never is, so that no unit is zero.
constexpr std::uint64_t kTop = 0xa5;
constexpr std::uint64_t kInverse = 223;  // 31 * 223 = 1 (mod 256)

std::uint64_t make_stamp(std::uint64_t number, const Caller& caller) {
  const std::uint64_t node = caller.node, worker = caller.worker;
  return kTop << 56 | (node & 0xf) << 52 | (worker & 0xf) << 48 | number << 8;
}

struct Unit {
  std::uint64_t number = 0;  // in its write, modulo 256
  std::uint64_t stamp = 0;
};

Unit unit_of(std::string_view bytes) {
  Unit unit;
  unit.number = static_cast<unsigned char>(bytes[0]) * kInverse % 256;
  for (std::size_t i = 0; i < kUnit; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const std::uint64_t plain = (byte + 256 - unit.number * 31 % 256) % 256;
    unit.stamp |= plain << (i * 8);
  }
  return unit;
}

}  // namespace

StampedWrites::StampedWrites(const WorkloadEnv& env) : Workload(env) {
  constexpr unsigned kFiles = 2;
  const std::size_t dir = layout_.add_directory(Layout::kRoot, "stamped-data");
  for (unsigned i = 0; i < kFiles; ++i) {
    files_.push_back(layout_.add_file(dir, fmt::format("data{}", i)));
  }
}

Operation StampedWrites::draw(const Caller& caller, const Handles& handles) {
  static_cast<void>(handles);
  constexpr std::uint64_t kBytesMax = 40'000;  // so that writes meet
  const std::uint64_t units = std::min(plan_.file_bytes, kBytesMax) / kUnit;
  const std::uint64_t what = random_.below(100);
  if (what < 4) return sync_operation();
  Operation op =
      on_inode(what < 40 ? OpKind::read : OpKind::write, layout_.ino(random_.pick(files_)));
  op.offset = kUnit * random_.below(units);
  if (random_.chance(1, 3)) op.offset -= op.offset % kBlockSize;
  if (op.kind == OpKind::read) {
    if (random_.chance(1, 2)) op.offset = 0;
    op.length = kUnit * random_.log_between(1, 2 * units);
    return op;
  }
  const std::uint64_t size_max = std::clamp(plan_.write_bytes / kUnit, std::uint64_t{1}, units);
  op.data =
      stamped_data(kUnit * random_.log_between(1, size_max), make_stamp(++drawn_, caller));
  return op;
}

void StampedWrites::called(const WorkloadCall& call) {
  if (call.op.kind == OpKind::write) writes_[stamp_of(call.op.data)] = {.call = call};
}

void StampedWrites::learn(const WorkloadCall& call, const Outcome& outcome) {
  const Operation& op = call.op;
  if (op.kind == OpKind::write) {
    writes_[stamp_of(op.data)] = {.call = call, .failed = outcome.error.has_value()};
    return;
  }
  if (op.kind != OpKind::read || outcome.error.has_value() || !layout_.kept(fates_)) return;
  check_read({.file = op.ino,
              .offset = op.offset,
              .bytes = outcome.bytes,
              .to_the_end = outcome.bytes.size() < op.length,
              .called_at = call.called_at,
              .who = describe(call.caller)});
}

void StampedWrites::look(const RestTree& tree) {
  for (const std::size_t number : files_) {
    const RestTree::Node* const file = tree.find(layout_.ino(number));
    if (file == nullptr) return fail(fmt::format("node{} does not find a file", tree.reader));
    check_read({.file = layout_.ino(number),
                .bytes = file->content,
                .to_the_end = true,
                .called_at = ~std::uint64_t{0},
                .who = fmt::format("node{}", tree.reader)});
  }
}

void StampedWrites::check_read(const Read& read) {
  board_.ran("workload");
  if (read.bytes.size() % kUnit != 0) {
    return fail(fmt::format("{} reads {} bytes from {}, no multiple of {}", read.who,
                            read.bytes.size(), read.offset, kUnit));
  }
  const std::vector<Piece> pieces = pieces_of(read);
  for (const Piece& piece : pieces) check_fresh(read, piece);
  check_whole(read, pieces);
  if (!read.to_the_end) return;
  // Nothing may be missing at the end.
  const std::uint64_t end = read.offset + read.bytes.size();
  check_fresh(read, {.begin = end, .end = ~std::uint64_t{0}});
}

std::vector<StampedWrites::Piece> StampedWrites::pieces_of(const Read& read) {
  std::vector<Piece> pieces;
  for (std::uint64_t at = 0; at < read.bytes.size(); at += kUnit) {
    const std::uint64_t place = read.offset + at;
    const std::string_view bytes = read.bytes.substr(at, kUnit);
    const Write* write = nullptr;
    if (bytes.find_first_not_of('\0') != std::string_view::npos) {
      const Unit unit = unit_of(bytes);
      const auto found = writes_.find(unit.stamp);
      const bool legal = found != writes_.end() && found->second.call.op.ino == read.file &&
                         found->second.begin() <= place && place < found->second.end() &&
                         (place - found->second.begin()) / kUnit % 256 == unit.number;
      if (!legal) {
        fail(fmt::format("{} reads at {} what nobody has written there (stamp {:x})", read.who,
                         place, unit.stamp));
        return pieces;
      }
      write = &found->second;
    }
    if (!pieces.empty() && pieces.back().write == write) {
      pieces.back().end = place + kUnit;
    } else {
      pieces.push_back({.begin = place, .end = place + kUnit, .write = write});
    }
  }
  return pieces;
}

// No write that was answered before the read began replaces what it reads.
void StampedWrites::check_fresh(const Read& read, const Piece& piece) {
  // One without an answer may have happened at any time, as may one whose life failed.
  const bool any_time =
      piece.write != nullptr && (piece.write->call.answered_at == 0 || piece.write->failed);
  if (any_time) return;
  const std::uint64_t since = piece.write == nullptr ? 0 : piece.write->call.answered_at;
  for (const auto& [stamp, write] : writes_) {
    if (write.failed || !fates_.keeps(write.call) || write.call.op.ino != read.file) continue;
    const bool between =
        write.call.called_at > since && write.call.answered_at < read.called_at;
    if (!between || write.end() <= piece.begin || write.begin() >= piece.end) continue;
    fail(fmt::format("{} reads from {} to {} {}, although {} has replaced it from {} to {}",
                     read.who, piece.begin, piece.end,
                     piece.write == nullptr
                         ? "nothing"
                         : "what " + describe(piece.write->call.caller) + " had written",
                     describe(write.call.caller), write.begin(), write.end()));
  }
}

// Of two writes the later one hides the other wherever both are.
void StampedWrites::check_whole(const Read& read, const std::vector<Piece>& pieces) {
  const auto covers = [](const Write& write, const Piece& piece) {
    return write.begin() < piece.end && piece.begin < write.end();
  };
  for (const Piece& a : pieces) {
    for (const Piece& b : pieces) {
      if (a.begin >= b.begin || a.write == b.write) continue;
      if (a.write == nullptr || b.write == nullptr) continue;
      if (!covers(*a.write, b) || !covers(*b.write, a)) continue;
      fail(fmt::format("{} reads at {} of {} and at {} of {}, and each had written both",
                       read.who, a.begin, describe(a.write->call.caller), b.begin,
                       describe(b.write->call.caller)));
    }
  }
}

}  // namespace scoutfs::sim
