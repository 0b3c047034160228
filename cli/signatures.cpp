#include "cli/signatures.hpp"

#include <array>
#include <string_view>
#include <vector>

#include "engine/base/codec.hpp"

namespace scoutfs::cli {

namespace {

using namespace std::string_view_literals;

struct Mark {
  std::size_t offset;  // bytes
  std::string_view bytes;
  std::string_view name;
};

// What is most particular first: a partition table may stand beside any of them.
constexpr std::array kMarks{
    Mark{1080, "\x53\xef"sv, "an ext2, ext3 or ext4 filesystem"},
    Mark{0, "XFSB"sv, "an XFS filesystem"},
    Mark{65600, "_BHRfS_M"sv, "a btrfs filesystem"},
    Mark{4086, "SWAPSPACE2"sv, "swap space"},
    Mark{0, "LUKS\xba\xbe"sv, "a LUKS encrypted volume"},
    Mark{512, "LABELONE"sv, "an LVM physical volume"},
    Mark{1024, "\x10\x20\xf5\xf2"sv, "an F2FS filesystem"},
    Mark{32769, "CD001"sv, "an ISO 9660 filesystem"},
    Mark{3, "NTFS    "sv, "an NTFS filesystem"},
    Mark{82, "FAT32   "sv, "a FAT filesystem"},
    Mark{54, "FAT1"sv, "a FAT filesystem"},
    Mark{512, "EFI PART"sv, "a GPT partition table"},
    Mark{510, "\x55\xaa"sv, "a partition table"},
};
constexpr std::size_t kReadSize = 17 * kBlockSize;  // covers every mark

}  // namespace

Task<Result<std::string>> find_signature(BlockDevice& device) {
  if (device.block_count() * kBlockSize < kReadSize) co_return std::string();
  std::vector<std::byte> bytes(kReadSize);
  SCOUTFS_CO_CHECK(co_await device.read(BlockNo{0}, bytes));
  const std::string_view text = as_text(bytes);
  for (const Mark& mark : kMarks) {
    if (text.substr(mark.offset, mark.bytes.size()) == mark.bytes) {
      co_return std::string(mark.name);
    }
  }
  co_return std::string();
}

}  // namespace scoutfs::cli
