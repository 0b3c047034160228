// mkfs: the first bytes of a volume.
#include <algorithm>

#include "engine/format/server_items.hpp"
#include "engine/lsm/durable_tree.hpp"
#include "engine/lsm/segment_writer.hpp"
#include "engine/mount/mount.hpp"

namespace scoutfs {

namespace {

constexpr Seq kFirstSeq{1};

Result<void> check_options(const FormatOptions& options) {
  if (options.cluster.empty() || options.cluster.size() > format::kClusterNameMax) {
    return fail(Errc::invalid);
  }
  if (options.slots.size() > format::kSlotsMax) return fail(Errc::invalid);
  for (std::size_t i = 0; i < options.slots.size(); ++i) {
    const format::SlotConfig& slot = options.slots[i];
    if (slot.slot >= format::kSlotsMax || slot.address.port == 0) return fail(Errc::invalid);
    for (std::size_t j = 0; j < i; ++j) {
      if (options.slots[j].slot == slot.slot) return fail(Errc::invalid);
      if (options.slots[j].address == slot.address) return fail(Errc::invalid);
    }
  }
  return {};
}

format::Superblock lay_out(const FormatOptions& options, std::uint64_t blocks, Random& random) {
  format::Superblock superblock;
  superblock.fsid = Fsid{random.id()};
  for (char& byte : superblock.uuid) byte = static_cast<char>(random.below(256));
  // An RFC 4122 random uuid.
  superblock.uuid[6] = static_cast<char>((superblock.uuid[6] & 0x0f) | 0x40);
  superblock.uuid[8] = static_cast<char>((superblock.uuid[8] & 0x3f) | 0x80);
  for (char& byte : superblock.secret) byte = static_cast<char>(random.below(256));
  superblock.cluster = options.cluster;
  superblock.slots = options.slots;
  std::sort(superblock.slots.begin(), superblock.slots.end(),
            [](const auto& a, const auto& b) { return a.slot < b.slot; });
  superblock.device_blocks = blocks;
  const std::uint64_t journal = options.journal_blocks != 0
                                    ? options.journal_blocks
                                    : std::clamp<std::uint64_t>(blocks / 64, 1024, 65536);
  const std::uint64_t server = options.server_area_blocks != 0
                                   ? options.server_area_blocks
                                   : std::clamp<std::uint64_t>(blocks / 64, 1024, 1u << 20);
  superblock.journal = {BlockNo{format::kFirstRegion}, journal};
  superblock.server_area = {superblock.journal.end(), server};
  const BlockNo space = superblock.server_area.end();
  superblock.space = {space, blocks > space.value ? blocks - space.value : 0};
  return superblock;
}

// Writes the root directory as the first segment and returns the server items of a new volume.
Task<Result<lsm::Memtable>> write_root(Env env, const format::Superblock& superblock,
                                       std::uint32_t mode) {
  const TimeNs now_ns = env.clock.wall_ns();
  const fs::Timespec now{.seconds = static_cast<std::int64_t>(now_ns / kSecond),
                         .nanoseconds = static_cast<std::uint32_t>(now_ns % kSecond)};
  std::vector<lsm::Item> items = fs::root_items(now, mode, kFirstSeq);
  std::sort(items.begin(), items.end(),
            [](const lsm::Item& a, const lsm::Item& b) { return a.key < b.key; });
  lsm::SegmentBuilder builder({.coverage_max = 1});
  for (const lsm::Item& item : items) {
    const lsm::Entry entry = item.value;
    const bool added = builder.add(item.key, entry);
    SCOUTFS_ASSERT(added);
  }
  const std::uint64_t blocks = builder.finish();
  const lsm::SegmentRef ref{{superblock.space.start, blocks}, env.random.id()};
  const lsm::SegmentImage image = std::move(builder).seal(superblock.fsid, ref);
  const std::string_view bytes = image.bytes;
  SCOUTFS_CO_CHECK(
      co_await env.device.write(ref.where.start, as_bytes(bytes), Durability::on_completion));

  lsm::Memtable server;
  const format::Counters counters{.next_ino = Ino{format::kInodeGroup},
                                  .next_seq = kFirstSeq.next(),
                                  .next_record = RecordNo{2},
                                  .next_job = JobId{1},
                                  .version = Version{1}};
  server.set(format::counters_key(), format::encode(counters));
  std::string value;
  Writer out(value);
  encode(out, lsm::Placed{.info = image.info, .level = 1, .record = RecordNo{1}});
  server.set(format::segment_key(ref.where.start), std::move(value));
  const Extent rest{ref.where.end(), superblock.space.count - blocks};
  server.set(format::free_key(rest.start), format::encode_count(rest.count));
  co_return server;
}

}  // namespace

Task<Result<format::Superblock>> format_volume(Env env, FormatOptions options) {
  SCOUTFS_CO_CHECK(check_options(options));
  const std::uint64_t blocks = env.device.block_count();
  if (blocks < format::kDeviceBlocksMin) co_return fail(Errc::no_space);
  if (!options.force) {
    const Result<format::Superblock> old = co_await lsm::read_superblock(env.device);
    // Another format hash is a volume too.
    if (old.has_value() || old.error().code == Errc::unsupported) co_return fail(Errc::exists);
    if (old.error().code != Errc::corrupt) co_return std::unexpected(old.error());
  }
  const format::Superblock superblock = lay_out(options, blocks, env.random);
  if (superblock.space.count < format::kDeviceBlocksMin / 4) co_return fail(Errc::no_space);
  // From here on nothing of an older volume is left that could be taken for a part of this one.
  const std::string zero(2 * format::kSlotsMax * kBlockSize, '\0');
  const std::string_view bytes = zero;
  SCOUTFS_CO_CHECK(co_await env.device.write(BlockNo{format::kQuorumFirst}, as_bytes(bytes),
                                             Durability::on_completion));
  SCOUTFS_CO_TRY(const lsm::Memtable items,
                 co_await write_root(env, superblock, options.root_mode));
  SCOUTFS_CO_CHECK(
      co_await lsm::DurableTree::create(env.scheduler, env.device, superblock, items));
  co_return superblock;
}

}  // namespace scoutfs
