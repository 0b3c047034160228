// VolumeBuilder: a whole small volume on a MemoryDevice, made of a tree's items.
//
//   VolumeBuilder volume;
//   const Ino file = volume.tree.add(kRootIno, "file", format::kTypeRegular | 0644);
//   volume.write_file(file, 0, std::string(kBlockSize, 'x'));
//   volume.lay_out();   // segments of the tree's items; server items for all of it
//   volume.write();     // server tree and superblocks
//
// Between the steps a test may change what is there: tree.items before lay_out(), server_items
// after it, and bytes of the device after write().
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/format/server_items.hpp"
#include "engine/format/volume.hpp"
#include "engine/lsm/durable_tree.hpp"
#include "tests/support/memory_device.hpp"
#include "tests/support/run.hpp"
#include "tests/support/segments.hpp"
#include "tests/support/tree_builder.hpp"

namespace scoutfs::testing {

class VolumeBuilder {
 public:
  explicit VolumeBuilder(std::uint64_t device_blocks = 16'384) : device(device_blocks) {
    superblock.fsid = Fsid{0x5c01};
    superblock.cluster = "test";
    superblock.device_blocks = device_blocks;
    superblock.journal = {BlockNo{format::kFirstRegion}, 256};
    superblock.server_area = {superblock.journal.end(), 1024};
    superblock.space.start = superblock.server_area.end();
    superblock.space.count = device_blocks - superblock.space.start.value;
    next_block_ = superblock.space.start;
  }

  World world;
  MemoryDevice device;
  format::Superblock superblock;
  TreeBuilder tree;
  std::vector<lsm::Placed> segments;
  std::map<std::string, std::string> server_items;

  // Space that nothing else uses.
  Extent allocate(std::uint64_t count) {
    const Extent extent{next_block_, count};
    next_block_ = extent.end();
    SCOUTFS_ASSERT(next_block_ <= superblock.space.end());
    return extent;
  }

  // Whole blocks of a file: data, extent and checksums. Requires: the blocks are a hole.
  Extent write_file(Ino ino, std::uint64_t first_block, std::string_view bytes) {
    const Extent where = allocate(bytes.size() / kBlockSize);
    device.put(where.start, bytes);
    tree.add_extent(ino, first_block, {where.start, where.count, 0});
    for (std::uint64_t i = 0; i < where.count; ++i) {
      const BlockNo block{where.start.value + i};
      const std::uint64_t checksum =
          format::data_checksum(bytes.substr(i * kBlockSize, kBlockSize), block);
      tree.set_checksum(ino, first_block + i, checksum);
    }
    return where;
  }

  // Requires: not empty, and they fit one segment.
  const lsm::Placed& add_segment(std::uint8_t level, const Model& items) {
    lsm::SegmentBuilder::Options options;
    if (level > 0) options.coverage_max = 1;
    const std::uint64_t id = 0x1000 + segments.size();
    lsm::SegmentImage image =
        put_segment(device, superblock.fsid, next_block_, id, items, options);
    allocate(image.info.ref.where.count);
    segments.push_back({std::move(image.info), level, RecordNo{segments.size() + 1}});
    return segments.back();
  }

  // Where add_segment() was not called, the tree's items in one segment. Then the server items:
  // the segments, counters, and all space that was not allocated as free.
  void lay_out() {
    if (segments.empty()) {
      Model model;
      for (const auto& [key, value] : tree.items) model.emplace(key, value);
      add_segment(1, model);
    }
    for (const lsm::Placed& placed : segments) put_segment_item(placed);
    counters.next_ino = tree.next_ino;
    counters.next_seq = tree.next_seq;
    counters.next_record = RecordNo{segments.size() + 1};
    counters.version = Version{segments.size()};
    put_counters();
    server_items[format::free_key(next_block_)] =
        format::encode_count(superblock.space.end().value - next_block_.value);
  }
  format::Counters counters;
  void put_counters() { server_items[format::counters_key()] = encode(counters); }
  void put_segment_item(const lsm::Placed& placed) {
    std::string value;
    Writer out(value);
    encode(out, placed);
    server_items[format::segment_key(placed.info.ref.where.start)] = std::move(value);
  }

  void write() {
    lsm::Memtable items;
    for (const auto& [key, value] : server_items) items.set(key, value);
    const Result<void> created =
        world.run(lsm::DurableTree::create(world.scheduler, device, superblock, items));
    SCOUTFS_ASSERT(created.has_value());
  }

 private:
  BlockNo next_block_;
};

}  // namespace scoutfs::testing
