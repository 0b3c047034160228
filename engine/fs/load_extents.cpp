// Reading extent items.
#include "engine/base/codec.hpp"
#include "engine/format/keys.hpp"
#include "engine/fs/data_change.hpp"

namespace scoutfs::fs {

namespace {

// Fragmented files have the covering extent near; the others have few extents to scan over.
constexpr std::uint64_t kNearBlocks = 32;

Result<FileExtent> parse_extent(const lsm::Item& item) {
  SCOUTFS_TRY(const format::ParsedKey key, format::parse_key(item.key));
  SCOUTFS_TRY(const format::ExtentValue value, format::decode_extent(item.value));
  FileExtent extent;
  extent.first = key.number;
  extent.count = value.count;
  extent.start = value.start;
  extent.flags = value.flags;
  if (extent.count > kExtentBlocksMax) return fail(Errc::corrupt);
  if (extent.first >= kMaxFileBlocks) return fail(Errc::corrupt);
  return extent;
}

Result<void> append(std::vector<FileExtent>& extents, const lsm::Item& item) {
  SCOUTFS_TRY(const FileExtent extent, parse_extent(item));
  if (!extents.empty() && extents.back().end() > extent.first) return fail(Errc::corrupt);
  extents.push_back(extent);
  return {};
}

}  // namespace

Task<Result<LoadedExtents>> load_extents(client::Store& store, const client::Locks& locks,
                                         Ino ino, std::uint64_t first, std::uint64_t end,
                                         std::size_t limit) {
  SCOUTFS_ASSERT(first < end);
  SCOUTFS_ASSERT(limit > 0);
  LoadedExtents loaded;
  const std::uint64_t near = first > kNearBlocks ? first - kNearBlocks : 0;
  const std::size_t scan_limit = limit + kNearBlocks;
  KeyRange range{format::extent_key(ino, near), format::extent_key(ino, end - 1)};
  SCOUTFS_CO_TRY(const std::vector<lsm::Item> items,
                 co_await store.scan(locks, std::move(range), scan_limit));
  for (const lsm::Item& item : items) SCOUTFS_CO_CHECK(append(loaded.extents, item));
  loaded.covered_end = items.size() < scan_limit ? end : loaded.extents.back().end();

  const bool decided = !loaded.extents.empty() && loaded.extents.front().first <= first;
  std::erase_if(loaded.extents,
                [first](const FileExtent& extent) { return extent.end() <= first; });
  if (!decided && near > 0) {
    const std::uint64_t far = first >= kExtentBlocksMax ? first - (kExtentBlocksMax - 1) : 0;
    KeyRange before{format::extent_key(ino, far), format::extent_key(ino, near - 1)};
    SCOUTFS_CO_TRY(const std::vector<lsm::Item> behind,
                   co_await store.scan(locks, std::move(before), kExtentBlocksMax));
    if (!behind.empty()) {
      SCOUTFS_CO_TRY(const FileExtent extent, parse_extent(behind.back()));
      if (extent.end() > first) loaded.extents.insert(loaded.extents.begin(), extent);
    }
  }
  co_return loaded;
}

}  // namespace scoutfs::fs
