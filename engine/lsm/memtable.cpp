// Memtable: a btree of the newest entry of each key, and the bytes they take.
#include "engine/lsm/memtable.hpp"

#include <utility>

namespace scoutfs::lsm {
namespace {

std::uint64_t value_size(const Entry& entry) {
  return entry.has_value() ? entry->size() : 0;
}

}  // namespace

void Memtable::set(std::string key, Entry entry) {
  SCOUTFS_ASSERT(key.size() <= kKeySizeMax);
  SCOUTFS_ASSERT(value_size(entry) <= kValueSizeMax);
  const std::uint64_t added = value_size(entry);
  const auto [it, inserted] = map_.try_emplace(std::move(key));
  if (inserted) {
    size_bytes_ += it->first.size() + kItemOverhead;
  } else {
    size_bytes_ -= value_size(it->second);
  }
  size_bytes_ += added;
  it->second = std::move(entry);
}

void Memtable::apply(Batch&& batch) {
  for (Change& change : batch.changes) set(std::move(change.key), std::move(change.entry));
  batch.changes.clear();
}

const Entry* Memtable::find(std::string_view key) const {
  const auto it = map_.find(key);
  return it == map_.end() ? nullptr : &it->second;
}

}  // namespace scoutfs::lsm
