// Point lookups: the newest segment that knows the key decides.
#include "engine/lsm/segment_reader.hpp"

#include "engine/format/key_filter.hpp"
#include "engine/lsm/segment_cache.hpp"

namespace scoutfs::lsm {
namespace {

Entry entry_of(const format::ItemBlock& block, std::size_t item) {
  if (block.is_tombstone(item)) return std::nullopt;
  return Entry(std::in_place, block.value_bytes(item));
}

// What one segment says of the key, from the cache or the device.
Task<Result<std::optional<Entry>>> get_in(SegmentCache::State& state, SegmentRef ref,
                                          std::string_view key, std::uint64_t hash) {
  SCOUTFS_CO_TRY(const OpenPtr segment, co_await state.open(ref, Fill::cache));
  const SegmentCache::State::Lookup found = state.lookup(*segment, key, hash);
  if (found.found) co_return std::optional<Entry>(entry_of(found.block->block, found.item));
  if (!found.missing) co_return std::optional<Entry>();
  SCOUTFS_CO_TRY(const BlockPtr block, co_await state.load(segment, found.frame));
  const std::size_t item = block->block.find(key);
  if (item == block->block.count()) co_return std::optional<Entry>();
  co_return std::optional<Entry>(entry_of(block->block, item));
}

}  // namespace

SegmentCache::SegmentCache(Scheduler& scheduler, BlockDevice& device, Fsid fsid,
                           std::uint64_t size_bytes_max)
    : state_(std::make_unique<State>(scheduler, device, fsid, size_bytes_max)) {}

SegmentCache::~SegmentCache() = default;

[[clang::coro_wrapper]] Task<void> SegmentCache::close() {
  return state_->scope_.drain();
}

std::uint64_t SegmentCache::size_bytes() const {
  return state_->size_bytes;
}
const SegmentCache::Counters& SegmentCache::counters() const {
  return state_->counters;
}

[[clang::coro_wrapper]] Task<Result<std::optional<Entry>>> SegmentCache::get(
    SegmentRef ref, std::string_view key) {
  return get_in(*state_, ref, key, format::filter_hash(key));
}

std::optional<Entry> SegmentCache::try_get(const SegmentList& list, std::string_view key) {
  const std::uint64_t hash = format::filter_hash(key);
  Candidates candidates(list, key);
  while (const Placed* placed = candidates.next()) {
    const OpenPtr* const segment = state_->find(placed->info.ref);
    if (segment == nullptr) return std::nullopt;
    const State::Lookup found = state_->lookup(**segment, key, hash);
    if (found.missing) return std::nullopt;
    if (found.found) return entry_of(found.block->block, found.item);
  }
  return Entry();
}

Task<Result<Entry>> SegmentCache::get(const SegmentList& list, std::string_view key) {
  const std::uint64_t hash = format::filter_hash(key);
  Candidates candidates(list, key);
  while (const Placed* placed = candidates.next()) {
    const OpenPtr* const segment = state_->find(placed->info.ref);
    if (segment != nullptr) {
      const State::Lookup found = state_->lookup(**segment, key, hash);
      if (found.found) co_return entry_of(found.block->block, found.item);
      if (!found.missing) continue;
    }
    SCOUTFS_CO_TRY(const std::optional<Entry> entry,
                   co_await get_in(*state_, placed->info.ref, key, hash));
    if (entry.has_value()) co_return *entry;
  }
  co_return Entry();
}

Task<Result<SegmentInfo>> SegmentCache::info(SegmentRef ref) {
  SCOUTFS_CO_TRY(const OpenPtr segment, co_await state_->open(ref, Fill::cache));
  const format::SegmentDirectory& directory = segment->directory;
  co_return SegmentInfo{ref, directory.footer.item_count, directory.coverage};
}

}  // namespace scoutfs::lsm
