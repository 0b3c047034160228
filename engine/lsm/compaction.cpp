// Running a compaction job, and its encoding.
#include "engine/lsm/compaction.hpp"

#include <algorithm>

namespace scoutfs::lsm {

namespace {

constexpr std::uint64_t kJobSegmentSizeMax = 1u << 30;  // bytes; no volume has larger segments

// Answers for keys that only grow.
class AscendingRanges {
 public:
  explicit AscendingRanges(const std::vector<KeyRange>& ranges) : ranges_(ranges) {}
  bool contains(std::string_view key) {
    while (at_ < ranges_.size() && ranges_[at_].last < key) ++at_;
    return at_ < ranges_.size() && ranges_[at_].first <= key;
  }

 private:
  const std::vector<KeyRange>& ranges_;
  std::size_t at_ = 0;
};

class AscendingSplits {
 public:
  explicit AscendingSplits(const std::vector<std::string>& splits) : splits_(splits) {}
  // True if a split lies between the key of the call before and this one.
  bool crossed_by(std::string_view key) {
    const std::size_t before = at_;
    while (at_ < splits_.size() && splits_[at_] <= key) ++at_;
    return at_ != before;
  }

 private:
  const std::vector<std::string>& splits_;
  std::size_t at_ = 0;
};

KeyRange hull_of(const std::vector<Placed>& inputs) {
  KeyRange hull{inputs.front().info.first(), inputs.front().info.last()};
  for (const Placed& input : inputs) {
    hull.first = std::min(hull.first, input.info.first());
    hull.last = std::max(hull.last, input.info.last());
  }
  return hull;
}

SegmentBuilder::Options builder_options(const Job& job) {
  SegmentBuilder::Options options;
  options.size_max = job.segment_size_max;
  options.coverage_max = job.output_level == 0 ? kCoverageMax : 1;
  return options;
}

// Places what the builder holds, writes it and adds it to `outputs`.
Task<Result<void>> write_output(BlockDevice& device, Fsid fsid, SegmentBuilder builder,
                                OutputSpace& space, std::vector<SegmentInfo>& outputs) {
  SCOUTFS_CO_TRY(const SegmentRef ref, space.allocate(builder.finish()));
  SegmentImage image = std::move(builder).seal(fsid, ref);
  SCOUTFS_CO_CHECK(
      co_await device.write(ref.where.start, as_bytes(image.bytes), Durability::after_flush));
  outputs.push_back(std::move(image.info));
  co_return Result<void>{};
}

}  // namespace

Task<Result<std::vector<SegmentInfo>>> run_job(SegmentCache& cache, BlockDevice& device,
                                               Fsid fsid, const Job& job, OutputSpace& space) {
  SCOUTFS_ASSERT(!job.inputs.empty());
  std::vector<SegmentInfo> outputs;
  MergeIterator items(cache, hull_of(job.inputs), Fill::bypass);
  SegmentList list;
  list.segments = job.inputs;
  items.add(list);
  AscendingRanges bottom(job.bottom);
  AscendingSplits splits(job.splits);
  std::optional<SegmentBuilder> builder;
  while (true) {
    // Borrowed until the next entry is asked for: also while a segment is written.
    std::optional<EntryView> item = items.try_next();
    if (!item.has_value()) {
      SCOUTFS_CO_TRY(item, co_await items.next_view());
    }
    if (!item.has_value()) break;
    if (splits.crossed_by(item->key) && builder.has_value()) {
      SCOUTFS_CO_CHECK(
          co_await write_output(device, fsid, *std::move(builder), space, outputs));
      // NOLINTNEXTLINE(bugprone-use-after-move): what is moved from is what it holds.
      builder.reset();
    }
    if (!item->value.has_value() && bottom.contains(item->key)) continue;
    if (builder.has_value() && builder->add_view(item->key, item->value)) continue;
    if (builder.has_value()) {
      SCOUTFS_CO_CHECK(
          co_await write_output(device, fsid, *std::move(builder), space, outputs));
    }
    // NOLINTNEXTLINE(bugprone-use-after-move): what is moved from is what it holds.
    builder.reset();
    builder.emplace(builder_options(job));
    const bool added = builder->add_view(item->key, item->value);
    SCOUTFS_ASSERT(added);
  }
  if (builder.has_value()) {
    SCOUTFS_CO_CHECK(co_await write_output(device, fsid, *std::move(builder), space, outputs));
  }
  if (!outputs.empty()) SCOUTFS_CO_CHECK(co_await device.flush());
  co_return outputs;
}

void encode(Writer& out, const Job& job) {
  out.put(job.id);
  out.put_varint(job.inputs.size());
  for (const Placed& input : job.inputs) encode(out, input);
  out.put(job.output_level);
  out.put(job.output_record);
  out.put_varint(job.bottom.size());
  for (const KeyRange& range : job.bottom) {
    out.put_string(range.first);
    out.put_string(range.last);
  }
  out.put_varint(job.splits.size());
  for (const std::string& split : job.splits) out.put_string(split);
  out.put_varint(job.segment_size_max);
}

// What run_job() relies on is checked: there are inputs, levels exist, lists ascend, sizes are
// sane.
Job decode_job(Reader& in) {
  Job job;
  job.id = in.get_id<JobId>();
  const std::size_t inputs = in.get_count(1);
  if (inputs == 0) in.set_bad();
  for (std::size_t i = 0; i < inputs && in.good(); ++i) {
    job.inputs.push_back(decode_placed(in));
    if (job.inputs.back().level > kLevelMax) in.set_bad();
  }
  job.output_level = in.get<std::uint8_t>();
  if (job.output_level > kLevelMax) in.set_bad();
  job.output_record = in.get_id<RecordNo>();
  const std::size_t ranges = in.get_count(2);
  for (std::size_t i = 0; i < ranges && in.good(); ++i) {
    KeyRange range;
    range.first = in.get_string(kJobKeyMax);
    range.last = in.get_string(kJobKeyMax);
    if (range.first > range.last) in.set_bad();
    if (i > 0 && range.first <= job.bottom.back().last) in.set_bad();
    job.bottom.push_back(std::move(range));
  }
  const std::size_t splits = in.get_count(1);
  for (std::size_t i = 0; i < splits && in.good(); ++i) {
    std::string split(in.get_string(kJobKeyMax));
    if (i > 0 && split <= job.splits.back()) in.set_bad();
    job.splits.push_back(std::move(split));
  }
  job.segment_size_max = in.get_varint();
  if (job.segment_size_max < kBlockSize || job.segment_size_max > kJobSegmentSizeMax)
    in.set_bad();
  if (job.segment_size_max % kBlockSize != 0) in.set_bad();
  return job;
}

}  // namespace scoutfs::lsm
