// Item blocks and segments of random items: canonical, and never believed.
#include "engine/format/item_block.hpp"

#include "engine/format/segment.hpp"
#include "tests/support/segments.hpp"
#include "tests/test.hpp"

namespace scoutfs::lsm {
namespace {

using format::ItemBlock;
using format::ItemBlockBuilder;
using scoutfs::testing::Model;

constexpr Fsid kFsid{0xfeedULL};

Model random_items(std::size_t most) {
  Model items;
  const auto count = *rc::gen::inRange<std::size_t>(1, most);
  for (std::size_t i = 0; i < count; ++i) {
    // Few letters, so that keys share beginnings and are beginnings of one another.
    std::string key =
        *rc::gen::container<std::string>(rc::gen::elementOf(std::string("\0ab\xff", 4)));
    if (*rc::gen::inRange(0, 4) == 0)
      key.insert(0, *rc::gen::inRange<std::size_t>(0, 200), 'p');
    Entry entry;
    if (*rc::gen::inRange(0, 3) > 0) entry = *rc::gen::arbitrary<std::string>();
    items[std::move(key)] = std::move(entry);
  }
  return items;
}

std::string encode_block(const Model& items) {
  ItemBlockBuilder builder;
  for (const auto& [key, entry] : items) {
    builder.add(key,
                entry.has_value() ? std::optional<std::string_view>(*entry) : std::nullopt);
  }
  return std::string(builder.finish());
}

Model items_of(const ItemBlock& block) {
  Model items;
  for (std::size_t i = 0; i < block.count(); ++i) {
    const auto value = block.value(i);
    items[block.key(i)] = value.has_value() ? Entry(std::in_place, *value) : Entry();
  }
  return items;
}

// Everything a segment holds, decoded frame by frame.
Result<Model> decode_segment(std::string_view bytes, const format::SegmentIdentity& identity) {
  Model items;
  SCOUTFS_TRY(const format::SegmentFooter footer,
              format::decode_segment_footer(bytes, identity));
  SCOUTFS_TRY(
      const format::SegmentDirectory directory,
      format::decode_segment_tail(bytes.substr(footer.filter_offset), footer, identity));
  std::string scratch;
  for (std::size_t frame = 0; frame < directory.frame_count(); ++frame) {
    const std::size_t begin = directory.offsets[frame];
    SCOUTFS_TRY(
        const ItemBlock block,
        format::decode_data_frame(bytes.substr(begin, directory.offsets[frame + 1] - begin),
                                  directory, frame, identity, scratch));
    items.merge(items_of(block));
  }
  return items;
}

BOOST_AUTO_TEST_SUITE(item_block_property)

RC_BOOST_PROP(what_was_encoded_is_decoded_and_found, ()) {
  const Model items = random_items(120);
  const auto block = ItemBlock::decode(encode_block(items));
  RC_ASSERT(block.has_value());
  RC_ASSERT(items_of(*block) == items);
  const Model probes = random_items(60);
  for (const auto& [key, entry] : probes) {
    const auto at =
        static_cast<std::size_t>(std::distance(items.begin(), items.lower_bound(key)));
    RC_ASSERT(block->lower_bound(key) == at);
    RC_ASSERT(block->find(key) == (items.contains(key) ? at : items.size()));
  }
}

RC_BOOST_PROP(changed_bytes_are_corrupt_or_what_a_builder_makes, ()) {
  std::string bytes = encode_block(random_items(20));
  const auto changes = *rc::gen::inRange(1, 4);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    bytes[at] = *rc::gen::arbitrary<char>();
  }
  const auto block = ItemBlock::decode(bytes);
  if (!block.has_value()) {
    RC_ASSERT(block.error().code == Errc::corrupt);
    return;
  }
  const Model items = items_of(*block);
  RC_ASSERT(items.size() == block->count());
  RC_ASSERT(encode_block(items) == bytes);
}

RC_BOOST_PROP(a_segment_gives_its_items_back_and_a_flipped_bit_is_found, ()) {
  const Model items = random_items(400);
  SegmentBuilder builder = scoutfs::testing::build(
      items, {.compression_level = *rc::gen::inRange(0, 3),
              .coverage_max = *rc::gen::inRange<std::size_t>(1, kCoverageMax + 1)});
  const Extent where{BlockNo{*rc::gen::inRange<std::uint64_t>(0, 1'000)}, builder.finish()};
  const auto id = *rc::gen::arbitrary<std::uint64_t>();
  SegmentImage image = std::move(builder).seal(kFsid, {where, id});
  RC_ASSERT(image.bytes.size() == where.count * kBlockSize);
  RC_ASSERT(image.info.item_count == items.size());
  RC_ASSERT(image.info.first() == items.begin()->first);
  RC_ASSERT(image.info.last() == items.rbegin()->first);
  for (const auto& [key, entry] : items) RC_ASSERT(image.info.may_hold(key));

  const format::SegmentIdentity identity(kFsid, where, id);
  const auto found = decode_segment(image.bytes, identity);
  RC_ASSERT(found.has_value());
  RC_ASSERT(*found == items);
  const format::SegmentIdentity other(kFsid, where, id + 1);
  RC_ASSERT(failed_with(decode_segment(image.bytes, other), Errc::corrupt));
  for (int i = 0; i < 20; ++i) {
    const auto bit = *rc::gen::inRange<std::size_t>(0, image.bytes.size() * 8);
    char& byte = image.bytes[bit / 8];
    byte = static_cast<char>(byte ^ (1 << bit % 8));
    RC_ASSERT(failed_with(decode_segment(image.bytes, identity), Errc::corrupt));
    byte = static_cast<char>(byte ^ (1 << bit % 8));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::lsm
