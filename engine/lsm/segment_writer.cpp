// SegmentBuilder: collects items in a block, compresses full blocks, and knows at each step how
// large the segment would be if it ended there.
#include "engine/lsm/segment_writer.hpp"

#include <algorithm>

#include "engine/format/key_filter.hpp"
#include "engine/format/segment.hpp"
#include "engine/lsm/coverage.hpp"

namespace scoutfs::lsm {
namespace {

constexpr std::uint64_t blocks_for(std::uint64_t bytes) {
  return (bytes + kBlockSize - 1) / kBlockSize;
}

// What a range of the coverage and its ends take beyond their bytes, at most.
constexpr std::size_t kRangeOverhead = format::kItemOverheadMax + 2;

}  // namespace

struct SegmentBuilder::State {
  explicit State(Options given) : options(given), coverage(given.coverage_max) {}

  // How large the segment may get with what is there and an item of `item_bytes` more.
  std::uint64_t size_bound(std::size_t key_size, std::size_t item_bytes) const {
    const std::uint64_t data = bytes.size() + format::kFrameHeader + block.size() + item_bytes +
                               format::kFrameHeader + format::kItemBlockHeader;
    const std::uint64_t filter = format::kFrameHeader + format::filter_size(hashes.size() + 1);
    // Two frames may be open: the block, and one that the new item begins.
    const std::uint64_t index = format::kFrameHeader + 2 * format::kItemBlockHeader + 4 +
                                frames.size() + 2 * (key_size + format::kItemOverheadMax + 4) +
                                block.first_key().size() + coverage.size_bytes() +
                                3 * key_size + block.last_key().size() +
                                kCoverageMax * kRangeOverhead;
    return data + filter + index + format::kSegmentFooterSize;
  }

  void close_block() {
    const std::size_t begin = bytes.size();
    format::append_frame(bytes, block.finish(), options.compression_level);
    format::add_frame(frames, separator, bytes.size() - begin);
    frame_ends.push_back(bytes.size());
    block.clear();
  }

  Options options;
  std::string bytes;
  format::ItemBlockBuilder block;  // the items that are not in `bytes` yet
  std::string separator;           // of that block
  std::string last_key;
  format::ItemBlockBuilder frames;  // the index of what is in `bytes`
  std::vector<std::size_t> frame_ends;
  std::vector<std::uint64_t> hashes;  // of the keys
  CoverageBuilder coverage;
  std::vector<KeyRange> ranges;   // set by finish()
  format::SegmentFooter footer;   // set by finish()
  std::uint64_t block_count = 0;  // set by finish()
};

SegmentBuilder::SegmentBuilder(Options options) : state_(std::make_unique<State>(options)) {
  SCOUTFS_ASSERT(options.size_max % kBlockSize == 0);
  SCOUTFS_ASSERT(options.coverage_max <= kCoverageMax);
}
SegmentBuilder::SegmentBuilder(SegmentBuilder&&) noexcept = default;
SegmentBuilder::~SegmentBuilder() = default;

bool SegmentBuilder::empty() const {
  return state_->hashes.empty();
}
std::uint64_t SegmentBuilder::item_count() const {
  return state_->hashes.size();
}

bool SegmentBuilder::add(std::string_view key, const Entry& entry) {
  if (!entry.has_value()) return add_view(key, std::optional<std::string_view>());
  return add_view(key, std::optional<std::string_view>(*entry));
}

bool SegmentBuilder::add_view(std::string_view key, std::optional<std::string_view> value) {
  State& s = *state_;
  SCOUTFS_ASSERT(s.block_count == 0);
  const std::size_t item_bytes =
      key.size() + (value.has_value() ? value->size() : 0) + format::kItemOverheadMax;
  std::size_t shared = 0;
  if (empty()) {
    s.coverage.add_first(key);
  } else {
    if (s.size_bound(key.size(), item_bytes) > s.options.size_max) return false;
    shared = format::shared_prefix(s.last_key, key);
    s.coverage.add(s.last_key, key, shared);
    if (s.block.size() + item_bytes > format::kDataBlockSize) {
      s.close_block();
      s.separator = key.substr(0, shared + 1);
    }
  }
  s.block.add(key, value, s.block.empty() ? 0 : shared);
  s.hashes.push_back(format::filter_hash(key));
  s.last_key.resize(shared);
  s.last_key.append(key.substr(shared));
  return true;
}

std::uint64_t SegmentBuilder::finish() {
  State& s = *state_;
  SCOUTFS_ASSERT(!empty());
  SCOUTFS_ASSERT(s.block_count == 0);
  s.close_block();
  s.footer.item_count = item_count();
  s.footer.filter_offset = static_cast<std::uint32_t>(s.bytes.size());
  if (s.frame_ends.size() > 1) format::append_frame(s.bytes, format::build_filter(s.hashes), 0);
  s.footer.filter_size = static_cast<std::uint32_t>(s.bytes.size()) - s.footer.filter_offset;
  s.ranges = s.coverage.finish(s.last_key);
  const std::size_t index_offset = s.bytes.size();
  format::append_frame(s.bytes, format::encode_index(s.ranges, s.frames.finish()),
                       s.options.compression_level);
  s.footer.index_size = static_cast<std::uint32_t>(s.bytes.size() - index_offset);
  s.block_count = blocks_for(s.bytes.size() + format::kSegmentFooterSize);
  SCOUTFS_ASSERT(s.block_count * kBlockSize <= s.options.size_max || item_count() == 1);
  return s.block_count;
}

SegmentImage SegmentBuilder::seal(Fsid fsid, SegmentRef ref) && {
  State& s = *state_;
  SCOUTFS_ASSERT(s.block_count > 0);
  SCOUTFS_ASSERT(ref.where.count == s.block_count);
  const format::SegmentIdentity identity(fsid, ref.where, ref.id);
  std::size_t begin = 0;
  for (const std::size_t end : s.frame_ends) {
    format::seal_frame(s.bytes, begin, end - begin, identity);
    begin = end;
  }
  if (s.footer.filter_size > 0)
    format::seal_frame(s.bytes, begin, s.footer.filter_size, identity);
  format::seal_frame(s.bytes, begin + s.footer.filter_size, s.footer.index_size, identity);
  s.bytes.resize(s.block_count * kBlockSize - format::kSegmentFooterSize, '\0');
  s.bytes += format::encode(s.footer, identity);
  return {{ref, item_count(), std::move(s.ranges)}, std::move(s.bytes)};
}

}  // namespace scoutfs::lsm
