#include "engine/fs/extents.hpp"

#include <algorithm>

#include "engine/base/assert.hpp"
#include "engine/format/keys.hpp"

namespace scoutfs::fs {

namespace {

// The first extent that ends behind the block.
auto lower(std::vector<FileExtent>& extents, std::uint64_t block) {
  return std::ranges::partition_point(
      extents, [block](const FileExtent& extent) { return extent.end() <= block; });
}

bool joins(const FileExtent& a, const FileExtent& b) {
  if (a.end() != b.first || a.flags != b.flags) return false;
  if (a.count + b.count > kExtentBlocksMax) return false;
  return a.offline() || a.start.value + a.count == b.start.value;
}

void put(client::Txn& txn, Ino ino, const FileExtent& extent) {
  format::ExtentValue value;
  value.start = extent.start;
  value.count = extent.count;
  value.flags = extent.flags;
  txn.put(format::extent_key(ino, extent.first), format::encode(value));
}

}  // namespace

FileExtent FileExtent::part(std::uint64_t from, std::uint64_t to) const {
  SCOUTFS_ASSERT(from >= first);
  SCOUTFS_ASSERT(to <= end());
  SCOUTFS_ASSERT(from < to);
  FileExtent piece = *this;
  piece.first = from;
  piece.count = to - from;
  if (!offline()) piece.start = device(from);
  return piece;
}

const FileExtent* ExtentWindow::find(std::uint64_t block) const {
  const auto found = std::ranges::partition_point(
      now_, [block](const FileExtent& extent) { return extent.end() <= block; });
  if (found == now_.end()) return nullptr;
  return found->first <= block ? &*found : nullptr;
}

std::vector<FileExtent> ExtentWindow::cut(std::uint64_t first, std::uint64_t end) {
  std::vector<FileExtent> removed;
  std::vector<FileExtent> kept;
  const auto from = lower(now_, first);
  auto to = from;
  for (; to != now_.end() && to->first < end; ++to) {
    if (to->first < first) kept.push_back(to->part(to->first, first));
    removed.push_back(to->part(std::max(to->first, first), std::min(to->end(), end)));
    if (to->end() > end) kept.push_back(to->part(end, to->end()));
  }
  const auto at = now_.erase(from, to);
  now_.insert(at, kept.begin(), kept.end());
  return removed;
}

void ExtentWindow::insert(FileExtent extent) {
  SCOUTFS_ASSERT(extent.count > 0);
  SCOUTFS_ASSERT(extent.count <= kExtentBlocksMax);
  auto at = lower(now_, extent.first);
  SCOUTFS_ASSERT(at == now_.end() || at->first >= extent.end());
  if (at != now_.end() && joins(extent, *at)) {
    extent.count += at->count;
    at = now_.erase(at);
  }
  if (at != now_.begin() && joins(*std::prev(at), extent)) {
    std::prev(at)->count += extent.count;
    return;
  }
  now_.insert(at, extent);
}

void ExtentWindow::store(client::Txn& txn, Ino ino) const {
  auto old = before_.begin();
  auto fresh = now_.begin();
  while (old != before_.end() || fresh != now_.end()) {
    if (fresh == now_.end() || (old != before_.end() && old->first < fresh->first)) {
      txn.erase(format::extent_key(ino, old->first));
      ++old;
    } else if (old == before_.end() || fresh->first < old->first) {
      put(txn, ino, *fresh);
      ++fresh;
    } else {
      if (*old != *fresh) put(txn, ino, *fresh);
      ++old;
      ++fresh;
    }
  }
}

std::uint64_t written_blocks(const std::vector<FileExtent>& extents) {
  std::uint64_t blocks = 0;
  for (const FileExtent& extent : extents) blocks += extent.written() ? extent.count : 0;
  return blocks;
}

}  // namespace scoutfs::fs
