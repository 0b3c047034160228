#include "engine/fs/ino_pools.hpp"

#include "engine/format/keys.hpp"

namespace scoutfs::fs {

InoPools::Pool* InoPools::find(Ino dir) {
  const auto found = by_dir_.find(dir.value);
  if (found == by_dir_.end()) return nullptr;
  if (found->second != pools_.begin()) pools_.splice(pools_.begin(), pools_, found->second);
  return &pools_.front();
}

void InoPools::add(Ino dir, client::InoRange range) {
  if (Pool* pool = find(dir); pool != nullptr) {
    pool->range = range;
    return;
  }
  if (pools_.size() == kPoolsMax) {
    by_dir_.erase(pools_.back().dir.value);
    pools_.pop_back();
  }
  pools_.push_front({dir, range});
  by_dir_.emplace(dir.value, pools_.begin());
}

Task<Result<Ino>> InoPools::take_file(Ino dir) {
  for (;;) {
    if (Pool* pool = find(dir); pool != nullptr && pool->range.count > 0) {
      const Ino ino = pool->range.first;
      pool->range.first = ino.next();
      --pool->range.count;
      co_return ino;
    }
    SCOUTFS_CO_TRY(const client::InoRange range,
                   co_await store_.allocate_inos(format::kInodeGroup));
    add(dir, range);
  }
}

Task<Result<Ino>> InoPools::take_directory() {
  SCOUTFS_CO_TRY(client::InoRange range, co_await store_.allocate_inos(format::kInodeGroup));
  const Ino ino = range.first;
  range.first = ino.next();
  --range.count;
  add(ino, range);
  co_return ino;
}

void InoPools::give_back(Ino dir, Ino ino) {
  Pool* pool = find(dir);
  if (pool == nullptr) return;
  if (ino.next() != pool->range.first) return;
  pool->range.first = ino;
  ++pool->range.count;
}

}  // namespace scoutfs::fs
