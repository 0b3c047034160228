// A few nodes with a FileSystem each over one MemoryVolume, and the check of the whole tree.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/fs/filesystem.hpp"
#include "tests/support/memory_store.hpp"

namespace scoutfs::testing {

class FsCluster {
 public:
  struct Settings {
    std::uint64_t nodes = 1;
    std::uint64_t blocks = 65536;
    std::uint64_t seed = 1;
    fs::Options options;
  };
  explicit FsCluster(Settings settings) : volume(world, settings.blocks, settings.seed) {
    world.clock.set(1'000 * kSecond);
    volume.last_seq = 1;
    for (lsm::Item& item : fs::root_items({5, 0}, 0755, Seq{1})) {
      if (item.value.empty()) volume.recorded.insert(item.key);
      volume.items.insert_or_assign(std::move(item.key), std::move(item.value));
    }
    for (std::uint64_t i = 0; i < settings.nodes; ++i) {
      stores.push_back(std::make_unique<MemoryStore>(volume));
      systems.push_back(std::make_unique<fs::FileSystem>(*stores.back(), settings.options));
    }
  }
  ~FsCluster() {
    for (auto& system : systems) world.run(system->stop());
    world.run(volume.scope.drain());
  }

  template <class T>
  T run(Task<T> task) {
    return world.run(std::move(task));
  }
  // Moves time on, so that no two steps have the same timestamps.
  void tick(TimeNs by = kSecond) {
    world.clock.set(world.clock.now_ns() + by);
    world.scheduler.run();
  }
  fs::FileSystem& fs(std::size_t node = 0) { return *systems[node]; }

  World world;
  MemoryVolume volume;
  std::vector<std::unique_ptr<MemoryStore>> stores;
  std::vector<std::unique_ptr<fs::FileSystem>> systems;
};

// Cross-references of the whole tree; one line for each thing that is wrong. Requires: no
// operation in progress. `orphans`: unlinked inodes may be there.
std::vector<std::string> check_tree(MemoryVolume& volume);

}  // namespace scoutfs::testing
