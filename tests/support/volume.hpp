// A small volume on a MemoryDevice, and one leader's view of its server tree.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/lsm/durable_tree.hpp"
#include "tests/support/memory_device.hpp"
#include "tests/support/run.hpp"

namespace scoutfs::testing {

// Regions of the given sizes, right behind each other.
inline format::Superblock small_superblock(std::uint64_t journal_blocks,
                                           std::uint64_t area_blocks) {
  format::Superblock superblock;
  superblock.fsid = Fsid{4711};
  superblock.cluster = "test";
  superblock.journal = {BlockNo{format::kFirstRegion}, journal_blocks};
  superblock.server_area = {superblock.journal.end(), area_blocks};
  superblock.space = {superblock.server_area.end(), 64};
  superblock.device_blocks = superblock.space.end().value;
  return superblock;
}

// One process that loads the tree and may open it. The device outlives it. Dropping it without
// close() is the death of the process.
struct TreeNode {
  explicit TreeNode(MemoryDevice& device_in) : device(device_in) {
    device.set_scheduler(&world.scheduler);
  }
  TreeNode(const TreeNode&) = delete;
  TreeNode& operator=(const TreeNode&) = delete;
  ~TreeNode() {
    world.scheduler.kill();
    tree.reset();
    cache.reset();
    device.set_scheduler(nullptr);
  }

  // Errors: those of read_superblock() and load().
  Result<std::map<std::string, std::string>> load() {
    SCOUTFS_TRY(format::Superblock superblock, world.run(lsm::read_superblock(device)));
    cache =
        std::make_unique<lsm::SegmentCache>(world.scheduler, device, superblock.fsid, 1u << 20);
    tree = std::make_unique<lsm::DurableTree>(world.scheduler, device, *cache, superblock);
    std::map<std::string, std::string> items;
    std::string last;
    const lsm::Visit visit = [&](std::string_view key, std::string_view value) {
      SCOUTFS_ASSERT(items.empty() || last < key);
      last = key;
      items.emplace(key, value);
      return Result<void>{};
    };
    SCOUTFS_CHECK(world.run(tree->load(visit)));
    return items;
  }
  Result<void> open() {
    const format::Superblock& superblock = tree->superblock();
    const Term term{superblock.term.number + 1, 0};
    return world.run(tree->open(term, Rid{1000 + term.number}));
  }
  Result<void> commit(lsm::Batch batch) { return world.run(tree->commit(std::move(batch))); }
  Result<void> close() {
    const Result<void> closed = world.run(tree->close());
    world.run(cache->close());
    return closed;
  }

  World world;
  MemoryDevice& device;
  std::unique_ptr<lsm::SegmentCache> cache;
  std::unique_ptr<lsm::DurableTree> tree;
};

inline Result<void> make_volume(MemoryDevice& device, const format::Superblock& superblock,
                                const lsm::Memtable& items = {}) {
  World world;
  return world.run(lsm::DurableTree::create(world.scheduler, device, superblock, items));
}

}  // namespace scoutfs::testing
