#include "engine/client/item_store.hpp"

#include <algorithm>

namespace scoutfs::client {

namespace {
// Own segments that no list has caught up with; above this many the lists are fetched anew.
constexpr std::size_t kOwnMax = 32;

std::optional<lock::LockId> lock_of_key(std::string_view key) {
  if (key.empty() || static_cast<format::Zone>(key[0]) != format::Zone::fs) return std::nullopt;
  Reader in(key.substr(1));
  return lock::lock_of(Ino{in.get_big<std::uint64_t>()});
}
}  // namespace

ItemStore::ItemStore(LeaderSession& session, LockCache& locks, Transactions& transactions,
                     lsm::SegmentCache& segments, std::uint64_t cache_bytes_max)
    : session_(session),
      locks_(locks),
      transactions_(transactions),
      segments_(segments),
      cache_bytes_max_(cache_bytes_max) {}

// ---- Segment lists ----

Task<Result<std::shared_ptr<ListUse>>> ItemStore::fetch_list(KeyRange range) {
  const auto floor = fetching_.insert(known_);
  session::ListRequest request{.range = std::move(range)};
  Result<session::ListAnswer> answer =
      co_await session_.call<session::ListAnswer>(std::move(request));
  fetching_.erase(floor);
  if (!answer.has_value()) co_return std::unexpected(answer.error());
  known_ = std::max(known_, answer->version);
  lsm::SegmentList list{.version = answer->version, .segments = std::move(answer->segments)};
  co_return std::make_shared<ListUse>(locks_.lists_in_use(), std::move(list));
}

Task<Result<std::shared_ptr<ListUse>>> ItemStore::list_of(std::shared_ptr<LockEntry> entry) {
  while (entry->list_fetching) co_await entry->list_fetched.wait();
  if (entry->list != nullptr) co_return entry->list;
  entry->list_fetching = true;
  const KeyRange range = format::group_range(entry->id.group);
  Result<std::shared_ptr<ListUse>> list = co_await fetch_list(range);
  entry->list_fetching = false;
  entry->list_fetched.wake_all();
  if (!list.has_value()) co_return list;
  entry->list = *list;
  if ((*list)->list().segments.empty() && own_newer((*list)->list().version, range).empty()) {
    // Nothing of the group was ever recorded: all of it is known.
    entry->items.add_known(range);
  }
  co_return list;
}

std::vector<lsm::Placed> ItemStore::own_newer(Version version, const KeyRange& range) const {
  std::vector<lsm::Placed> newer;
  for (const Own& own : own_) {
    if (own.version <= version) break;
    if (own.placed.info.overlaps(range)) newer.push_back(own.placed);
  }
  return newer;
}

Version ItemStore::oldest_list() const {
  Version oldest;
  if (!locks_.lists_in_use()->empty()) oldest = *locks_.lists_in_use()->begin();
  if (!fetching_.empty() && (!oldest || *fetching_.begin() < oldest))
    oldest = *fetching_.begin();
  return oldest;
}

Version ItemStore::drop_lists(Version version) {
  known_ = std::max(known_, version);
  locks_.drop_lists(version);
  prune();
  // Requests on their way will be answered with what is current then.
  const ListVersions& in_use = *locks_.lists_in_use();
  return in_use.empty() ? version : std::min(version, *in_use.begin());
}

void ItemStore::prune() {
  const Version oldest = oldest_list();
  const Version floor = oldest ? oldest : known_;
  while (!own_.empty() && own_.back().version <= floor) own_.pop_back();
}

// ---- One item ----

const lsm::Entry* ItemStore::find_in_memory(const LockEntry& entry,
                                            std::string_view key) const {
  if (const lsm::Entry* found = transactions_.open().items.find(key)) return found;
  for (const auto& txn : transactions_.frozen()) {
    if (const lsm::Entry* found = txn->items.find(key)) return found;
  }
  return entry.items.find(key);
}

void ItemStore::insert(LockEntry& entry, std::string key, lsm::Entry value) {
  const std::uint64_t before = entry.items.size_bytes();
  entry.items.set(std::move(key), std::move(value));
  cached_bytes_ = cached_bytes_ - before + entry.items.size_bytes();
}

void ItemStore::shrink() {
  if (cached_bytes_ > cache_bytes_max_) locks_.shrink(cached_bytes_, cache_bytes_max_ * 3 / 4);
}

Task<Result<lsm::Entry>> ItemStore::get(std::shared_ptr<LockEntry> entry,
                                        std::string_view key) {
  if (const lsm::Entry* found = find_in_memory(*entry, key)) co_return *found;
  SCOUTFS_CO_TRY(const std::shared_ptr<ListUse> list, co_await list_of(entry));
  // While we waited, a transaction may have become clean, or the whole group known.
  if (const lsm::Entry* found = find_in_memory(*entry, key)) co_return *found;
  const std::uint64_t generation = entry->generation;
  std::optional<lsm::Entry> found;
  const KeyRange point{std::string(key), std::string(key)};
  const std::vector<lsm::Placed> own = own_newer(list->list().version, point);
  for (const lsm::Placed& placed : own) {
    if (!placed.info.may_hold(key)) continue;
    SCOUTFS_CO_TRY(found, co_await segments_.get(placed.info.ref, key));
    if (found.has_value()) break;
  }
  if (!found.has_value()) {
    SCOUTFS_CO_TRY(found, co_await segments_.get(list->list(), key));
  }
  if (entry->generation == generation) {
    insert(*entry, std::string(key), *found);
    shrink();
  }
  co_return std::move(*found);
}

// ---- Ranges ----

void ItemStore::scan_known(const LockEntry& entry, const KeyRange& range, std::size_t limit,
                           std::vector<lsm::Item>& out) const {
  // Sources newest first; each points at its next item of the range.
  using Map = ItemCache::Map;
  std::vector<std::pair<Map::const_iterator, const Map*>> sources;
  const auto add = [&sources, &range](const Map& map) {
    sources.emplace_back(map.lower_bound(range.first), &map);
  };
  add(transactions_.open().items.map());
  for (const auto& txn : transactions_.frozen()) add(txn->items.map());
  add(entry.items.map());
  while (out.size() < limit) {
    const std::string* least = nullptr;
    const lsm::Entry* newest = nullptr;
    for (const auto& [at, map] : sources) {
      if (at == map->end() || at->first > range.last) continue;
      if (least != nullptr && at->first >= *least) continue;
      least = &at->first;
      newest = &at->second;
    }
    if (least == nullptr) break;
    if (newest->has_value()) out.push_back({*least, **newest});
    const std::string key = *least;
    for (auto& [at, map] : sources) {
      if (at != map->end() && at->first == key) ++at;
    }
  }
}

Task<Result<std::vector<lsm::Item>>> ItemStore::scan(std::shared_ptr<LockEntry> entry,
                                                     KeyRange range, std::size_t limit) {
  SCOUTFS_ASSERT(limit > 0);
  std::vector<lsm::Item> items;
  if (!entry->items.knows(range)) {
    SCOUTFS_CO_TRY(const std::shared_ptr<ListUse> list, co_await list_of(entry));
    if (!entry->items.knows(range)) {
      const std::uint64_t generation = entry->generation;
      lsm::MergeIterator merge(segments_, range, lsm::Fill::cache);
      merge.add(transactions_.open().items);
      for (const auto& txn : transactions_.frozen()) merge.add(txn->items);
      const std::vector<lsm::Placed> own = own_newer(list->list().version, range);
      for (const lsm::Placed& placed : own) merge.add(placed);
      merge.add(list->list());
      bool ended = false;
      while (items.size() < limit) {
        SCOUTFS_CO_TRY(std::optional<lsm::Change> change, co_await merge.next());
        ended = !change.has_value();
        if (ended) break;
        if (!change->entry.has_value()) continue;
        items.push_back({std::move(change->key), std::move(*change->entry)});
      }
      if (entry->generation == generation) {
        for (const lsm::Item& item : items) insert(*entry, item.key, item.value);
        const std::string last = ended ? range.last : items.back().key;
        entry->items.add_known({range.first, last});
        shrink();
      }
      co_return items;
    }
  }
  scan_known(*entry, range, limit, items);
  co_return items;
}

Task<Result<std::vector<std::string>>> ItemStore::scan_recorded(KeyRange range,
                                                                std::size_t limit) {
  SCOUTFS_CO_TRY(const std::shared_ptr<ListUse> list, co_await fetch_list(range));
  lsm::MergeIterator merge(segments_, range, lsm::Fill::cache);
  merge.add(list->list());
  std::vector<std::string> keys;
  while (keys.size() < limit) {
    SCOUTFS_CO_TRY(std::optional<lsm::Change> change, co_await merge.next());
    if (!change.has_value()) break;
    if (change->entry.has_value()) keys.push_back(std::move(change->key));
  }
  co_return keys;
}

// ---- Recorded transactions ----

void ItemStore::on_recorded(TransactionState& txn, const session::CommitAnswer& answer) {
  known_ = std::max(known_, answer.version);
  for (std::size_t i = 0; i < txn.segments.size(); ++i) {
    const RecordNo record = i < answer.records.size() ? answer.records[i] : RecordNo{};
    lsm::Placed placed{.info = txn.segments[i], .level = 0, .record = record};
    own_.push_front({.version = answer.version, .placed = std::move(placed)});
  }
  std::shared_ptr<LockEntry> entry;
  std::optional<lock::LockId> current;
  for (const auto& [key, value] : txn.items.map()) {
    const std::optional<lock::LockId> id = lock_of_key(key);
    if (!id.has_value()) continue;
    if (current != id) {
      current = id;
      entry = locks_.find(*id);
      if (entry != nullptr) ++entry->generation;
    }
    if (entry == nullptr || entry->mode == lock::Mode::none) continue;
    insert(*entry, key, value);
  }
  shrink();
  if (own_.size() > kOwnMax) locks_.drop_lists(known_);
  prune();
}

}  // namespace scoutfs::client
