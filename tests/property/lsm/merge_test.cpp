// The merged view of memtables, level-0 segments and levels equals a map.
#include "engine/lsm/segment_reader.hpp"
#include "tests/support/run.hpp"
#include "tests/support/segments.hpp"
#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

using scoutfs::testing::MemoryDevice;
using scoutfs::testing::Model;
using scoutfs::testing::put_segment;
using scoutfs::testing::World;

constexpr Fsid kFsid{0xfeedULL};

// Few distinct keys, so that sources disagree about them; some with long common beginnings.
std::string key_of(std::uint64_t n) {
  std::string key =
      n % 3 == 0 ? std::string(40, 'p') : std::string(1, static_cast<char>('a' + n % 5));
  key += std::to_string(n * n % 1'009);
  if (n % 11 == 0) key += '\0';
  return key;
}

Model random_items(std::uint64_t key_space, std::size_t count) {
  Model items;
  for (std::size_t i = 0; i < count; ++i) {
    const auto n = *rc::gen::inRange<std::uint64_t>(0, key_space);
    const auto kind = *rc::gen::inRange(0, 10);
    Entry entry;
    if (kind > 2) {
      const auto size =
          static_cast<std::size_t>(kind == 9 ? *rc::gen::inRange(0, 5'000) : kind * 10);
      entry.emplace(size, static_cast<char>('A' + n % 20));
      if (size > 8) entry->replace(0, 8, std::to_string(n + 10'000'000).substr(0, 8));
    }
    items[key_of(n)] = std::move(entry);
  }
  return items;
}

// A tree of random shape, and what it means.
struct Tree {
  explicit Tree(MemoryDevice& device) : device_(device) {
    const auto key_space = *rc::gen::element<std::uint64_t>(20, 300, 3'000);
    const auto most = *rc::gen::element<std::size_t>(5, 100, 1'500);
    options_.compression_level = *rc::gen::inRange(0, 2);
    // Oldest first: levels from the deepest up, then level 0, then memory.
    const auto deepest = *rc::gen::inRange<std::uint8_t>(0, 4);
    std::vector<std::vector<Placed>> levels;
    for (std::uint8_t level = deepest; level > 0; --level) {
      levels.push_back(
          add_level(level, random_items(key_space, *rc::gen::inRange<std::size_t>(0, most))));
    }
    std::vector<Placed> zero;
    const auto count = *rc::gen::inRange(0, 6);
    for (int i = 0; i < count; ++i) {
      const Model items = random_items(key_space, *rc::gen::inRange<std::size_t>(1, most));
      zero.insert(zero.begin(), place(items, 0));
    }
    list.segments = std::move(zero);
    for (auto it = levels.rbegin(); it != levels.rend(); ++it) {
      list.segments.insert(list.segments.end(), it->begin(), it->end());
    }
    segments_only = meaning;
    for (auto& [key, entry] : random_items(key_space, *rc::gen::inRange<std::size_t>(0, 50))) {
      meaning[key] = entry;
      memtable.set(key, entry);
    }
  }

  SegmentList list;
  Memtable memtable;
  Model meaning;        // tombstones included
  Model segments_only;  // the same without the memtable

 private:
  Placed place(const Model& items, std::uint8_t level) {
    options_.coverage_max = level == 0 ? kCoverageMax : 1;
    options_.size_max = kSegmentSizeMax;
    const auto image = put_segment(device_, kFsid, BlockNo{next_}, next_ * 3, items, options_);
    next_ += image.info.ref.where.count;
    for (const auto& [key, entry] : items) {
      meaning[key] = entry;
      RC_ASSERT(image.info.may_hold(key));
    }
    return {image.info, level, RecordNo{++record_}};
  }
  // Cut into segments of random length.
  std::vector<Placed> add_level(std::uint8_t level, const Model& items) {
    std::vector<Placed> out;
    Model part;
    const auto length = *rc::gen::inRange<std::size_t>(1, 400);
    for (const auto& item : items) {
      part.insert(item);
      if (part.size() < length) continue;
      out.push_back(place(part, level));
      part.clear();
    }
    if (!part.empty()) out.push_back(place(part, level));
    return out;
  }

  MemoryDevice& device_;
  SegmentBuilder::Options options_;
  std::uint64_t next_ = 100;
  std::uint64_t record_ = 0;
};

Task<Result<Model>> drain(MergeIterator& it, bool borrowed) {
  Model out;
  while (true) {
    if (borrowed) {
      std::optional<EntryView> view = it.try_next();
      if (!view.has_value()) {
        SCOUTFS_CO_TRY(view, co_await it.next_view());
      }
      if (!view.has_value()) co_return out;
      SCOUTFS_ASSERT(out.empty() || out.rbegin()->first < view->key);
      out[std::string(view->key)] =
          view->value.has_value() ? Entry(std::in_place, *view->value) : Entry();
      continue;
    }
    SCOUTFS_CO_TRY(std::optional<Change> change, co_await it.next());
    if (!change.has_value()) co_return out;
    SCOUTFS_ASSERT(out.empty() || out.rbegin()->first < change->key);
    out.emplace(std::move(change->key), std::move(change->entry));
  }
}

Model within(const Model& model, const KeyRange& range) {
  Model out;
  for (const auto& item : model) {
    if (range.contains(item.first)) out.insert(item);
  }
  return out;
}

BOOST_AUTO_TEST_SUITE(merge)

RC_BOOST_PROP(the_merged_view_equals_a_map, ()) {
  MemoryDevice device(1u << 16);
  World world;
  const Tree tree(device);
  if (*rc::gen::arbitrary<bool>()) device.set_scheduler(&world.scheduler);
  const auto cache_size = *rc::gen::element<std::uint64_t>(0, 30'000, 300'000, 64u << 20);
  SegmentCache cache(world.scheduler, device, kFsid, cache_size);
  for (int round = 0; round < 4; ++round) {
    KeyRange range{key_of(*rc::gen::inRange<std::uint64_t>(0, 3'000)),
                   key_of(*rc::gen::inRange<std::uint64_t>(0, 3'000))};
    if (round == 0) range = {"", std::string(kKeySizeMax, '\xff')};
    const Fill fill = *rc::gen::element(Fill::cache, Fill::bypass);
    MergeIterator it(cache, range, fill);
    it.add(tree.memtable);
    it.add(tree.list);
    const auto found = world.run(drain(it, *rc::gen::arbitrary<bool>()));
    RC_ASSERT(found.has_value());
    RC_ASSERT(*found == within(tree.meaning, range));
  }
  world.run(cache.close());
}

RC_BOOST_PROP(point_lookups_equal_a_map, ()) {
  MemoryDevice device(1u << 16);
  World world;
  const Tree tree(device);
  if (*rc::gen::arbitrary<bool>()) device.set_scheduler(&world.scheduler);
  const auto cache_size = *rc::gen::element<std::uint64_t>(0, 30'000, 300'000, 64u << 20);
  SegmentCache cache(world.scheduler, device, kFsid, cache_size);
  const auto probes = *rc::gen::container<std::vector<std::uint64_t>>(
      100, rc::gen::inRange<std::uint64_t>(0, 3'100));
  for (const std::uint64_t n : probes) {
    const std::string key = key_of(n);
    const auto it = tree.segments_only.find(key);
    const Entry expected = it == tree.segments_only.end() ? Entry() : it->second;
    const std::optional<Entry> at_once = cache.try_get(tree.list, key);
    if (at_once.has_value()) RC_ASSERT(*at_once == expected);
    const auto found = world.run(cache.get(tree.list, key));
    RC_ASSERT(found.has_value());
    RC_ASSERT(*found == expected);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::lsm
