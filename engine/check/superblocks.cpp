#include "engine/check/superblocks.hpp"

#include <algorithm>
#include <optional>

namespace scoutfs::check {

namespace {

struct Copies {
  bool after_crash = false;
  std::optional<format::Superblock> newest;
  Error error{};  // of the last copy that is not good
  bool other_format = false;
};

void add_copy(Copies& copies, Result<format::Superblock> copy, std::uint64_t number,
              Problems& problems) {
  if (!copy.has_value()) {
    if (!copies.after_crash || !failed_with(copy, Errc::corrupt)) {
      problems.add("superblock-copy", "copy {} of the superblock, at block {}: {}", number,
                   format::superblock_at(number).value, to_string(copy.error().code));
    }
    copies.other_format = copies.other_format || failed_with(copy, Errc::unsupported);
    copies.error = copy.error();
    return;
  }
  if (copy->checkpoint % 2 != number) {
    problems.add("superblock-copy", "copy {} of the superblock holds checkpoint {}", number,
                 copy->checkpoint);
    copies.error = Error{Errc::corrupt, std::source_location::current()};
    return;
  }
  if (copies.newest.has_value()) {
    if (copies.newest->fsid != copy->fsid) {
      problems.add("superblock-copy",
                   "the superblock's copies are of two volumes: {:x} and {:x}",
                   copies.newest->fsid.value, copy->fsid.value);
    }
    if (copies.newest->checkpoint >= copy->checkpoint) return;
  }
  copies.newest = *std::move(copy);
}

}  // namespace

Task<Result<format::Superblock>> read_superblocks(BlockDevice& device, bool after_crash,
                                                  Problems& problems) {
  if (device.block_count() < format::kFirstRegion) co_return fail(Errc::corrupt);
  Copies copies;
  copies.after_crash = after_crash;
  std::string image(format::kSuperblockBlocks * kBlockSize, '\0');
  for (std::uint64_t number = 0; number < 2; ++number) {
    const BlockNo where = format::superblock_at(number);
    const Result<void> read =
        co_await device.read(where, std::as_writable_bytes(std::span(image)));
    if (!read.has_value()) {
      add_copy(copies, std::unexpected(read.error()), number, problems);
      continue;
    }
    add_copy(copies, format::decode_superblock(image), number, problems);
  }
  if (copies.newest.has_value()) co_return *std::move(copies.newest);
  if (copies.other_format) co_return fail(Errc::unsupported);
  co_return std::unexpected(copies.error);
}

bool check_regions(const format::Superblock& superblock, std::uint64_t device_blocks,
                   Problems& problems) {
  if (device_blocks < superblock.device_blocks) {
    problems.add("device-size", "the volume has {} blocks, the device {}",
                 superblock.device_blocks, device_blocks);
    return false;
  }
  std::vector<Extent> taken;
  for (const format::CheckpointSegment& segment : superblock.segments) {
    if (segment.record >= superblock.next_record) {
      problems.add("counter-record", "server tree segment at {} has record {}, the next is {}",
                   segment.where.start.value, segment.record.value,
                   superblock.next_record.value);
    }
    taken.push_back(segment.where);
  }
  std::ranges::sort(taken);
  for (std::size_t i = 1; i < taken.size(); ++i) {
    if (taken[i - 1].end() <= taken[i].start) continue;
    problems.add("server-area", "server tree segments at {} and {} overlap",
                 taken[i - 1].start.value, taken[i].start.value);
  }
  return true;
}

}  // namespace scoutfs::check
