// Making segments on a MemoryDevice.
#pragma once

#include <map>
#include <string>

#include "engine/lsm/segment_writer.hpp"
#include "tests/support/memory_device.hpp"

namespace scoutfs::testing {

using Model = std::map<std::string, lsm::Entry>;

// The builder holds all of the items. Requires: they fit.
inline lsm::SegmentBuilder build(const Model& items,
                                 lsm::SegmentBuilder::Options options = {}) {
  lsm::SegmentBuilder builder(options);
  for (const auto& [key, entry] : items) {
    const bool added = builder.add(key, entry);
    SCOUTFS_ASSERT(added);
  }
  return builder;
}

// The segment of the items, on the device from `start` on. Requires: not empty, and they fit.
inline lsm::SegmentImage put_segment(MemoryDevice& device, Fsid fsid, BlockNo start,
                                     std::uint64_t id, const Model& items,
                                     lsm::SegmentBuilder::Options options = {}) {
  lsm::SegmentBuilder builder = build(items, options);
  const Extent where{start, builder.finish()};
  lsm::SegmentImage image = std::move(builder).seal(fsid, {where, id});
  device.put(start, image.bytes);
  return image;
}

}  // namespace scoutfs::testing
