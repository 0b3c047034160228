// The description of every format, and its hash: the identity of what is on disk and on the
// wire.
//
// Each format contributes one line that names it, its version and its fields in order; formats
// with a header constant are taken from there. Whoever changes a layout raises the version in
// its line. There is no compatibility between different hashes, so nothing else has to be kept
// in step.
#include <string>
#include <string_view>

#include "engine/base/hash.hpp"
#include "engine/format/journal.hpp"
#include "engine/format/volume.hpp"

namespace scoutfs::format {

namespace {

constexpr std::string_view kParts[] = {
    "scoutfs: little-endian fields, big-endian keys, 4096-byte blocks, XXH3\n",
    kSuperblockFormat,
    kJournalFormat,
    "batch 1: count, {key, present, value}\n",
    "segment 1: blocks, index, filter, footer\n",
    "manifest 1: ref items coverage level record\n",
    "keys 1: index 10, orphan 20, fs 40\n",
    "inode 1: 170 bytes\n",
    "server items 1\n",
    "quorum 1\n",
    "wire 1\n",
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
