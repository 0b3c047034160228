// The description of every format, and its hash: the identity of what is on disk and on the
// wire.
//
// Each format contributes one line that names it and its version; the constant is beside the
// format's table. Whoever changes a layout raises the version in its line. There is no
// compatibility between different hashes, so nothing else has to be kept in step.
#include <string>
#include <string_view>

#include "engine/base/hash.hpp"
#include "engine/format/inode.hpp"
#include "engine/format/item_block.hpp"
#include "engine/format/journal.hpp"
#include "engine/format/key_filter.hpp"
#include "engine/format/keys.hpp"
#include "engine/format/quorum.hpp"
#include "engine/format/segment.hpp"
#include "engine/format/server_items.hpp"
#include "engine/format/upper_formats.hpp"
#include "engine/format/volume.hpp"

namespace scoutfs::format {

namespace {

constexpr std::string_view kParts[] = {
    "scoutfs: little-endian fields, big-endian keys, 4096-byte blocks, XXH3\n",
    kSuperblockFormat,
    kJournalFormat,
    kBatchFormat,
    kItemBlockFormat,
    kKeyFilterFormat,
    kSegmentFormat,
    kManifestFormat,
    kKeysFormat,
    kInodeFormat,
    kServerItemsFormat,
    kQuorumFormat,
    kWireFormat,
};

std::string join() {
  std::string text;
  for (const std::string_view part : kParts) text += part;
  return text;
}

}  // namespace

std::string_view format_description() {
  static const std::string text = join();
  return text;
}

std::uint64_t format_hash() {
  static const std::uint64_t hash = checksum64(format_description(), 0);
  return hash;
}

}  // namespace scoutfs::format
