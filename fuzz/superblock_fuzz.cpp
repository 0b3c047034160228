// Superblock images. What decodes is what encode() gives.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/codec.hpp"
#include "engine/base/hash.hpp"
#include "engine/format/volume.hpp"

// The input is the fields from offset 24 on: checksum, magic and format hash are supplied, so
// that the fuzzer spends its time behind them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace scoutfs;
  constexpr std::size_t kImageSize = format::kSuperblockBlocks * kBlockSize;
  constexpr std::size_t kFields = 24;
  if (size > kImageSize - kFields) return 0;
  std::string image(8, '\0');
  Writer out(image);
  out.put(format::Superblock::kMagic);
  out.put(format::format_hash());
  out.put_raw({reinterpret_cast<const char*>(data), size});
  out.pad_to(kImageSize);
  store_little(image.data(), checksum64(std::string_view(image).substr(8), 0));

  const Result<format::Superblock> superblock = format::decode_superblock(image);
  if (!superblock.has_value()) return 0;
  SCOUTFS_ASSERT(format::encode(*superblock) == image);
  return 0;
}
