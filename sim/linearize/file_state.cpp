#include <fmt/core.h>

#include <algorithm>

#include "sim/linearize/objects.hpp"

namespace scoutfs::sim {

std::vector<Ino> FileState::touched_by(const HistoryCall& call) {
  const Operation& op = call.op;
  const std::optional<fs::Attributes>& told = call.outcome.attributes;
  switch (op.kind) {
    case OpKind::read:
    case OpKind::write:
    case OpKind::append:
    case OpKind::truncate:
    case OpKind::punch:
    case OpKind::allocate:
      return {op.ino};
    case OpKind::getattr:
      // The size of a directory is no matter of these operations.
      if (call.counts() && told.has_value() && told->inode.is_regular()) return {op.ino};
      return {};
    default:
      return {};
  }
}

bool FileState::is_size(std::uint64_t size) {
  if (size_.has_value()) return *size_ == size;
  size_ = size;
  return true;
}

void FileState::forget(std::uint64_t begin, std::uint64_t end) {
  auto at = pieces_.upper_bound(begin);
  if (at != pieces_.begin()) --at;
  while (at != pieces_.end() && at->first < end) {
    const auto [from, piece] = *at;
    const std::uint64_t piece_end = piece.end;
    if (piece.end <= begin) {
      ++at;
      continue;
    }
    at = pieces_.erase(at);
    if (from < begin)
      pieces_[from] = {.end = begin, .source = piece.source, .from = piece.from};
    if (piece.end > end) {
      pieces_[end] = {
          .end = piece.end, .source = piece.source, .from = piece.from + (end - from)};
    }
    at = pieces_.lower_bound(piece_end);
  }
}

void FileState::put(std::uint64_t begin, std::uint64_t end, const std::string* source) {
  if (begin >= end) return;
  forget(begin, end);
  pieces_[begin] = {.end = end, .source = source, .from = 0};
}

// What was not there before is zeros.
void FileState::grow_to(std::uint64_t size) {
  if (!size_.has_value() || *size_ >= size) return;
  put(*size_, size, nullptr);
  size_ = size;
}

void FileState::apply_truncate(std::uint64_t size) {
  if (!size_.has_value() || *size_ > size) forget(size, ~std::uint64_t{0});
  grow_to(size);
  size_ = size;
}

bool FileState::apply_read(const HistoryCall& call) {
  if (call.outcome.error.has_value()) return true;
  const std::string& bytes = call.outcome.bytes;
  const std::uint64_t begin = call.op.offset, end = begin + bytes.size();
  if (bytes.size() == call.op.length) {
    if (size_.has_value() && *size_ < end) return false;
  } else if (!bytes.empty()) {
    if (!is_size(end)) return false;
  } else if (size_.has_value() && *size_ > begin) {
    return false;
  }
  std::uint64_t at = begin;
  std::map<std::uint64_t, std::uint64_t> told;  // what was not known
  for (auto& [from, piece] : pieces_) {
    const std::uint64_t first = std::max(from, begin), last = std::min(piece.end, end);
    if (first >= last) continue;
    if (at < first) told[at] = first;
    at = last;
    const std::string_view got = std::string_view(bytes).substr(first - begin, last - first);
    const bool equal = piece.source == nullptr
                           ? got.find_first_not_of('\0') == std::string_view::npos
                           : got == std::string_view(*piece.source)
                                        .substr(piece.from + (first - from), last - first);
    if (!equal) return false;
  }
  if (at < end) told[at] = end;
  for (const auto& [first, last] : told) {
    pieces_[first] = {.end = last, .source = &bytes, .from = first - begin};
  }
  return true;
}

bool FileState::apply(const HistoryCall& call) {
  const Operation& op = call.op;
  if (op.kind == OpKind::read) return apply_read(call);
  if (op.kind == OpKind::getattr) return is_size(call.outcome.attributes->inode.size);
  if (call.outcome.error.has_value()) {
    // It may have got a part of the way.
    if (op.kind == OpKind::punch || op.kind == OpKind::allocate) blur(call);
    return true;
  }
  const std::uint64_t length =
      op.kind == OpKind::write || op.kind == OpKind::append ? op.data.size() : op.length;
  switch (op.kind) {
    case OpKind::append:
      if (!is_size(call.outcome.number)) return false;
      grow_to(call.outcome.number + length);
      put(call.outcome.number, call.outcome.number + length, &op.data);
      return true;
    case OpKind::write:
      grow_to(op.offset + length);
      put(op.offset, op.offset + length, &op.data);
      return true;
    case OpKind::truncate:
      apply_truncate(op.length);
      return true;
    case OpKind::punch:
      put(op.offset, op.offset + length, nullptr);
      return true;
    default:
      if (!op.keep_size) grow_to(op.offset + length);
      return true;
  }
}

void FileState::blur(const HistoryCall& call) {
  if (call.op.kind == OpKind::read || call.op.kind == OpKind::getattr) return;
  size_.reset();
  pieces_.clear();
}

std::string FileState::key() const {
  std::string key = size_.has_value() ? fmt::format("{}", *size_) : "?";
  for (const auto& [begin, piece] : pieces_) {
    const std::string_view bytes =
        piece.source == nullptr
            ? std::string_view()
            : std::string_view(*piece.source).substr(piece.from, piece.end - begin);
    key += fmt::format("/{}-{}:{:x}", begin, piece.end, checksum64(bytes, 0));
  }
  return key;
}

}  // namespace scoutfs::sim
